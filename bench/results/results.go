// Package results says what a collection of results found: which backend for
// what, how sure that is, and where it does not matter. It makes the pages that
// stand before the committed ones, README.md and index.html.
//
// It is for people who want the answer and for those who doubt it: every figure
// and every word follows from the run folders by the rules named here and on the
// page. What it will not do: use a run that is invalid, or compare what was not
// measured in the same rounds.
package results

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lars/bench/record"
)

// Names of the pages.
const (
	ReadmeFile = "README.md"
	IndexFile  = "index.html"
)

// ErrNone is a folder without results.
var ErrNone = errors.New("no result in it")

// Entry is a run with its place.
type Entry struct {
	Path string // of its folder, from the collection, with slashes
	Run  *record.Run
}

// Load reads every result below dir, each checked by verify, oldest first.
func Load(dir string, verify func(dir string) error) ([]Entry, error) {
	var out []Entry
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if _, err := os.Stat(filepath.Join(path, record.RunFile)); err != nil {
			return nil
		}
		if err := verify(path); err != nil {
			return err
		}
		run, err := record.Read(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		out = append(out, Entry{filepath.ToSlash(rel), run})
		return fs.SkipDir
	})
	if err == nil && out == nil {
		err = fmt.Errorf("%s: %w: runs are written there with --out %s/YYYY/MM/ID", dir, ErrNone, dir)
	}
	slices.SortStableFunc(out, func(a, b Entry) int {
		return cmp.Or(strings.Compare(a.Run.Started, b.Run.Started), strings.Compare(a.Path, b.Path))
	})
	return out, err
}

// Pages makes README.md and index.html of a collection, with what was learned
// about verdicts beside it.
func Pages(entries []Entry, learned ...Learned) (map[string][]byte, error) {
	shelf := arrange(entries)
	shelf.Learned = learned
	readme, err := shelf.readme()
	if err != nil {
		return nil, err
	}
	index, err := shelf.index()
	return map[string][]byte{ReadmeFile: readme, IndexFile: index}, err
}
