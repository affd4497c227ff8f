// Package refs builds commits of a repository of lars into binaries, so that two
// states of the source can be measured beside each other.
//
// It is for the commands that compare commits. A commit is checked out beside
// the repository's own working tree (git worktree), built there, and the
// checkout removed, whether the build worked, failed, or was interrupted. All
// builds use the same flags, leave the commit out of the binary, and end at
// paths of the same length: commits whose sources compile to the same code give
// the same bytes. It does not touch the repository's branches or files, and
// fetches nothing.
package refs

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Errors of Build; the text names the ref and the remedy.
var (
	ErrRef   = errors.New("no such commit")
	ErrBuild = errors.New("does not build")
)

// Binary is lars, built from a commit. Close removes it.
type Binary struct {
	Ref    string // as asked for
	Commit string // its full hash
	Path   string // of the executable
	SHA256 string // of the executable: equal for sources that compile to the same code
}

// Close removes the binary and its directory.
func (b Binary) Close() error {
	if b.Path == "" {
		return nil
	}
	return os.RemoveAll(filepath.Dir(b.Path))
}

// buildArgs are the same for every commit: no paths and no commit in the binary.
func buildArgs(out string) []string {
	return []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", out, "."}
}

// Build checks ref out of the repository that repo is in, and builds it. The
// caller closes the binary. Whatever happens, also when ctx ends meanwhile, no
// checkout stays behind.
func Build(ctx context.Context, repo, ref string) (_ Binary, err error) {
	b := Binary{Ref: ref}
	if b.Commit, err = commitOf(ctx, repo, ref); err != nil {
		return Binary{}, err
	}
	dir, err := makeDir()
	if err != nil {
		return Binary{}, fmt.Errorf("building %s: %w", ref, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	b.Path = filepath.Join(dir, "lars")
	if err := checkOutAndBuild(ctx, repo, b, filepath.Join(dir, "src")); err != nil {
		return Binary{}, err
	}
	if b.SHA256, err = sumOf(b.Path); err != nil {
		return Binary{}, fmt.Errorf("building %s: %w", ref, err)
	}
	return b, nil
}

// commitOf is the hash that ref stands for.
func commitOf(ctx context.Context, repo, ref string) (string, error) {
	if out, err := run(ctx, repo, "git", "rev-parse", "--show-toplevel"); err != nil {
		return "", refused(ctx, fmt.Errorf("%w %q: %s is in no git repository: run this in a clone of lars: %s", ErrRef, ref, repo, out))
	}
	out, err := run(ctx, repo, "git", "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if err != nil {
		return "", refused(ctx, fmt.Errorf("%w %q in %s: give a commit, branch or tag that \"git log\" knows, or fetch it first", ErrRef, ref, repo))
	}
	return out, nil
}

// checkOutAndBuild makes b.Path from a checkout that exists only meanwhile.
func checkOutAndBuild(ctx context.Context, repo string, b Binary, src string) (err error) {
	defer func() {
		// Also after Ctrl-C: the context of the work has then ended.
		err = errors.Join(err, removeCheckout(context.WithoutCancel(ctx), repo, src))
	}()
	if out, err := run(ctx, repo, "git", "worktree", "add", "--quiet", "--detach", src, b.Commit); err != nil {
		return refused(ctx, fmt.Errorf("checking out %s: %w: %s", b.Ref, err, out))
	}
	if out, err := run(ctx, src, "go", buildArgs(b.Path)...); err != nil {
		return refused(ctx, fmt.Errorf("%s (%.10s) %w: %w: choose a commit that builds here; the compiler says:\n%s", b.Ref, b.Commit, ErrBuild, err, indent(out)))
	}
	return nil
}

// removeCheckout removes a checkout and what the repository knows of it, also
// when it is only half there. Git locks one while it makes it, and neither
// removes nor prunes it while locked.
func removeCheckout(ctx context.Context, repo, src string) error {
	_, _ = run(ctx, repo, "git", "worktree", "unlock", src) // fails for one that is complete
	err := os.RemoveAll(src)
	_, _ = run(ctx, repo, "git", "worktree", "prune")
	return err
}

// refused is the context's error where that is the reason.
func refused(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// makeDir makes a temporary directory whose path has always the same length:
// how long the path of a program is moves its stack (Mytkowicz et al. 2009).
func makeDir() (string, error) {
	sweep()
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	dir := filepath.Join(os.TempDir(), dirPrefix+hex.EncodeToString(id[:]))
	return dir, os.Mkdir(dir, 0o755)
}

const (
	dirPrefix = "lars-ref-"
	// staleAfter is longer than anything that uses a build.
	staleAfter = 24 * time.Hour
)

// sweep removes what programs left that were killed.
func sweep() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*")) // the pattern is right
	for _, dir := range dirs {
		if info, err := os.Lstat(dir); err == nil && info.IsDir() && time.Since(info.ModTime()) > staleAfter {
			_ = os.RemoveAll(dir) // it may be another user's
		}
	}
}

// killAfter is how long an interrupted tool may take to end.
const killAfter = 5 * time.Second

// outputLines is how much of a tool's output an error shows, from its start: the
// first messages of a compiler matter.
const outputLines = 30

// run runs a tool in dir and returns its output, with its errors if it failed,
// trimmed. When ctx ends, the tool and all it started end too; a terminal's interrupt does not reach them
// by itself, so that none is hit in the middle of its own cleaning up.
func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killAfter
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil {
		out.Write(errs.Bytes())
	}
	return strings.TrimSpace(out.String()), err
}

func indent(text string) string {
	lines := strings.Split(text, "\n")
	if more := len(lines) - outputLines; more > 0 {
		lines = append(lines[:outputLines], fmt.Sprintf("(and %d lines more)", more))
	}
	return "  " + strings.Join(lines, "\n  ")
}

func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
