package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"lars/bench/compare"
	"lars/bench/gate"
	"lars/bench/load"
	"lars/bench/record"
	"lars/bench/run"
	"lars/bench/scenario"
	"lars/bench/workload"
	"lars/internal/cli"
	"lars/reactor/frame"
)

// duet is how the gate and the self-test measure an epoch. Both must do it in
// the same way, or what was learned says nothing about what is gated.
type duet struct {
	flags    *cli.Flags
	backends string
	scenario string
	udp      bool
	// service is what is measured if it is none of echo: its kind, its routes,
	// and what stands behind it.
	service options
	rate    float64
	conns   int
	payload int
	slices  int
	slice   time.Duration
	warmup  time.Duration
	seed    uint64
}

// duetFlags adds the flags that say what is measured.
func (d *duet) addFlags(f *cli.Flags) {
	d.flags = f
	f.StringVar(&d.backends, "backends", "epoll,std", "comma-separated `list` of backends to measure the server on")
	d.service.routes = workload.Routes{Modules: 1000, Hosts: 10} // as bench run
	f.StringVar(&d.service.workload, "workload", echoName, "`name` of what is measured: echo, or of the system gethost (an agent) or getroute (a dns)")
	f.StringVar(&d.scenario, "scenario", "", "`name` or file of a scenario of these, such as echo-udp-open: its workload, network, payload, connections and rate, where no flag says otherwise")
	f.BoolVar(&d.udp, "udp", false, "UDP instead of TCP")
	f.Float64Var(&d.rate, "rate", 8000, "`requests` per second to each of the two programs")
	f.IntVar(&d.conns, "conns", 16, "`number` of connections to each")
	f.IntVar(&d.payload, "payload", 0, "`bytes` of content in a message; 0 is the original's 13")
	f.IntVar(&d.slices, "slices", 16, "`number` of slices of an epoch")
	f.DurationVar(&d.slice, "slice", 200*time.Millisecond, "`time` of a slice")
	f.DurationVar(&d.warmup, "warmup", 500*time.Millisecond, "`time` of load before the slices of each epoch")
}

// check refuses what cannot be measured, before anything is built.
func (d *duet) check(known []string) ([]string, error) {
	if err := d.takeScenario(); err != nil {
		return nil, err
	}
	if err := d.chooseKind(); err != nil {
		return nil, err
	}
	subjects := strings.Split(d.backends, ",")
	for _, s := range subjects {
		if !slices.Contains(known, s) {
			return nil, d.flags.Errorf("--backends: unknown backend %q. Known: %s", s, strings.Join(known, ", "))
		}
	}
	if !(d.rate >= 100 && d.rate <= 1e6) || d.conns < 1 || d.slices < 8 || d.slice < 50*time.Millisecond || d.warmup < 0 {
		return nil, d.flags.Errorf("choose --rate 100 to 1000000, --conns 1 or more, --slices 8 or more, --slice 50ms or more, --warmup 0 or more")
	}
	if _, err := load.NewEcho(d.payload); err != nil {
		return nil, d.flags.Errorf("--payload: %v", err)
	}
	if _, _, err := d.requests(); err != nil {
		return nil, d.flags.Errorf("%v", err)
	}
	return subjects, nil
}

// takeScenario fills in from a scenario what no flag says.
func (d *duet) takeScenario() error {
	if d.scenario == "" {
		return nil
	}
	s, err := scenario.Open(d.scenario)
	switch {
	case err != nil:
		return d.flags.Errorf("--scenario: %v", err)
	case !slices.Contains(gateable(), s.Workload):
		return d.flags.Errorf("--scenario %s: its workload is %s, and only %s are measured here: give a scenario of these, such as echo-udp-open, or see lars bench compare --workload", s.Name, s.Workload, strings.Join(gateable(), ", "))
	case s.Edits > 0:
		return d.flags.Errorf("--scenario %s: its routes are edited, which changes what is measured from epoch to epoch: give one without edits", s.Name)
	case len(s.PayloadBytes) > 1:
		return d.flags.Errorf("--scenario %s: it has %d sizes of payload, and noise is learned for one: give an echo scenario of one size", s.Name, len(s.PayloadBytes))
	}
	given := map[string]bool{}
	d.flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if !given["workload"] {
		d.service.workload = s.Workload
	}
	if r := s.Routes; r != nil {
		d.service.routes.Modules = cmp.Or(r.Modules, d.service.routes.Modules)
		d.service.routes.Hosts = cmp.Or(r.Hosts, d.service.routes.Hosts)
	}
	if !given["udp"] {
		d.udp = s.UDP()
	}
	if !given["payload"] && len(s.PayloadBytes) == 1 {
		d.payload = s.PayloadBytes[0]
	}
	if !given["conns"] && s.Load.Conns > 0 {
		d.conns = s.Load.Conns
	}
	if !given["rate"] && s.Load.Rate > 0 {
		d.rate = s.Load.Rate
	}
	return nil
}

// usualDuet is one without flags.
func usualDuet() *duet {
	d := &duet{}
	d.addFlags(cli.NewFlags("", "", ""))
	return d
}

