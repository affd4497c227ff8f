package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// hash is a commit written out.
var hash = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)

// readBaseline reads the commit that a file names: one line, beside lines that
// begin with #.
func readBaseline(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%w: give --base, or write the full hash of a commit to %s", err, path)
	}
	return parseBaseline(path, string(raw))
}

func parseBaseline(path, text string) (string, error) {
	found := ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case found != "":
			return "", fmt.Errorf("%s:%d: a second commit: leave one line beside comments", path, i+1)
		case !hash.MatchString(line):
			return "", fmt.Errorf("%s:%d: %.60q is no full hash of a commit: write what git rev-parse HEAD prints", path, i+1, line)
		default:
			found = line
		}
	}
	if found == "" {
		return "", fmt.Errorf("%s: names no commit: write what git rev-parse HEAD prints", path)
	}
	return found, nil
}

// workingTree is a commit with the tracked files as they are; HEAD when they
// are as committed. It touches neither branches nor files.
func workingTree(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "git", "stash", "create")
	// A commit needs an author, and not every clone knows one.
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=lars", "GIT_AUTHOR_EMAIL=lars@localhost", "GIT_COMMITTER_NAME=lars", "GIT_COMMITTER_EMAIL=lars@localhost")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git stash create: %w: run this in a clone of lars, or give --head", err)
	}
	if commit := strings.TrimSpace(string(out)); commit != "" {
		return commit, nil
	}
	return "HEAD", nil
}
