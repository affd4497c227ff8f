package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"

	"lars/bench/hist"
)

// File names within a result.
const (
	RunFile        = "run.json"
	BenchFile      = "bench.txt"
	TimeSeriesFile = "timeseries.csv"
	MachineFile    = "machine.json"
	PictureFile    = "latency.svg"
	SumsFile       = "SHA256SUMS"
)

// safeName is what arms may be called: they become parts of file names, of
// benchmark names and of columns.
var safeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// ErrName is an arm that cannot be part of a file name.
var ErrName = errors.New("record: a name may have letters, digits, '_', '.', '-', and at most 64 of them")

// CheckName reports whether an arm may be called so.
func CheckName(name string) error {
	if !safeName.MatchString(name) {
		return fmt.Errorf("%w: %q", ErrName, name)
	}
	return nil
}

// Write makes dir and writes all files of a result into it: the raw ones, and
// those that follow from them, of this package and of more. It refuses to mix
// with the files of another result. The stage "response" of an arm is what its
// log, percentile file and curve show.
func Write(dir string, b *Bundle, more ...Derive) error {
	if err := b.prepare(); err != nil {
		return err
	}
	files, err := b.raw()
	if err != nil {
		return err
	}
	// What is derived now and what Render derives later come from the same
	// bytes.
	run, err := Parse(files[RunFile])
	if err != nil {
		return err
	}
	f, err := assemble(run, files)
	if err != nil {
		return err
	}
	derived, err := derive(f, more)
	if err != nil {
		return err
	}
	maps.Copy(files, derived)
	if err := makeEmpty(dir); err != nil {
		return err
	}
	for _, name := range sortedKeys(files) {
		if err := os.WriteFile(filepath.Join(dir, name), files[name], 0o644); err != nil {
			return err
		}
	}
	listed := map[string]string{}
	for name, content := range files {
		listed[name] = sum(content)
	}
	return os.WriteFile(filepath.Join(dir, SumsFile), formatSums(listed), 0o644)
}

func makeEmpty(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, RunFile)); err == nil {
		return fmt.Errorf("%s holds a result already: give another directory or remove that one", dir)
	}
	return os.MkdirAll(dir, 0o755)
}

// prepare checks names, and fills in the names of files and the histograms.
func (b *Bundle) prepare() error {
	for i := range b.Run.Arms {
		a := &b.Run.Arms[i]
		if err := CheckName(a.Name); err != nil {
			return err
		}
		if err := a.fill(b.Hists[a.Name]); err != nil {
			return err
		}
		if b.Compact {
			a.compact()
		}
	}
	return b.Run.Validate()
}

// compact leaves out what is of no use to others: what servers said of
// themselves, and where the programs lay on this machine.
func (a *Arm) compact() {
	for i := range a.Rounds {
		a.Rounds[i].ServerReport = nil
	}
	if len(a.Command) > 0 {
		a.Command = append([]string{filepath.Base(a.Command[0])}, a.Command[1:]...)
	}
}

func (a *Arm) fill(hists map[string]*hist.Recorder) error {
	for i := range a.Latency {
		l := &a.Latency[i]
		r := hists[l.Stage]
		if r == nil {
			continue
		}
		var err error
		if l.HDR, err = encode(r); err != nil {
			return fmt.Errorf("arm %s, %s: %w", a.Name, l.Stage, err)
		}
		if l.Stage == StageResponse {
			l.HLog, l.HGrm = logName(a.Name), percentileName(a.Name)
		}
	}
	return nil
}

func logName(arm string) string        { return "latency." + arm + ".hlog" }
func percentileName(arm string) string { return "latency." + arm + ".hgrm" }

// raw makes the content of the files that others follow from.
func (b *Bundle) raw() (map[string][]byte, error) {
	files := map[string][]byte{TimeSeriesFile: timeSeries(b.Slices)}
	for _, a := range b.Run.Arms {
		for _, l := range a.Latency {
			if l.HLog == "" {
				continue
			}
			log, err := intervalLog(b.Slices, a.Name, b.Compact)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", l.HLog, err)
			}
			files[l.HLog] = log
		}
	}
	var err error
	if b.Circumstances != nil {
		if files[MachineFile], err = document(b.Circumstances); err != nil {
			return nil, err
		}
	}
	if b.Compact {
		files[RunFile], err = json.Marshal(&b.Run)
		files[RunFile] = append(files[RunFile], '\n')
		return files, err
	}
	files[RunFile], err = document(&b.Run)
	return files, err
}

func document(v any) ([]byte, error) {
	raw, err := json.MarshalIndent(v, "", "  ")
	return append(raw, '\n'), err
}
