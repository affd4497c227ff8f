// Package floor holds the reference server that backends are compared with: an
// echo of frames in C without any abstraction, and builds it where a C compiler
// is present.
//
// It is for the programs that run benchmarks. Build returns the path of the
// executable; its options and its one line of output stand at the head of
// src/floor.c. It is a lower limit and nothing to imitate: one thread, no limits on
// connections, no timeouts.
package floor

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // for Source
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Source is the text of src/floor.c, apart because a Go package may hold no C.
//
//go:embed src/floor.c
var Source string

// ErrNoCompiler says that there is no cc, and what to do.
var ErrNoCompiler = errors.New("floor: no C compiler found: install one (apt-get install gcc), or leave the arm floor out")

// Build compiles the server into dir and returns the executable's path; with an
// empty dir, into the user's cache directory. The name carries a hash of the
// source, so an executable that is there already is taken as it is, and several
// processes may build at once. It fails with ErrNoCompiler without cc.
func Build(ctx context.Context, dir string) (string, error) {
	dir, err := prepare(dir)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(Source))
	path := filepath.Join(dir, fmt.Sprintf("floor-%x", sum[:6]))
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o100 != 0 {
		return path, nil
	}
	compiler, err := exec.LookPath("cc")
	if err != nil {
		return "", ErrNoCompiler
	}
	return path, compile(ctx, compiler, path)
}

func prepare(dir string) (string, error) {
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("floor: no cache directory: %w: give a directory", err)
		}
		dir = filepath.Join(cache, "lars")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("floor: %w", err)
	}
	return dir, nil
}

// compile builds beside path and renames, so that no one runs half a file.
func compile(ctx context.Context, compiler, path string) error {
	tmp, err := os.MkdirTemp(filepath.Dir(path), ".floor-")
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	defer os.RemoveAll(tmp)
	source, out := filepath.Join(tmp, "floor.c"), filepath.Join(tmp, "floor")
	if err := os.WriteFile(source, []byte(Source), 0o644); err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	var messages bytes.Buffer
	cmd := exec.CommandContext(ctx, compiler, "-O2", "-o", out, source)
	cmd.Stdout, cmd.Stderr = &messages, &messages
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("floor: %s: %w\n%s", compiler, err, messages.Bytes())
	}
	if err := os.Rename(out, path); err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	return nil
}
