package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Errors of files that are refused; the text names the file and the remedy.
var (
	ErrForeign = errors.New("not a result of lars bench")
	ErrBroken  = errors.New("broken result")
)

// runBytesMax bounds the size of a run.json that is read.
const runBytesMax = 64 << 20

func refuse(kind error, file, what, remedy string) error {
	return fmt.Errorf("%s: %w: %s: %s", file, kind, what, remedy)
}

const remedyRepeat = "fetch the file again, or repeat the run"

// Read reads the run.json of a result, given its directory or the file.
func Read(path string) (*Run, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, RunFile)
	}
	raw, err := readFile(path)
	if err != nil {
		return nil, err
	}
	run, err := Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return run, nil
}

// Parse reads the content of a run.json.
func Parse(raw []byte) (*Run, error) {
	if len(raw) > runBytesMax {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrForeign, runBytesMax)
	}
	var head struct {
		Schema *string `json:"schema"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, fmt.Errorf("%w: %v: %s", ErrBroken, err, remedyRepeat)
	}
	switch {
	case head.Schema == nil:
		return nil, fmt.Errorf("%w: no field \"schema\": give a %s", ErrForeign, RunFile)
	case *head.Schema != Schema:
		return nil, fmt.Errorf("%w: schema %.80q, this program reads %q: use the version of lars that wrote it", ErrForeign, *head.Schema, Schema)
	}
	var run Run
	if err := json.Unmarshal(raw, &run); err != nil {
		return nil, fmt.Errorf("%w: %v: %s", ErrBroken, err, remedyRepeat)
	}
	if err := run.Validate(); err != nil {
		return nil, err
	}
	return &run, nil
}

// ReadLog reads a histogram log (.hlog).
func ReadLog(path string) ([]LogInterval, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	intervals, err := readLog(f)
	if err != nil {
		return nil, refuse(ErrBroken, path, err.Error(), remedyRepeat)
	}
	return intervals, nil
}
