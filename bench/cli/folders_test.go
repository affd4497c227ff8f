package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lars/bench/record"
	"lars/bench/results"
)

// TestArchive: a run that is kept lies by its month, is whole, and appears on
// the pages.
func TestArchive(t *testing.T) {
	dir := t.TempDir()
	code, stdout, stderr := lars(brief("all", "--backends", "alpha,beta", "--repeat", "2", "--archive", dir)...)
	if !measured(code) {
		t.Fatalf("code %d: %s %s", code, stdout, stderr)
	}
	found, err := filepath.Glob(filepath.Join(dir, "20??", "??", "*", record.RunFile))
	if err != nil || len(found) == 0 {
		t.Fatalf("%v, %v: %s", found, err, stdout)
	}
	if code, stdout, stderr = lars("index", dir); code != 0 {
		t.Fatalf("index: code %d: %s %s", code, stdout, stderr)
	}
	for _, name := range []string{results.ReadmeFile, results.IndexFile} {
		page, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(page), filepath.Base(filepath.Dir(found[0]))) {
			t.Errorf("%s does not name the run (%v)", name, err)
		}
	}
	if code, stdout, stderr = lars("verify", dir); code != 0 {
		t.Errorf("verify: code %d: %s %s", code, stdout, stderr)
	}
}
