package virtual

import (
	"bytes"
	"fmt"
	"io/fs"
)

// files is the disk of one machine. What is replaced stays as path.old.
type files map[string][]byte

// Read implements agent.Files.
func (f files) Read(path string) ([]byte, error) {
	b, ok := f[path]
	if !ok {
		return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	return bytes.Clone(b), nil
}

// Replace implements agent.Files.
func (f files) Replace(path string, b []byte) error {
	if old, ok := f[path]; ok {
		f[path+".old"] = old
	}
	f[path] = bytes.Clone(b)
	return nil
}
