package fault

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"lars/simulator/workload"
)

func TestShippedPlans(t *testing.T) {
	if len(Names()) < 10 {
		t.Errorf("only %v", Names())
	}
	for _, name := range Names() {
		p, err := Shipped(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if p.Name != name || p.About == "" {
			t.Errorf("%s calls itself %q, about %q", name, p.Name, p.About)
		}
	}
	if _, err := Shipped("no-such"); err == nil || !strings.Contains(err.Error(), "slow-host") {
		t.Errorf("an unknown plan: %v", err)
	}
}

func TestBadPlansAreRefusedWithTheirPlace(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"fault: []\n", "plan.yaml:1: fault: unknown key; allowed: name, about, workload, services, faults"},
		{"faults:\n  - {fault: melt, target: dns, at: 1s}\n", "plan.yaml:2: faults[0].fault:"},
		{"faults:\n  - {fault: crash, target: host 99, at: 1s, for: 1s}\n", "plan.yaml:2: faults[0].target: there is no host 99; allowed: 1 to 20"},
		{"faults:\n  - {fault: crash, target: moon, at: 1s, for: 1s}\n", "allowed: dns, dns 2, reporter"},
		{"faults:\n  - {fault: crash, target: dns 2, at: 1s, for: 1s}\n", "plan.yaml:2: faults[0].target: there is no dns 2; allowed: 1 to 1"},
		{"services: {reporters: 10}\n", "plan.yaml:1: services.reporters: 10 is out of range; allowed: a whole number from 1 to 9"},
		{
			"services: {dns: 2}\nfaults:\n  - {fault: crash, target: dns, at: 1s, for: 5s}\n  - {fault: crash, target: dns 2, at: 2s, for: 1s}\n",
			"plan.yaml:4: faults[1]: crash of dns 2 while faults[0] is that of crash",
		},
		{"faults:\n  - {fault: crash, target: dns, at: 1s}\n", "faults[0].for: missing; crash needs for"},
		{"faults:\n  - {fault: crash, target: dns, at: -1s, for: 1s}\n", "faults[0].at:"},
		{"faults:\n  - {fault: crash, target: dns, at: 1s, for: 1s, rate: 0.5}\n", "faults[0].rate: crash does not have it; allowed: for"},
		{"faults:\n  - {fault: errors, target: host 1, at: 1s, for: 1s, rate: 1.5}\n", "1.5 is out of range; allowed: a number from 0 to 1"},
		{"faults:\n  - {fault: slow, target: database, at: 1s, for: 1s, factor: 3}\n", "slow of database needs delay"},
		{"faults:\n  - {fault: slow, target: agents, at: 1s, for: 1s, factor: 3}\n", "slow of agent needs delay"},
		{
			"faults:\n  - {fault: crash, target: dns, at: 1s, for: 5s}\n  - {fault: slow, target: dns, at: 2s, for: 1s, delay: 1s}\n",
			"plan.yaml:3: faults[1]: slow of dns while faults[0] is that of crash",
		},
		{"faults:\n  - {fault: network, target: dns, at: 1s, for: 1s}\n", "network needs one of"},
		{"faults:\n  - {fault: flap, target: dns, at: 1s, for: 1s, every: 1s}\n", "dns has no flap; allowed: host, zone"},
		{
			"faults:\n  - {fault: crash, target: agent 1, at: 1s, for: 5s}\n  - {fault: hang, target: agents, at: 2s, for: 1s}\n",
			"plan.yaml:3: faults[1]: hang of agents while faults[0] is that of crash",
		},
		{"workload:\n  modules: {count: 10000, hosts: 1000}\n", "plan.yaml:2: workload.modules: 10000000 hosts of all modules, with those that join, are too many"},
		{
			"workload:\n  modules: {count: 1000, hosts: 5}\nfaults:\n  - {fault: scale-out, target: module 1, at: 1s, count: 500}\n",
			"plan.yaml:2: workload.modules: 505000 hosts",
		},
		{"workload:\n  callers: {count: 1000, rate: 100000}\n", "plan.yaml:2: workload.callers: 1e+08 calls a second"},
		{"workload:\n  callers: {arrivals: steps}\n", "workload.callers.steps: 0 steps with arrivals: steps"},
		{"workload:\n  callers: {steps: [{at: 1s, rate: 1}]}\n", "plan.yaml:2: workload.callers.steps: 1 steps with arrivals: poisson"},
		{"workload:\n  callers: {arrivals: steps, steps: [{at: 2s, rate: 1}, {at: 1s, rate: 2}]}\n", "the step at 1s comes after that at 2s"},
		{"faults:\n  - {fault: melt, target: dns, at: 1s, for: 1s}\n", `faults[0].fault: "melt": allowed: crash, off`},
		{"workload: {callers: {count: 0}}\n", "plan.yaml:1: workload.callers.count: 0 is out of range; allowed: a whole number from 1 to 1000"},
	} {
		_, err := Decode("plan.yaml", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestTargets(t *testing.T) {
	for text, want := range map[string]Target{
		"dns": {Kind: DNS}, "host 3": {Kind: Host, N: 3}, "agents": {Kind: Agent}, "dns 2": {Kind: DNS, N: 2}, "reporter": {Kind: Reporter}, "hosts 20%": {Kind: Host, N: 20, Share: true},
	} {
		var got Target
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want || got.String() != text {
			t.Errorf("%s: %+v %q, %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", "dns 0", "database 1", "reporters", "host", "host 0", "hosts 101%", "hosts 3", "host -1", "host 99999999"} {
		if err := new(Target).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// What chaos draws is what a file could say, the same each time, and of every
// kind.
func TestChaos(t *testing.T) {
	seen := map[Kind]int{}
	for seed := range uint64(300) {
		p := Chaos(seed, workload.Default(), 5*time.Second, 30*time.Second, nil)
		if !reflect.DeepEqual(p, Chaos(seed, workload.Default(), 5*time.Second, 30*time.Second, nil)) {
			t.Fatal("it differs from itself")
		}
		if p.End() > 30*time.Second {
			t.Errorf("seed %d ends at %v", seed, p.End())
		}
		for i := range p.Faults {
			f := &p.Faults[i]
			seen[f.Kind]++
			f.check(func(key, format string, args ...any) { t.Errorf("seed %d: %+v: %s", seed, f, key) })
			if f.At < 5*time.Second || f.Target.N > p.Count(f.Target.Kind) {
				t.Errorf("seed %d: %+v", seed, f)
			}
		}
	}
	if len(seen) != len(shapes) {
		t.Errorf("only %v", seen)
	}
}

var update = flag.Bool("update", false, "accept what differs")

func TestSchemaIsFresh(t *testing.T) {
	const file = "plan.schema.json"
	if *update {
		if err := os.WriteFile(file, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if old, err := os.ReadFile(file); err != nil || !bytes.Equal(old, Schema()) {
		t.Errorf("it differs from %s (-update to accept): %v", file, err)
	}
}

// The schema knows the kinds, and how a target is written.
func TestSchemaOfFaults(t *testing.T) {
	for _, want := range []string{`"rollback"`, `"pattern": "^(dns|reporter|database)$|`} {
		if !bytes.Contains(Schema(), []byte(want)) {
			t.Errorf("no %s in it", want)
		}
	}
}

// A file without a name in it gives its own.
func TestNameOfFile(t *testing.T) {
	for text, want := range map[string]string{"about: x\n": "my-plan-2", "name: given\n": "given"} {
		file := filepath.Join(t.TempDir(), "My plan_2.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if p, err := ReadFile(file); err != nil || p.Name != want {
			t.Errorf("%q: %v, want %s: %v", text, p, want, err)
		}
	}
}

// Any bytes give a plan that can be run, or an error.
func FuzzDecode(f *testing.F) {
	for _, name := range Names() {
		data, _ := plans.ReadFile("plans/" + name + ".yaml")
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode("plan.yaml", data)
		if err != nil {
			return
		}
		for i := range p.Faults {
			x := &p.Faults[i]
			if x.Kind.shape() == nil || x.At < 0 || x.For < 0 || !x.Target.Share && x.Target.N > p.Count(x.Target.Kind) {
				t.Errorf("%+v", x)
			}
		}
	})
}
