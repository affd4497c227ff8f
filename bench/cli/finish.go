package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lars/bench/record"
	"lars/bench/report"
	"lars/bench/run"
)

// outDefault is where results go without --out.
const outDefault = "out"

// outNone writes no files.
const outNone = "none"

// finish prints the result, writes its files and gives the exit code.
func (c *command) finish(stdout, stderr io.Writer, o *options, result *run.Result, args []string) error {
	bundle := result.Record(run.Labels{
		Command:  append(strings.Fields(c.name), args...),
		Baseline: o.baseline,
	})
	if err := o.print(stdout, &bundle.Run, printResult, resultMarkdown); err != nil {
		return err
	}
	if err := o.write(stdout, stderr, bundle); err != nil {
		return err
	}
	return exitFor(result.Verdict())
}

// text says whether the output is for a person at a terminal.
func (o *options) text() bool { return !o.json && !o.markdown }

// live says whether the run may be shown while it goes on.
func (o *options) live() bool { return !o.json && !o.noLive }

// print writes the result in the form that was asked for.
func (o *options) print(w io.Writer, r *record.Run, text, markdown func(io.Writer, *record.Run)) error {
	switch {
	case o.json:
		return printJSON(w, r)
	case o.markdown:
		markdown(w, r)
	default:
		text(w, r)
	}
	return nil
}

func printJSON(w io.Writer, r *record.Run) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func (o *options) write(stdout, stderr io.Writer, b *record.Bundle) error {
	if o.out == outNone {
		return nil
	}
	dir := o.out
	switch {
	case o.archive != "":
		b.Compact = true
		dir = unused(filepath.Join(o.archive, monthOf(&b.Run), b.Run.ID))
	case dir == "":
		dir = unused(filepath.Join(outDefault, b.Run.ID))
	}
	if err := record.Write(dir, b, report.Derive); err != nil {
		return fmt.Errorf("the result could not be written: %w", err)
	}
	where := stdout
	if !o.text() {
		where = stderr
	}
	fmt.Fprintf(where, "\nfiles: %s\n", dir)
	return nil
}

// monthOf is the year and the month of a run, as folders.
func monthOf(r *record.Run) string {
	t, err := time.Parse(time.RFC3339Nano, r.Started)
	if err != nil {
		t = time.Now()
	}
	return t.UTC().Format("2006/01")
}

// unused is dir, or with a number when there is a result of the same second:
// what was measured is never lost to a name.
func unused(dir string) string {
	for name, n := dir, 2; ; n++ {
		if _, err := os.Stat(name); err != nil {
			return name
		}
		name = fmt.Sprintf("%s-%d", dir, n)
	}
}

// checkOut finds a directory that cannot be used before the run starts.
func (o *options) checkOut() error {
	if o.archive != "" && o.out != "" {
		return o.flags.Errorf("--archive and --out exclude each other")
	}
	if o.out == outNone || o.out == "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join(o.out, record.RunFile)); err == nil {
		return o.flags.Errorf("--out %s holds a result already: give another directory or remove that one", o.out)
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return o.flags.Errorf("--out: %v: give a directory that can be written", err)
	}
	return nil
}
