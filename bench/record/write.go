package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"lars/bench/plot"
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

// Write makes dir and writes all files of a result into it. It refuses to mix
// with the files of another result. The stage "response" of an arm is what its
// log, percentile file and curve show.
func Write(dir string, b *Bundle) error {
	if err := b.prepare(); err != nil {
		return err
	}
	files, err := b.render()
	if err != nil {
		return err
	}
	if err := makeEmpty(dir); err != nil {
		return err
	}
	for _, name := range sortedKeys(files) {
		if err := os.WriteFile(filepath.Join(dir, name), files[name], 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, SumsFile), sums(files), 0o644)
}

func makeEmpty(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, RunFile)); err == nil {
		return fmt.Errorf("%s holds a result already: give another directory or remove that one", dir)
	}
	return os.MkdirAll(dir, 0o755)
}

// prepare checks names and fills in the names of files.
func (b *Bundle) prepare() error {
	for i := range b.Run.Arms {
		a := &b.Run.Arms[i]
		if err := CheckName(a.Name); err != nil {
			return err
		}
		for j := range a.Latency {
			l := &a.Latency[j]
			if l.Stage == StageResponse && b.Hists[a.Name][l.Stage] != nil {
				l.HLog, l.HGrm = "latency."+a.Name+".hlog", "latency."+a.Name+".hgrm"
			}
		}
	}
	return b.Run.Validate()
}

// render makes the content of every file but the checksums.
func (b *Bundle) render() (map[string][]byte, error) {
	files := map[string][]byte{
		BenchFile:      benchText(&b.Run),
		TimeSeriesFile: timeSeries(b.Slices),
	}
	for _, a := range b.Run.Arms {
		for _, l := range a.Latency {
			if l.HLog == "" {
				continue
			}
			log, err := intervalLog(b.Slices, a.Name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", l.HLog, err)
			}
			percentiles, err := percentileFile(b.Hists[a.Name][l.Stage])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", l.HGrm, err)
			}
			files[l.HLog], files[l.HGrm] = log, percentiles
		}
	}
	picture, err := b.picture()
	if err != nil {
		return nil, err
	}
	if picture != nil {
		files[PictureFile] = picture
	}
	if b.Circumstances != nil {
		if files[MachineFile], err = document(b.Circumstances); err != nil {
			return nil, err
		}
	}
	files[RunFile], err = document(&b.Run)
	return files, err
}

func document(v any) ([]byte, error) {
	raw, err := json.MarshalIndent(v, "", "  ")
	return append(raw, '\n'), err
}

// picture is nil when there is too little to draw.
func (b *Bundle) picture() ([]byte, error) {
	var out bytes.Buffer
	err := b.chart().WriteSVG(&out)
	if errors.Is(err, plot.ErrEmpty) || errors.Is(err, plot.ErrTooMany) {
		return nil, nil
	}
	return out.Bytes(), err
}

// sums is what sha256sum -c reads.
func sums(files map[string][]byte) []byte {
	var out bytes.Buffer
	for _, name := range sortedKeys(files) {
		fmt.Fprintf(&out, "%x  %s\n", sha256.Sum256(files[name]), name)
	}
	return out.Bytes()
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, strings.Compare)
	return keys
}
