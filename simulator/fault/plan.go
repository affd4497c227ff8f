package fault

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lars/internal/strictyaml"
	"lars/simulator/workload"
)

// FaultsMax bounds the faults of a plan.
const FaultsMax = 1000

// Plan is what a file says.
type Plan struct {
	Name     string        `yaml:"name" pattern:"^[a-z0-9-]*$" len:"0..64" doc:"of the plan"`
	About    string        `yaml:"about" len:"0..500" doc:"what it shows"`
	Workload workload.Spec `yaml:"workload" doc:"the world without faults"`
	Services Services      `yaml:"services" doc:"how many of those of which there may be several, on one database"`
	Faults   []Fault       `yaml:"faults" len:"0..1000" doc:"what goes wrong"`

	lines *strictyaml.Lines // nil: it was drawn, or made by a program
}

// Services are how many there are; 0 is one.
type Services struct {
	DNS       int `yaml:"dns" range:"1..9" doc:"each agent knows all, and uses one"`
	Reporters int `yaml:"reporters" range:"1..9" doc:"each agent knows all, and uses one"`
}

// world is one without faults.
func world() *Plan {
	return &Plan{Workload: workload.Default(), Services: Services{DNS: 1, Reporters: 1}}
}

// Fault is one thing that goes wrong: at a time, for some time, to somebody.
type Fault struct {
	Kind      Kind          `yaml:"fault,required" doc:"what"`
	Target    Target        `yaml:"target,required" doc:"to whom; host N counts the hosts of all modules, those of module 1, the most popular, first"`
	At        time.Duration `yaml:"at,required" range:"0s..240h" doc:"from the start of the run on"`
	For       time.Duration `yaml:"for" range:"1ms..240h" doc:"how long"`
	Factor    float64       `yaml:"factor" range:"1..10000" doc:"of the time that a call takes"`
	Rate      float64       `yaml:"rate" range:"0..1" doc:"share of calls that fail"`
	Every     time.Duration `yaml:"every" range:"10ms..1h" doc:"between two changes"`
	Calls     int           `yaml:"calls" range:"1..1000000000" doc:"after which the host refuses"`
	By        time.Duration `yaml:"by" range:"1ms..876000h" doc:"how far the clock is ahead"`
	Back      bool          `yaml:"back" doc:"the clock is behind, not ahead"`
	Count     int           `yaml:"count" range:"1..1000" doc:"of hosts"`
	Delay     time.Duration `yaml:"delay" range:"0s..10s" doc:"more for each packet, call of the database, or turn of a service"`
	Jitter    time.Duration `yaml:"jitter" range:"0s..10s" doc:"more, drawn evenly"`
	Loss      float64       `yaml:"loss" range:"0..1" doc:"share of packets"`
	Duplicate float64       `yaml:"duplicate" range:"0..1" doc:"share of packets"`
	Reorder   float64       `yaml:"reorder" range:"0..1" doc:"share of packets"`
}

// End is when a fault is over.
func (f *Fault) End() time.Duration { return f.At + f.For }

// End is when the last fault is over.
func (p *Plan) End() (end time.Duration) {
	for i := range p.Faults {
		end = max(end, p.Faults[i].End())
	}
	return end
}

// ReadFile reads and checks a plan. What its workload leaves open is that of
// workload.Default; without a name it has that of the file.
func ReadFile(path string) (*Plan, error) {
	p := world()
	lines, err := strictyaml.ReadFile(path, p)
	if err != nil {
		return nil, err
	}
	if p.Name == "" {
		p.Name = nameOf(path)
	}
	return p, p.check(lines)
}

// nameOf makes a plan's name of a file's.
func nameOf(path string) string {
	base := filepath.Base(path)
	name := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, strings.ToLower(strings.TrimSuffix(base, filepath.Ext(base))))
	const longest = 64 // as the tag has it
	return name[:min(len(name), longest)]
}

// Decode is ReadFile of a file's contents; file is its name for errors.
func Decode(file string, data []byte) (*Plan, error) {
	p := world()
	lines, err := strictyaml.Decode(file, data, p)
	if err != nil {
		return nil, err
	}
	return p, p.check(lines)
}

// Schema is the JSON Schema of plans.
func Schema() []byte {
	return strictyaml.Schema("https://lars/simulator/plan.schema.json", "A plan of faults for lars sim", *world())
}

// Errorf is an error about a place in the plan ("faults[2].target"), with file
// and line where it has them: for who runs a plan and cannot do all that one may
// ask for.
func (p *Plan) Errorf(path, format string, args ...any) error {
	if p.lines == nil {
		return fmt.Errorf("plan %s: %s: %s", p.Name, path, fmt.Sprintf(format, args...))
	}
	return p.lines.Errorf(path, format, args...)
}

// check is what needs more than one key. All problems are told.
func (p *Plan) check(lines *strictyaml.Lines) error {
	p.lines = lines
	var errs []error
	fail := func(path, format string, args ...any) { errs = append(errs, lines.Errorf(path, format, args...)) }
	p.checkWorld(fail)
	for i := range p.Faults {
		f := &p.Faults[i]
		at := fmt.Sprintf("faults[%d]", i)
		f.check(func(key, format string, args ...any) { fail(at+"."+key, format, args...) })
		if n := p.Count(f.Target.Kind); f.Target.N > n && !f.Target.Share {
			fail(at+".target", "there is no %v; allowed: 1 to %d", f.Target, n)
		}
		for j := range i {
			if f.contradicts(&p.Faults[j]) {
				fail(at, "%v of %v while faults[%d] is that of %v; allowed: one after the other", f.Kind, f.Target, j, p.Faults[j].Kind)
			}
		}
	}
	return errors.Join(errs...)
}

// Count is how many there are of a kind of target.
func (p *Plan) Count(kind string) int {
	w := &p.Workload
	switch kind {
	case Host:
		return w.Modules.Count * w.Modules.Hosts
	case Module:
		return w.Modules.Count
	case Zone:
		return w.Hosts.Zones
	case Agent, Caller:
		return w.Callers.Count
	case DNS:
		return max(p.Services.DNS, 1)
	case Reporter:
		return max(p.Services.Reporters, 1)
	}
	return 1
}

// Misdates reports whether the reporter's clock is set back by so much that what
// it accepts then is soon older than keep, for which it keeps totals by minute.
func (p *Plan) Misdates(keep time.Duration) bool {
	return slices.ContainsFunc(p.Faults, func(f Fault) bool {
		return f.Kind == Clock && f.Target.Kind == Reporter && f.Back && f.By >= keep
	})
}

// contradicts reports whether two faults would undo each other: both stop, or
// slow down, the same process, or are of one kind, at the same time.
func (f *Fault) contradicts(g *Fault) bool {
	if !f.Target.overlaps(g.Target) || f.At > g.End() || g.At > f.End() {
		return false
	}
	stops := []Kind{Crash, Off, Hang, Slow}
	process := slices.Contains([]string{Agent, DNS, Reporter}, f.Target.Kind)
	both := process && slices.Contains(stops, f.Kind) && slices.Contains(stops, g.Kind)
	return both || f.Kind == g.Kind
}
