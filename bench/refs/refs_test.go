package refs

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// repository has the commits good (tag), same (a comment more), broken, and
// slow, whose build does not end by itself.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir())
	git := func(args ...string) {
		t.Helper()
		args = append([]string{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"}, args...)
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	commit := func(tag, main string) {
		write("main.go", main)
		git("add", "-A")
		git("commit", "-q", "-m", tag)
		git("tag", tag)
	}
	git("init", "-q")
	write("go.mod", "module example.org/m\n\ngo 1.24\n")
	commit("good", "package main\n\nfunc main() { print(\"good\") }\n")
	write("README", "words")
	commit("same", "package main\n\nfunc main() { print(\"good\") }\n")
	commit("broken", "package main\n\nfunc main() { undefinedThing() }\n")
	return dir
}

// leftovers is what a build has left behind.
func leftovers(t *testing.T, repo string) []string {
	t.Helper()
	out, err := exec.Command("git", "-C", repo, "worktree", "list").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	left := strings.Split(strings.TrimSpace(string(out)), "\n")[1:]
	dirs, err := os.ReadDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if strings.HasPrefix(d.Name(), "lars-ref-") {
			left = append(left, d.Name())
		}
	}
	return left
}

func TestBuild(t *testing.T) {
	repo := repository(t)
	a, err := Build(t.Context(), repo, "good")
	if err != nil {
		t.Fatal(err)
	}
	b, err := Build(t.Context(), filepath.Join(repo), "same")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(a.Path).CombinedOutput(); err != nil || string(out) != "good" {
		t.Errorf("the binary says %q, %v", out, err)
	}
	if a.SHA256 != b.SHA256 || a.Commit == b.Commit || len(a.Path) != len(b.Path) || a.Path == b.Path {
		t.Errorf("equal sources: %+v and %+v", a, b)
	}
	for _, x := range []Binary{a, b} {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	}
	if left := leftovers(t, repo); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRefusals(t *testing.T) {
	repo := repository(t)
	for _, c := range []struct {
		name, repo, ref string
		want            error
		says            []string
	}{
		{"broken", repo, "broken", ErrBuild, []string{"broken", "undefined: undefinedThing", "choose a commit that builds"}},
		{"unknown", repo, "nope", ErrRef, []string{`"nope"`, "fetch it first"}},
		{"an option", repo, "--all", ErrRef, []string{`"--all"`}},
		{"no repository", t.TempDir(), "good", ErrRef, []string{"in no git repository"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Build(t.Context(), c.repo, c.ref)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			for _, says := range c.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("%v lacks %q", err, says)
				}
			}
			if left := leftovers(t, repo); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestInterrupted: a build that is interrupted leaves no checkout. A post-checkout
// hook that waits stands for a long build.
func TestInterrupted(t *testing.T) {
	repo := repository(t)
	flag := filepath.Join(t.TempDir(), "reached")
	hook := "#!/bin/sh\ntouch " + flag + "\nexec sleep 600\n"
	if err := os.MkdirAll(filepath.Join(repo, ".git", "hooks"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(repo, ".git", "hooks", "post-checkout"), []byte(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(flag); err == nil {
				cancel()
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	if _, err := Build(ctx, repo, "good"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if left := leftovers(t, repo); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestHalfACheckout: git was killed while it made the checkout, which it locks
// for so long.
func TestHalfACheckout(t *testing.T) {
	repo := repository(t)
	for _, there := range []bool{true, false} {
		src := filepath.Join(t.TempDir(), "src")
		if out, err := exec.Command("git", "-C", repo, "worktree", "add", "--quiet", "--lock", "--detach", src, "good").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if !there {
			if err := os.RemoveAll(src); err != nil {
				t.Fatal(err)
			}
		}
		if err := removeCheckout(t.Context(), repo, src); err != nil {
			t.Error(err)
		}
		if left := leftovers(t, repo); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
		if _, err := os.Stat(src); err == nil {
			t.Errorf("%s is still there", src)
		}
	}
}

// TestSweep: what a killed program left is removed by a later one, and nothing
// that may be in use.
func TestSweep(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	fresh, err := makeDir()
	if err != nil {
		t.Fatal(err)
	}
	stale, err := makeDir()
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * staleAfter)
	if err := os.Chtimes(stale, old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := makeDir(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
