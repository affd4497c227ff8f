package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"lars/internal/cli"
)

// TestCommands: every row of the table explains itself.
func TestCommands(t *testing.T) {
	for _, c := range commands().Commands {
		var stdout, stderr bytes.Buffer
		code := cli.Main(commands().Run, &stdout, &stderr, []string{"help", c.Name})
		if code != cli.ExitOK || !strings.Contains(stdout.String(), "Usage: lars "+c.Name) || c.Summary == "" {
			t.Errorf("lars help %s: code %d, summary %q\n%s%s", c.Name, code, c.Summary, stdout.String(), stderr.String())
		}
	}
}

func TestUnknownCommand(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := cli.Main(commands().Run, &stdout, &stderr, []string{"bnech"}); code != cli.ExitUsage {
		t.Errorf("code %d, want %d", code, cli.ExitUsage)
	}
	if !strings.Contains(stderr.String(), "bench") {
		t.Errorf("%q does not name the known commands", stderr.String())
	}
}

func TestListBackends(t *testing.T) {
	var names, table, stderr bytes.Buffer
	if code := cli.Main(commands().Run, &names, &stderr, []string{"backends", "--names"}); code != cli.ExitOK {
		t.Fatalf("code %d: %s", code, stderr.String())
	}
	if code := cli.Main(commands().Run, &table, &stderr, []string{"backends"}); code != cli.ExitOK {
		t.Fatalf("code %d: %s", code, stderr.String())
	}
	lines := strings.Split(table.String(), "\n")
	for i, name := range strings.Fields(names.String()) {
		if !strings.HasPrefix(lines[i+1], name+" ") {
			t.Errorf("line %d of the table is %q, want backend %s", i+1, lines[i+1], name)
		}
	}
	var asJSON bytes.Buffer
	var rows []listedBackend
	if code := cli.Main(commands().Run, &asJSON, &stderr, []string{"backends", "--json"}); code != cli.ExitOK {
		t.Fatalf("code %d: %s", code, stderr.String())
	}
	if err := json.Unmarshal(asJSON.Bytes(), &rows); err != nil || !slices.Equal(rows, listed()) {
		t.Errorf("as JSON: %v, %s", err, asJSON.String())
	}
	if !strings.Contains(names.String(), "epoll\n") {
		t.Errorf("names: %q", names.String())
	}
}
