package strictyaml

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

type level int

func (l *level) UnmarshalText(b []byte) error {
	switch string(b) {
	case "low":
		*l = 1
	case "high":
		*l = 2
	default:
		return errors.New("allowed: low, high")
	}
	return nil
}

type step struct {
	At   time.Duration `yaml:"at,required" range:"0s..1h"`
	Kill *string       `yaml:"kill"`
	Port uint16        `yaml:"port"`
}

type file struct {
	Name  string         `yaml:"name,required" pattern:"^[a-z][a-z0-9-]*$" len:"1..20" doc:"what it is called"`
	Net   string         `yaml:"net" oneof:"tcp udp"`
	Rate  float64        `yaml:"rate" range:"0..1e6"`
	Depth int            `yaml:"depth" range:"1..64"`
	Quick bool           `yaml:"quick"`
	Level level          `yaml:"level"`
	Share map[string]int `yaml:"share" range:"0..10" len:"0..3"`
	Sizes []int          `yaml:"sizes" range:"1..9" len:"1..4"`
	Steps []step         `yaml:"steps"`
	Own   string         `yaml:"-"`
}

const good = `# a comment
name: quick-one
net: udp
rate: 12.5
depth: 0x10
quick: true
level: high
share: {a: 1, b: 2}
sizes: [1, 2]
steps:
  - at: 1.5s
    kill: agent
  - {at: 0s, port: 65535}
`

func TestDecode(t *testing.T) {
	f := file{Depth: 1, Own: "kept"}
	lines, err := Decode("x.yaml", []byte(good), &f)
	if err != nil {
		t.Fatal(err)
	}
	agent := "agent"
	want := file{
		Name: "quick-one", Net: "udp", Rate: 12.5, Depth: 16, Quick: true, Level: 2, Own: "kept",
		Share: map[string]int{"a": 1, "b": 2}, Sizes: []int{1, 2},
		Steps: []step{{At: 1500 * time.Millisecond, Kill: &agent}, {Port: 65535}},
	}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("%+v, want %+v", f, want)
	}
	for path, at := range map[string]string{
		"net": "x.yaml:3: net: no", "steps[0].kill": "x.yaml:12: steps[0].kill: no",
		"steps[1].kill": "x.yaml:13: steps[1].kill: no", "absent": "x.yaml:2: absent: no", "": "x.yaml:2: no",
	} {
		if got := lines.Errorf(path, "no").Error(); got != at {
			t.Errorf("%q: %q, want %q", path, got, at)
		}
	}
}

