// Package scenario reads the files that declare a workload: what is asked of
// which server, over how many connections, at which rate, for how long, from
// which seed. README.md beside it explains every key.
//
// It is for the commands of the lab. Whoever wants another workload writes a
// file, no Go. A file is strict: an unknown key, a word that is not allowed, or
// a key that its workload does not use is refused with file, line and what is
// allowed.
//
// What it will not do: start anything, or know backends and flags.
package scenario

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"lars/internal/strictyaml"
)

// Schema names the format.
const Schema = "lars.bench.scenario/v1"

// Scenario is the content of a file. A zero field leaves the choice to the
// command, whose flags say its defaults.
type Scenario struct {
	Schema   string `yaml:"schema,required" oneof:"lars.bench.scenario/v1" doc:"names this format"`
	Name     string `yaml:"name,required" pattern:"^[a-z][a-z0-9-]*$" len:"1..40" doc:"in results and lists"`
	About    string `yaml:"about,required" len:"1..200" doc:"one line for people"`
	Workload string `yaml:"workload,required" oneof:"echo gethost report getroute push reportstore mixed churn idle slow" doc:"what is asked"`
	Network  string `yaml:"network" oneof:"tcp udp" doc:"of echo; the others have one of their own"`
	Seed     uint64 `yaml:"seed" range:"1..9007199254740991" doc:"the arrivals follow from it; round k uses seed+k"`
	Rounds   int    `yaml:"rounds" range:"1..1000" doc:"each in a fresh server; intervals need 6"`
	Loops    int    `yaml:"loops" range:"1..64" doc:"event loops of the server"`
	Load     Load   `yaml:"load" doc:"how much, how long"`

	PayloadBytes []int   `yaml:"payload_bytes" range:"1..16777197" len:"1..16" doc:"echo, churn, idle, slow: bytes of content of a message; several take turns"`
	Routes       *Routes `yaml:"routes" doc:"services of the system: what they know"`
	Edits        float64 `yaml:"edits_per_second" range:"0.1..1000" doc:"getroute: routes that change meanwhile; nobody may see one go back"`
	Mix          *Mix    `yaml:"mix" doc:"mixed: the proportions of its requests"`
	Idle         *Idle   `yaml:"idle" doc:"idle: the connections that do nothing"`
	Slow         *Slow   `yaml:"slow" doc:"slow: the readers that stall"`

	// Of the file.
	File   string `yaml:"-"` // its path; of a shipped one its name without a folder
	Text   string `yaml:"-"`
	SHA256 string `yaml:"-"`
}

// Load is how much is asked, and for how long.
type Load struct {
	Conns    int            `yaml:"conns" range:"1..1000000" doc:"connections; sockets, over UDP; subscribers, of push"`
	Depth    int            `yaml:"depth" range:"1..65536" doc:"requests in flight on each connection: of a closed loop exactly, of an open one at most"`
	Rate     float64        `yaml:"rate" range:"0.1..1e7" doc:"requests per second over all connections: an open loop; absent: a closed one"`
	Arrivals string         `yaml:"arrivals" oneof:"poisson constant" doc:"law of the arrivals of an open loop"`
	Warmup   *time.Duration `yaml:"warmup" range:"0s..1h" doc:"time of load before the measured one"`
	Duration time.Duration  `yaml:"duration" range:"1ms..24h" doc:"measured time of each round"`
	Timeout  time.Duration  `yaml:"timeout" range:"1ms..1h" doc:"after which a request is given up, and counted as slower than that"`
}

// Routes are the modules that a service knows.
type Routes struct {
	Modules int `yaml:"modules" range:"1..15000" doc:"modules"`
	Hosts   int `yaml:"hosts" range:"1..250" doc:"hosts of each"`
}

// Mix is how many of each request there are in one turn of a connection.
type Mix struct {
	GetHost  int `yaml:"gethost" range:"0..1000" doc:"asks for a host"`
	Report   int `yaml:"report" range:"0..1000" doc:"tells how a call went; has no reply"`
	GetRoute int `yaml:"getroute" range:"0..1000" doc:"asks for all hosts of a module"`
}

// Idle is the crowd around an active connection.
type Idle struct {
	Conns int `yaml:"conns,required" range:"1..28000" doc:"connections that send nothing"`
}

// Slow is readers that stall.
type Slow struct {
	Readers     int   `yaml:"readers,required" range:"1..10000" doc:"connections that ask and never read"`
	SendBytes   int64 `yaml:"send_bytes" range:"1..1073741824" doc:"that each of them tries to send"`
	MemoryBytes int64 `yaml:"memory_bytes" range:"1..1099511627776" doc:"by which the server may grow; more makes the run invalid"`
}

//go:embed scenarios
var shipped embed.FS

const folder = "scenarios"

// ErrUnknown is a name that no shipped scenario has.
var ErrUnknown = errors.New("unknown scenario")

// Names lists the shipped scenarios.
func Names() []string {
	files, _ := fs.ReadDir(shipped, folder) // it was there when it was compiled
	var out []string
	for _, f := range files {
		out = append(out, strings.TrimSuffix(f.Name(), extension))
	}
	slices.Sort(out)
	return out
}

const extension = ".yaml"

// Open reads a shipped scenario by its name, or a file by its path: what has a
// slash or ends in .yaml or .yml is a path.
func Open(name string) (*Scenario, error) {
	if strings.ContainsRune(name, os.PathSeparator) || strings.HasSuffix(name, extension) || strings.HasSuffix(name, ".yml") {
		return openFile(name)
	}
	file := name + extension
	data, err := shipped.ReadFile(path.Join(folder, file))
	if err != nil {
		return nil, fmt.Errorf("%w %q: give the path of a file (with a slash, or %s at its end), or one of %s", ErrUnknown, name, extension, strings.Join(Names(), ", "))
	}
	return Parse(file, data)
}

func openFile(name string) (*Scenario, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := strictyaml.ReadAll(name, f)
	if err != nil {
		return nil, err
	}
	return Parse(name, data)
}

// Parse reads the content of a file. Its errors are of strictyaml: the file, the
// line, what is wrong and what is allowed.
func Parse(file string, data []byte) (*Scenario, error) {
	var s Scenario
	lines, err := strictyaml.Decode(file, data, &s)
	if err != nil {
		return nil, err
	}
	if err := s.check(lines); err != nil {
		return nil, err
	}
	s.Seed = cmp.Or(s.Seed, 1)
	s.File, s.Text, s.SHA256 = file, string(data), fmt.Sprintf("%x", sha256.Sum256(data))
	return &s, nil
}

// JSONSchema is the schema of such files, as it stands in results/schema.
func JSONSchema() []byte {
	return strictyaml.Schema(Schema, "A scenario of lars bench", Scenario{})
}
