package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"lars/internal/cli"
)

func TestPolicyCommands(t *testing.T) {
	db := "--store=sqlite:" + filepath.Join(t.TempDir(), "lars.db")
	route, policy := Route().Run, Policy().Run
	for _, s := range []struct {
		run  cli.Func
		args []string
		want string // of the output, or of the error
		code int
	}{
		{policy, []string{"unset", "1", "1", db}, "nothing", 0},
		{policy, []string{"get", db}, "nothing is set", 0},
		{policy, []string{"get", db, "--json"}, "[]\n", 0},
		{policy, []string{"set", "1", "1", "outlier=off algorithm=p2c", db, "--actor", "ann"}, "version 1: 1 changed\n", 0},
		{policy, []string{"set", "1", "1", "algorithm=p2c outlier=off", db}, "version 1: nothing to change\n", 0},
		{policy, []string{"set", "1", "1", "algorithm=fastest", db}, "p2c", 2},
		{policy, []string{"set", "1", "1", "algorithm=p2c", "outlier=off", db}, "quotes", 2},
		{policy, []string{"set", "1", "1", "", db}, "unset", 2},
		{policy, []string{"set", "1", "-1", "algorithm=p2c", db}, "want", 2},
		{policy, []string{"set", "x", "1", "algorithm=p2c", db}, "modid,cmdid", 2},
		{policy, []string{"unset", "--json"}, "MODID", 2},
		{route, []string{"set", db, "--module", "1,1", "--host", "10.0.0.1:80", "--weight", "3"}, "does not have 10.0.0.1:80", 1},
		{route, []string{"add", db, "--module", "1,1", "--host", "10.0.0.1:80,10.0.0.2:80"}, "version 2", 0},
		{route, []string{"set", db, "--module", "1,1", "--host", "10.0.0.1:80", "--weight", "3", "--zone", "2"}, "version 3: 1 changed\n", 0},
		{route, []string{"set", db, "--module", "1,1", "--host", "10.0.0.2:80,10.0.0.1:80", "--drain", "on", "--json"}, `{"version":4,"changed":2}`, 0},
		{policy, []string{"get", "1", "1", db}, "1,1  algorithm=p2c outlier=off  (version 1)\n" +
			"1,1  10.0.0.1:80  weight=3 zone=2 draining=true\n1,1  10.0.0.2:80  weight=1 zone=0 draining=true\n", 0},
		{policy, []string{"get", db, "--json"}, `[{"modid":1,"cmdid":1,"settings":"algorithm=p2c outlier=off","version":1,"hosts":[` +
			`{"host":"10.0.0.1:80","weight":3,"zone":2,"draining":true},{"host":"10.0.0.2:80","weight":1,"zone":0,"draining":true}]}]`, 0},
		{policy, []string{"unset", "1", "1", db}, "version 5: 1 changed\n", 0},
		{route, []string{"log", db}, "10.0.0.1:80,10.0.0.2:80 draining=true", 0},
		{route, []string{"log", db, "--json"}, `"detail":"algorithm=p2c outlier=off"`, 0},
		{route, []string{"set", db, "--module", "1,1", "--host", "10.0.0.1:80"}, "at least one", 2},
		{route, []string{"set", db, "--module", "1,1", "--host", "10.0.0.1:80", "--weight", "0"}, "1 to 10000", 2},
		{route, []string{"set", db, "--module", "1,1", "--host", "10.0.0.1:80", "--zone", "70000"}, "0 to 65535", 2},
		{route, []string{"set", db, "--module", "1,1", "--host", "10.0.0.1:80", "--drain", "maybe"}, "on and off", 2},
		{policy, []string{"list"}, "slow_start", 0},
		{policy, []string{"list", "--json"}, `"ewma"`, 0},
		{policy, []string{"set", "--help"}, "Examples:", 0},
		{policy, []string{"paint"}, "unknown command", 2},
	} {
		got, code, err := command(t, s.run, s.args...)
		if err != nil {
			got = err.Error()
		}
		if code != s.code || !strings.Contains(got, s.want) {
			t.Errorf("%q: code %d, want %d; got %q, want %q", s.args, code, s.code, got, s.want)
		}
	}
}
