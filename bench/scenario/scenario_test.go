package scenario

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

const head = `schema: lars.bench.scenario/v1
name: mine
about: a test
workload: `

func TestShipped(t *testing.T) {
	if len(Names()) < 15 {
		t.Errorf("only %v", Names())
	}
	seen := map[string]bool{}
	for _, name := range Names() {
		s, err := Open(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if s.Name != name || s.File != name+".yaml" || s.Seed == 0 || len(s.SHA256) != 64 || s.Text == "" {
			t.Errorf("%s: %+v", name, s)
		}
		seen[s.Workload] = true
	}
	for name := range kinds() {
		if !seen[name] {
			t.Errorf("no file ships for %s", name)
		}
	}
}

func TestOpen(t *testing.T) {
	if _, err := Open("ecoh"); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "echo-open, ") {
		t.Errorf("%v", err)
	}
	path := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(path, []byte(head+"echo\nload: {rate: 5, timeout: 20ms}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path)
	if err != nil || s.Name != "mine" || s.File != path || s.Load.Timeout != 20*time.Millisecond || s.Seed != 1 || s.UDP() {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Open(path + ".yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	big := filepath.Join(t.TempDir(), "big.yml")
	if err := os.WriteFile(big, bytes.Repeat([]byte("#"), 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(big); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("%v", err)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"ehco\n", `x.yaml:4: workload: "ehco"; allowed: echo, gethost, report`},
		{"echo\nlaod: {}\n", "x.yaml:5: laod: unknown key; allowed: schema, name, about, workload, network, seed"},
		{"echo\nload: {rate: -1}\n", "x.yaml:5: load.rate: -1 is out of range; allowed: a number from 0.1 to 1e7"},
		{"echo\nload:\n  duration: 5\n", "x.yaml:6: load.duration: 5; allowed: a time such as 250ms"},
		{"echo\nmix: {report: 1}\n", "x.yaml:5: mix: echo does not use it; allowed: network, payload_bytes, load.rate, load.depth"},
		{"gethost\nnetwork: tcp\n", "x.yaml:5: network: gethost does not use it"},
		{"churn\nload: {depth: 2}\n", "x.yaml:5: load.depth: churn does not use it"},
		{"report\nload:\n  conns: 5\n", "x.yaml:5: load.rate: missing; report needs it"},
		{"mixed\n", "x.yaml:1: mix: missing; mixed needs it"},
		{"mixed\nmix: {}\n", "x.yaml:5: mix: nothing is asked"},
		{"mixed\nmix: {report: 2}\n", "x.yaml:5: mix: reports have no reply"},
		{"echo\nload: {arrivals: poisson}\n", "x.yaml:5: load.arrivals: a closed loop has none"},
		{"echo\nnetwork: udp\npayload_bytes: [10, 70000]\n", "x.yaml:6: payload_bytes: 70000 bytes do not fit a datagram"},
		{"push\nload: {rate: 5}\n", "x.yaml:5: load.rate: push does not use it; allowed: routes"},
	} {
		if _, err := Parse("x.yaml", []byte(head+c.in)); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q:\ngot  %v\nwant %s", c.in, err, c.want)
		}
	}
	if _, err := Parse("x.yaml", []byte(head+"gethost\nnetwork: udp\n")); err != nil {
		t.Errorf("the network that it has anyway: %v", err)
	}
}

const schemaFile = "../../results/schema/scenario.v1.json"

func compile(t testing.TB) *jsonschema.Schema {
	t.Helper()
	raw, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("scenario.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("scenario.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate is the schema's opinion of a file.
func validate(t testing.TB, s *jsonschema.Schema, data []byte) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(data, &v); err != nil {
		return err
	}
	return s.Validate(v)
}

// TestSchema: the file in results/schema is the parser's own, takes every
// shipped file, and refuses what the parser refuses for its form.
func TestSchema(t *testing.T) {
	raw, err := os.ReadFile(schemaFile)
	if err != nil || !bytes.Equal(raw, JSONSchema()) {
		t.Fatalf("%s is not what the parser takes (%v): lars bench scenarios --schema > results/schema/scenario.v1.json", schemaFile, err)
	}
	s := compile(t)
	for _, name := range Names() {
		one, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, s, []byte(one.Text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, in := range []string{
		"name: x\n", head + "ehco\n", head + "echo\nlaod: {}\n", head + "echo\nload: {rate: -1}\n", head + "echo\nload: {duration: 5}\n",
		head + "echo\nload: {conns: many}\n", head + "echo\npayload_bytes: []\n", head + "idle\nidle: {}\n", head + "echo\nnetwork: sctp\n",
		strings.Replace(head, "mine", "My own", 1) + "echo\n", head + "echo\nseed: 1.5\n", head + "slow\nslow: {readers: 0}\n",
	} {
		if _, err := Parse("x.yaml", []byte(in)); err == nil {
			t.Errorf("the parser takes %q", in)
		}
		if validate(t, s, []byte(in)) == nil {
			t.Errorf("the schema takes %q", in)
		}
	}
}

// TestREADME: every key is explained.
func TestREADME(t *testing.T) {
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range strings.Fields("schema name about workload network seed rounds loops load.conns load.depth load.rate load.arrivals " +
		"load.warmup load.duration load.timeout payload_bytes routes.modules routes.hosts edits_per_second mix.gethost mix.report mix.getroute " +
		"idle.conns slow.readers slow.send_bytes slow.memory_bytes") {
		if !bytes.Contains(raw, []byte("| `"+key+"` |")) {
			t.Errorf("%s is not in the table", key)
		}
	}
	for name := range kinds() {
		if !bytes.Contains(raw, []byte("| `"+name+"` |")) {
			t.Errorf("workload %s is not in the table", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range Names() {
		s, err := Open(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(s.Text))
	}
	schema := compile(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := Parse("x.yaml", in)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "x.yaml") {
				t.Errorf("no place: %v", err)
			}
			return
		}
		if s.Name == "" || s.Workload == "" || s.Load.Conns < 0 || s.Load.Duration < 0 {
			t.Errorf("%+v of %q", s, in)
		}
		if err := validate(t, schema, in); err != nil {
			t.Errorf("the parser takes %q, the schema does not: %v", in, err)
		}
	})
}
