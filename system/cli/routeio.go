package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lars/system/store"
)

func routeImport(ctx context.Context, stdout, _ io.Writer, args []string) error {
	c := newRouteCommand("import", "--input FILE [--format csv|json] [--replace]",
		"Adds the routes of a file. Those that are there already stay. A file with a mistake changes nothing.\n"+
			"The first line of an export names what a line may have: of a host weight, zone and drain (on or off), and in a\n"+
			"line without host the settings of a module. What a file does not say stays as it is.",
		"lars route import --input routes.csv", "lars route import --input - --format json --replace < routes.json")
	c.actorFlag()
	input := c.flags.String("input", "", "`file` to read, - for standard input")
	format := c.flags.String("format", "", "`format`: csv or json; by the file's name if that tells")
	replace := c.flags.Bool("replace", false, "also remove every route that is not in the file, and unset settings that are not, if it says anything of balancing")
	var items []store.Item
	check := func() (err error) {
		if *input == "" {
			return c.flags.Errorf("want --input")
		}
		*format = formatOf(*format, *input)
		if *format == "" {
			return c.flags.Errorf("the name %s does not tell the format: want --format csv or json", *input)
		}
		items, err = readRouteFile(*input, *format)
		if err == nil && *replace && !slices.ContainsFunc(items, func(it store.Item) bool { return it.Settings == nil }) {
			return fmt.Errorf("%s has no routes: with --replace that would remove all there are; 'lars route remove' removes what is meant", *input)
		}
		return err
	}
	return c.run(ctx, stdout, args, check, func(st store.Store) error {
		each := func(yield func(store.Item, error) bool) {
			for _, it := range items {
				if !yield(it, nil) {
					return
				}
			}
		}
		done, err := store.Import(ctx, st, store.ImportOptions{Actor: c.actor, Replace: *replace}, each)
		if err != nil {
			return fmt.Errorf("after %d added, %d removed and %d changed, which stay so: %w", done.Added, done.Removed, done.Tuned, err)
		}
		return c.changed(stdout, done.Version, done.Added, done.Removed, done.Tuned)
	})
}

func formatOf(format, file string) string {
	if format == "" {
		return strings.TrimPrefix(filepath.Ext(file), ".")
	}
	return format
}

func readRouteFile(path, format string) ([]store.Item, error) {
	in := os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	items, err := readRoutes(format, in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return items, nil
}

func routeExport(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	c := newRouteCommand("export", "[--output FILE] [--format csv|json]",
		"Writes all routes, with what is set of modules and of hosts, in the form that import reads: into any kind of store.",
		"lars route export --output routes.csv", "lars route export --format json > routes.json")
	c.moduleFlag()
	output := c.flags.String("output", "", "`file` to write instead of standard output; it is replaced when all is written")
	format := c.flags.String("format", "", "`format`: csv or json; by the file's name if that tells, else csv")
	check := func() error {
		if *format = formatOf(*format, *output); *format == "" {
			*format = "csv"
		}
		if c.json {
			*format = "json"
		}
		if *format != "csv" && *format != "json" {
			return c.flags.Errorf("unknown format %q; known: csv, json", *format)
		}
		return nil
	}
	settings := func(p store.Policy) string {
		_, short, err := store.ParseSettings(p.Settings)
		if err != nil { // another hand's, and in force nowhere
			fmt.Fprintf(stderr, "settings of module %v are left out: %v\n", p.Module, err)
			return ""
		}
		return short
	}
	return c.run(ctx, stdout, args, check, func(st store.Store) error {
		if *output == "" {
			return c.write(ctx, st, *format, stdout, settings)
		}
		return replaceFile(*output, func(w io.Writer) error { return c.write(ctx, st, *format, w, settings) })
	})
}

// replaceFile writes a file beside path and moves it there when it is whole.
func replaceFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
