package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lars/internal/cli"
)

func TestStudy(t *testing.T) {
	out, msg, code := run(t, "study", "--only", "s9", "--policies", "ewma+outlier,classic,algorithm=p2c consecutive=3", "--seeds", "2")
	for _, want := range []string{"### S9: ", "| classic ", "| algorithm=p2c consecutive=3 |"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("code %d, %q: no %q in\n%s", code, msg, want, out)
		}
	}
	out, _, _ = run(t, "study", "--only", "S9", "--policies", "rr", "--seeds", "1", "--json")
	var f struct{ Schema string }
	if err := json.Unmarshal([]byte(out), &f); err != nil || f.Schema != "lars.sim.study/v1" {
		t.Errorf("%v: %q", err, f.Schema)
	}
	folder := filepath.Join(t.TempDir(), "a", "b")
	out, msg, code = run(t, "study", "--only", "S9", "--seeds", "2", "--out", folder)
	for _, name := range []string{"README.md", "study.json", "errors.svg", "s9.svg"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil || code != 0 || !strings.Contains(out, name) {
			t.Errorf("code %d, %q: %v", code, msg, err)
		}
	}
	if _, msg, code = run(t, "study", "--only", "S2", "--seeds", "1", "--policies", "rr"); code != 0 {
		t.Errorf("no default, no target: code %d, %q", code, msg)
	}
}

func TestStudyRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"no scenario \"S99\"; there are S0":  {"--only", "S99"},
		"no policy \"best\"; there are ewma": {"--policies", "best"},
		"--seeds 0: 1 to 1000":               {"--seeds", "0"},
		"choose one":                         {"--json", "--out", "x"},
		"algorithm":                          {"--policies", "algorithm=best"},
	} {
		if _, msg, code := run(t, append([]string{"study"}, args...)...); code != cli.ExitUsage || !strings.Contains(msg, want) {
			t.Errorf("%q: code %d, %q", args, code, msg)
		}
	}
}
