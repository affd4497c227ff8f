package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestWorkflow reads the workflow that forks run: its form, and that every
// target and script it calls is there.
func TestWorkflow(t *testing.T) {
	raw, err := os.ReadFile(".github/workflows/ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	var flow struct {
		Name        string
		On          map[string]any
		Permissions map[string]string
		Jobs        map[string]struct {
			RunsOn  string `yaml:"runs-on"`
			Timeout int    `yaml:"timeout-minutes"`
			Steps   []struct {
				Name, Uses, Run, If string
				With                map[string]any
			}
		}
	}
	d := yaml.NewDecoder(strings.NewReader(string(raw)))
	d.KnownFields(true)
	if err := d.Decode(&flow); err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if flow.On["pull_request"] == nil && !strings.Contains(string(raw), "pull_request:") || len(flow.Jobs) != 2 {
		t.Errorf("%+v", flow)
	}
	target, script := regexp.MustCompile(`make ([a-z-]+)`), regexp.MustCompile(`(scripts/\S+)`)
	for name, job := range flow.Jobs {
		if job.RunsOn == "" || job.Timeout == 0 || len(job.Steps) < 3 {
			t.Errorf("%s: %+v", name, job)
		}
		history := false
		for i, step := range job.Steps {
			if (step.Uses == "") == (step.Run == "") {
				t.Errorf("%s, step %d: one of uses and run", name, i+1)
			}
			if step.Uses != "" && !regexp.MustCompile(`^actions/[a-z-]+@v\d+$`).MatchString(step.Uses) {
				t.Errorf("%s: %s is not pinned to a version", name, step.Uses)
			}
			history = history || strings.HasPrefix(step.Uses, "actions/checkout@") && step.With["fetch-depth"] == 0
			for _, m := range target.FindAllStringSubmatch(step.Run, -1) {
				if !strings.Contains(string(makefile), "\n"+m[1]+":") {
					t.Errorf("%s: no target %s in the Makefile", name, m[1])
				}
			}
			for _, m := range script.FindAllStringSubmatch(step.Run, -1) {
				if info, err := os.Stat(m[1]); err != nil || info.Mode()&0o111 == 0 {
					t.Errorf("%s: %s cannot be run: %v", name, m[1], err)
				}
			}
		}
		if !history {
			t.Errorf("%s: the gate needs the whole history (fetch-depth: 0)", name)
		}
	}
}

// TestGateScript: a confirmed regression fails a run, and a gate that did not work.
func TestGateScript(t *testing.T) {
	for code, want := range map[string]bool{"0": true, "1": false, "2": true, "3": true, "64": false, "130": false} {
		fake := t.TempDir() + "/lars"
		if err := os.WriteFile(fake, []byte("#!/bin/sh\necho \"$@\"\nexit "+code+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("scripts/gate.sh", fake, "somewhere").CombinedOutput()
		if (err == nil) != want || !strings.Contains(string(out), "bench gate --out somewhere/gate.json --markdown somewhere/gate.md") {
			t.Errorf("exit %s of the gate: %v\n%s", code, err, out)
		}
	}
}

// TestBaseline: the commit that the gate compares with is written out.
func TestBaseline(t *testing.T) {
	raw, err := os.ReadFile("results/BASELINE")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(regexp.MustCompile(`(?m)^[0-9a-f]{40}$`).FindAll(raw, -1)); n != 1 {
		t.Errorf("results/BASELINE names %d commits, want one:\n%s", n, raw)
	}
}

// TestMakefileVariables: make refuses a misspelt variable, and none that the Makefile uses.
func TestMakefileVariables(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	set := func(args ...string) (string, error) {
		cmd := exec.Command("make", append([]string{"-n", "help"}, args...)...)
		cmd.Env = append(os.Environ(), "MAKELEVEL=0", "MAKEFLAGS=") // make may run this test
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	args := []string{"CC=gcc", "GOFLAGS=", "LARS_NO_MARIADB=1", "SHELL=/bin/sh", "MAKEFLAGS=-k", "-j2"}
	for _, m := range regexp.MustCompile(`\$\((?:origin )?([A-Z_]{2,})\)`).FindAllStringSubmatch(string(makefile), -1) {
		if !strings.HasPrefix(m[1], "MAKE") {
			args = append(args, m[1]+"=x")
		}
	}
	if out, err := set(args...); err != nil {
		t.Errorf("make %q: %v\n%s", args, err, out)
	}
	if out, err := set("CONNS=1", "BACKND=std"); err == nil || !strings.Contains(out, "BACKND is not a variable of this Makefile; it knows GO BACKEND ") {
		t.Errorf("a misspelt variable: %v\n%s", err, out)
	}
}