// TestDefaults: what the file does not say stays as it was.
func TestDefaults(t *testing.T) {
	f := file{Depth: 7, Net: "tcp"}
	if _, err := Decode("x.yaml", []byte("name: a\n"), &f); err != nil {
		t.Fatal(err)
	}
	if f.Depth != 7 || f.Net != "tcp" || f.Steps != nil {
		t.Errorf("%+v", f)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"empty", "", "x.yaml: is empty"},
		{"comment", "# nothing\n", "x.yaml: is empty"},
		{"no mapping", "- 1\n", "x.yaml:1: a list; allowed: keys with values"},
		{"no yaml", "name: a\n\tdepth: 1\n", "x.yaml:2: no YAML: found a tab"},
		{"unknown", "name: a\nneat: 1\n", "x.yaml:2: neat: unknown key; allowed: name, net, rate, depth, quick, level, share, sizes, steps"},
		{"nested unknown", "name: a\nsteps:\n  - at: 1s\n    prot: 1\n", "x.yaml:4: steps[0].prot: unknown key; allowed: at, kill, port"},
		{"duplicate", "name: a\nnet: tcp\nnet: udp\n", "x.yaml:3: net: a second time; the first is in line 2"},
		{"missing", "net: tcp\n", "x.yaml:1: name: missing; required here: name"},
		{"nested missing", "name: a\nsteps:\n  - port: 1\n", "x.yaml:3: steps[0].at: missing; required here: at"},
		{"null", "name:\n", "x.yaml:1: name: no value; allowed: what matches ^[a-z]"},
		{"word", "name: a\nnet: sctp\n", `x.yaml:2: net: "sctp"; allowed: tcp, udp`},
		{"pattern", "name: A b\n", `x.yaml:1: name: "A b"; allowed: what matches`},
		{"length", "name: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", "x.yaml:1: name: 28 characters; allowed: what matches"},
		{"number for text", "name: 5\n", `x.yaml:1: name: 5 is no text; allowed: what matches ^[a-z][a-z0-9-]*$ (write "5" with quotes`},
		{"text for number", "name: a\ndepth: many\n", `x.yaml:2: depth: the text "many"; allowed: a whole number from 1 to 64`},
		{"quoted number", "name: a\ndepth: \"5\"\n", `x.yaml:2: depth: the text "5"; allowed: a whole number from 1 to 64`},
		{"fraction", "name: a\ndepth: 1.5\n", "x.yaml:2: depth: 1.5; allowed: a whole number from 1 to 64"},
		{"low", "name: a\ndepth: 0\n", "x.yaml:2: depth: 0 is out of range; allowed: a whole number from 1 to 64"},
		{"high", "name: a\nrate: 1000001\n", "x.yaml:2: rate: 1.000001e+06 is out of range; allowed: a number from 0 to 1e6"},
		{"nan", "name: a\nrate: .nan\n", "x.yaml:2: rate: .nan; allowed: a number from 0 to 1e6"},
		{"width", "name: a\nsteps:\n  - {at: 1s, port: 65536}\n", "x.yaml:3: steps[0].port: 65536 is out of range; allowed: a whole number"},
		{"negative", "name: a\nsteps:\n  - {at: 1s, port: -1}\n", "x.yaml:3: steps[0].port: -1 is out of range; allowed: a whole number"},
		{"huge", "name: a\ndepth: 99999999999999999999999\n", "x.yaml:2: depth: 99999999999999999999999; allowed: a whole"},
		{"bool", "name: a\nquick: yes\n", `x.yaml:2: quick: the text "yes"; allowed: true, false`},
		{"duration without unit", "name: a\nsteps: [{at: 5}]\n", "x.yaml:2: steps[0].at: 5; allowed: a time such as 250ms or 5s from 0s to 1h"},
		{"negative duration", "name: a\nsteps: [{at: -5s}]\n", `x.yaml:2: steps[0].at: the text "-5s"; allowed: a time`},
		{"long duration", "name: a\nsteps: [{at: 61m}]\n", "x.yaml:2: steps[0].at: 1h1m0s is out of range; allowed: a time"},
		{"own type and a number", "name: a\nlevel: 1\n", "x.yaml:2: level: 1; allowed: a text"},
		{"own type", "name: a\nlevel: mid\n", `x.yaml:2: level: "mid": allowed: low, high`},
		{"list for scalar", "name: [a]\n", "x.yaml:1: name: a list; allowed: what matches"},
		{"scalar for list", "name: a\nsteps: 5\n", "x.yaml:2: steps: 5; allowed: a list"},
		{"item", "name: a\nsizes: [1, 10]\n", "x.yaml:2: sizes[1]: 10 is out of range; allowed: a whole number from 1 to 9"},
		{"items", "name: a\nsizes: []\n", "x.yaml:2: sizes: 0 items; allowed: 1 to 4"},
		{"map value", "name: a\nshare: {a: 11}\n", "x.yaml:2: share.a: 11 is out of range"},
		{"map keys", "name: a\nshare: {a: 1, b: 1, c: 1, d: 1}\n", "x.yaml:2: share: 4 keys; allowed: 0 to 3"},
		{"alias", "name: &n a\nnet: *n\n", "x.yaml:1: name: anchors and aliases are not allowed"},
		{"merge", "name: a\n<<: {net: tcp}\n", "x.yaml:2: a merge as a key; allowed: a word"},
		{"tag", "name: !!str 5\n", "x.yaml:1: name: tags such as !!str are not allowed"},
		{"key", "name: a\n[a]: 1\n", "x.yaml:2: a list as a key; allowed: a word"},
		{"documents", "name: a\n---\nname: b\n", "x.yaml:2: a second document; allowed: one"},
		{"large", "#" + strings.Repeat("x", BytesMax), "x.yaml: larger than 1048576 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f file
			_, err := Decode("x.yaml", []byte(c.in), &f)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// TestAllAtOnce: several problems come in the order of lines, up to a limit.
func TestAllAtOnce(t *testing.T) {
	var f file
	_, err := Decode("x.yaml", []byte("depth: 0\nname: 5\nbad: 1\n"), &f)
	if err == nil || strings.Count(err.Error(), "\n") != 2 || !strings.HasPrefix(err.Error(), "x.yaml:1: depth") {
		t.Errorf("%v", err)
	}
	_, err = Decode("x.yaml", []byte(strings.Repeat("- {}\n", 3)+strings.Repeat("x: 1\n", 3)), &f)
	if err == nil {
		t.Error("accepted")
	}
	_, err = Decode("x.yaml", []byte("sizes: [1,1,1,1]\nsteps: ["+strings.Repeat("5,", 1000)+"]\n"), &f)
	if n := strings.Count(err.Error(), "\n") + 1; n != problemsMax {
		t.Errorf("%d problems, want %d", n, problemsMax)
	}
	var e *Error
	if !errors.As(err, &e) || e.File != "x.yaml" {
		t.Errorf("%#v", err)
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	var f file
	if _, err := ReadFile(path, &f); err != nil || f.Name != "quick-one" {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := ReadFile(path+".none", &f); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestBadTagsPanic(t *testing.T) {
	for name, v := range map[string]any{
		"no key": &struct{ A int }{},
		"option": &struct {
			A int `yaml:"a,omitempty"`
		}{},
		"range": &struct {
			A int `yaml:"a" range:"5"`
		}{},
		"range end": &struct {
			A int `yaml:"a" range:"x..y"`
		}{},
		"length": &struct {
			A string `yaml:"a" len:"x..y"`
		}{},
		"type": &struct {
			A chan int `yaml:"a"`
		}{},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			_, _ = Decode("x.yaml", []byte("a: 1\n"), v)
		})
	}
}

func TestSchema(t *testing.T) {
	raw := Schema("x.v1.json", "A file", file{})
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	props := got["properties"].(map[string]any)
	for key, want := range map[string]string{
		"name":  `{"description":"what it is called","maxLength":20,"minLength":1,"pattern":"^[a-z][a-z0-9-]*$","type":"string"}`,
		"net":   `{"enum":["tcp","udp"],"type":"string"}`,
		"rate":  `{"maximum":1000000,"minimum":0,"type":"number"}`,
		"depth": `{"maximum":64,"minimum":1,"type":"integer"}`,
		"quick": `{"type":"boolean"}`,
		"level": `{"type":"string"}`,
		"share": `{"additionalProperties":{"maximum":10,"minimum":0,"type":"integer"},"maxProperties":3,"type":"object"}`,
		"sizes": `{"items":{"maximum":9,"minimum":1,"type":"integer"},"maxItems":4,"minItems":1,"type":"array"}`,
	} {
		if one, _ := json.Marshal(props[key]); string(one) != want {
			t.Errorf("%s: %s, want %s", key, one, want)
		}
	}
	items := props["steps"].(map[string]any)["items"].(map[string]any)
	if items["additionalProperties"] != false || items["required"].([]any)[0] != "at" || props["Own"] != nil {
		t.Errorf("%s", raw)
	}
}

// FuzzDecode: no input panics, and what is taken obeys the rules.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("name: a\n<<: *x\n"))
	f.Add([]byte("name: &a [*a]\n"))
	f.Add([]byte("name: a\nsteps: [{at: 1h}]\n---\n"))
	f.Add([]byte("? [a]\n: {b: }\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		v := file{Depth: 1}
		lines, err := Decode("x.yaml", in, &v)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "x.yaml:") {
				t.Errorf("no place: %v", err)
			}
			return
		}
		if lines == nil || v.Name == "" || v.Depth < 1 || v.Depth > 64 || v.Rate < 0 || len(v.Share) > 3 {
			t.Errorf("accepted %q: %+v", in, v)
		}
	})
}