// learnedAs is the name of the file of noise for these settings, with another
// ending: those that are not the usual ones have files of their own.
func (d *duet) learnedAs(name string) string {
	if d.settings() == usualDuet().settings() {
		return name
	}
	sum := sha256.Sum256([]byte(d.settings()))
	ext := filepath.Ext(name)
	return fmt.Sprintf("%s-%x%s", strings.TrimSuffix(name, ext), sum[:4], ext)
}

func (d *duet) network() string {
	if d.udp {
		return "udp"
	}
	return "tcp"
}

// settings name how epochs are measured: noise that was learned with others is
// of no use.
func (d *duet) settings() string {
	what := fmt.Sprintf("payload %d", d.payload)
	if r := d.service.routes; d.system() {
		what = fmt.Sprintf("%d modules of %d hosts", r.Modules, r.Hosts)
	}
	return fmt.Sprintf("request duet, %s over %s, %s, %g/s to each on %d connections, %d slices of %v after %v",
		d.service.workload, d.network(), what, d.rate, d.conns, d.slices, d.slice, d.warmup)
}

// epochTime is about what one epoch takes, with the starts of its servers.
func (d *duet) epochTime() time.Duration {
	return d.loadTime() + 700*time.Millisecond
}

// loadTime is what an epoch takes at least.
func (d *duet) loadTime() time.Duration { return d.warmup + time.Duration(d.slices)*d.slice }

// target is the server of a binary that is measured.
func (d *duet) target(name, binary, backend, inject string) (run.Target, error) {
	if !d.system() {
		return d.echo(name, binary, backend, inject)
	}
	t := run.Target{Name: name, Backend: backend}
	if inject != "" {
		return t, fmt.Errorf("--inject %s: only echo servers can be slowed", inject)
	}
	err := d.service.serviceOn(&t)
	if err == nil {
		t.Command[0] = binary
	}
	return t, err
}

// echo is an echo server of a binary.
func (d *duet) echo(name, binary, backend, inject string) (run.Target, error) {
	echo, err := load.NewEcho(d.payload)
	if err != nil {
		return run.Target{}, err
	}
	size, _ := echo.FrameBytesMax()
	t := run.Target{Name: name, Backend: backend, Command: []string{
		binary, "serve", "echo", "--backend", backend, "--listen", "127.0.0.1:0", "--loops", "1",
		"--body-max", strconv.Itoa(max(size-frame.HeadBytes, frame.BodyBytesDefault)),
	}}
	if d.udp {
		t.Command = append(t.Command, "--udp")
	}
	if inject != "" {
		t.Command = append(t.Command, "--inject", inject)
	}
	return t, nil
}

// measure runs epochs of two targets. Every call takes another part of the
// arrivals' random numbers.
func (d *duet) measure(ctx context.Context, a, b run.Target, epochs int, observe func(compare.Progress)) (gate.Batch, error) {
	d.seed += 1 << 16
	w, depth, err := d.requests()
	if err != nil {
		return gate.Batch{}, err
	}
	r, err := compare.Run(ctx, compare.Config{
		A: a, B: b, Name: d.service.workload, Design: record.DesignRequestDuet,
		Load:   load.Config{Network: d.network(), Conns: d.conns, Rate: d.rate, Depth: depth, Seed: d.seed, Workload: w},
		Epochs: epochs, Slices: d.slices, Slice: d.slice, Warmup: d.warmup,
		Enough:  func([]record.Epoch) bool { return false }, // any number of epochs will do: the gate judges
		Observe: observe,
	})
	if err != nil {
		return gate.Batch{}, err
	}
	return batchOf(r), nil
}

// batchOf keeps of a comparison what the gate stands on.
func batchOf(r *compare.Result) gate.Batch {
	var out gate.Batch
	metrics := compare.Metrics(record.DesignRequestDuet)
	for i := range r.Comparison.Epochs {
		e := &r.Comparison.Epochs[i]
		switch faults := r.Epochs[i].Faults; {
		case faults[0] == "" && faults[1] != "":
			out.Faults = append(out.Faults, faults[1])
			continue
		case faults[0] != "":
			out.Lost = append(out.Lost, e.Invalid)
			continue
		case e.Invalid != "":
			out.Lost = append(out.Lost, e.Invalid) // its counts hold all the same
		}
		got := gate.Epoch{Ratios: map[string]float64{}, A: map[string]float64{}, B: map[string]float64{}}
		for _, m := range gate.Metrics() {
			if m.Counted {
				keep(got.A, e.A, m.Name)
				keep(got.B, e.B, m.Name)
			} else if at := slices.IndexFunc(metrics, func(c compare.Metric) bool { return c.Name == m.Name }); at >= 0 {
				if log, ok := metrics[at].LogRatio(e); ok {
					got.Ratios[m.Name] = log
				}
			}
		}
		out.Epochs = append(out.Epochs, got)
	}
	return out
}

func keep(to, from map[string]float64, name string) {
	if v, ok := from[name]; ok {
		to[name] = v
	}
}
