package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lars/bench/merge"
	"lars/bench/record"
	"lars/bench/report"
	"lars/bench/results"
	"lars/internal/cli"
)

// verify is "lars bench verify".
func verify(_ context.Context, stdout, _ io.Writer, args []string) error {
	f := cli.NewFlags("lars bench verify", "FOLDER...",
		"Checks results: every file against its checksum, run.json against its schema, that the derived files follow from the raw ones, and the figures of run.json from its rounds, histograms and logs.",
		"lars bench verify out/20261120T120000Z-1234567-echo-abcdef", "lars bench verify results")
	dirs, done, err := folders(f, stdout, args)
	if done || err != nil {
		return err
	}
	return each(stdout, dirs, func(dir string) (string, error) {
		if err := whole(dir); err != nil {
			return "", err
		}
		said := "every file is as it was written"
		more, err := record.Unlisted(dir)
		if more != nil {
			said += "; of these nothing is known: " + strings.Join(more, ", ")
		}
		return said, err
	})
}

// whole is everything that verify asks of a result.
func whole(dir string) error {
	if err := record.Verify(dir, report.Derive); err != nil {
		return err
	}
	f, err := record.Open(dir)
	if err != nil {
		return err
	}
	if err := results.Check(f); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, record.RunFile), err)
	}
	return nil
}

// render is "lars bench render".
func render(_ context.Context, stdout, _ io.Writer, args []string) error {
	f := cli.NewFlags("lars bench render", "FOLDER...",
		"Makes the derived files of results again from the raw ones (run.json, .hlog, timeseries.csv): report, picture, percentiles, benchmark text.",
		"lars bench render out/20261120T120000Z-1234567-echo-abcdef", "lars bench render results")
	dirs, done, err := folders(f, stdout, args)
	if done || err != nil {
		return err
	}
	return each(stdout, dirs, func(dir string) (string, error) {
		changed, err := record.Render(dir, report.Derive)
		if changed == nil {
			return "nothing changed", err
		}
		return "made again: " + strings.Join(changed, ", "), err
	})
}

// mergeFolders is "lars bench merge".
func mergeFolders(_ context.Context, stdout, _ io.Writer, args []string) error {
	f := cli.NewFlags("lars bench merge", "OUT FOLDER...",
		"Makes one result, in the new folder OUT, of those of several generators that loaded the same servers together. Histograms and counts are added, never percentiles.",
		"lars bench merge out/both out/20261120T120000Z-1234567-echo-abcdef out/20261120T120000Z-1234567-echo-fedcba")
	if done, err := f.ParseArgs(stdout, args); done || err != nil {
		return err
	}
	if f.NArg() < 3 {
		return f.Errorf("give the new folder, then two or more of results")
	}
	if _, err := os.Stat(filepath.Join(f.Arg(0), record.RunFile)); err == nil {
		return f.Errorf("%s holds a result already: the first folder is the new one", f.Arg(0))
	}
	var parts []merge.Part
	for _, dir := range f.Args()[1:] {
		if err := record.Verify(dir, report.Derive); err != nil && !errors.Is(err, record.ErrDerived) {
			return err
		}
		folder, err := record.Open(dir)
		if err != nil {
			return err
		}
		parts = append(parts, merge.Part{Dir: dir, Folder: folder})
	}
	merged, err := merge.Merge(parts, append([]string{"lars", "bench", "merge"}, args...))
	if err != nil {
		return cli.Usagef("lars bench merge: %v", err)
	}
	if err := record.Write(f.Arg(0), merged, report.Derive); err != nil {
		return err
	}
	printResult(stdout, &merged.Run)
	fmt.Fprintf(stdout, "\nfiles: %s\n", f.Arg(0))
	if merged.Run.Status == "invalid" {
		return cli.Reported(cli.ExitInvalid)
	}
	return nil
}

// index is "lars bench index".
func index(_ context.Context, stdout, _ io.Writer, args []string) error {
	f := cli.NewFlags("lars bench index", "FOLDER",
		"Makes README.md and index.html of a folder of results: which backend for what, how sure, and where it does not matter.",
		"lars bench index results")
	if done, err := f.ParseArgs(stdout, args); done || err != nil {
		return err
	}
	if f.NArg() != 1 {
		return f.Errorf("which folder? Give the one that holds the results, such as results")
	}
	dir := f.Arg(0)
	entries, err := results.Load(dir, whole)
	if err != nil {
		return err
	}
	learned, err := results.LoadLearned(dir)
	if err != nil {
		return err
	}
	pages, err := results.Pages(entries, learned...)
	if err != nil {
		return err
	}
	for name, content := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "%s: the pages of %d results\n", dir, len(entries))
	return nil
}

// each does the same to every result and tells what came of it; one that is
// broken does not keep the others from their turn.
func each(stdout io.Writer, dirs []string, do func(dir string) (string, error)) error {
	var first error
	for _, dir := range dirs {
		said, err := do(dir)
		switch {
		case err == nil:
			fmt.Fprintf(stdout, "%s: %s\n", dir, said)
		case first == nil:
			first = err
		default:
			first = fmt.Errorf("%w\n%w", first, err)
		}
	}
	return first
}

// folders parses the arguments of a command: results, or folders that hold
// some.
func folders(f *cli.Flags, stdout io.Writer, args []string) (dirs []string, done bool, err error) {
	if done, err = f.ParseArgs(stdout, args); done || err != nil {
		return nil, done, err
	}
	if f.NArg() == 0 {
		return nil, false, f.Errorf("which folder? Give those of results, such as out/*")
	}
	for _, arg := range f.Args() {
		found, err := resultsBelow(arg)
		if err != nil {
			return nil, false, f.Errorf("%v", err)
		}
		dirs = append(dirs, found...)
	}
	return dirs, false, nil
}

// resultsBelow is dir if it is a result, else all results below it.
func resultsBelow(dir string) (found []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if _, err := os.Stat(filepath.Join(path, record.RunFile)); err != nil {
			return nil
		}
		found = append(found, path)
		return fs.SkipDir
	})
	if err == nil && found == nil {
		err = fmt.Errorf("%s: no %s in it: give the folder of a result", dir, record.RunFile)
	}
	return found, err
}
