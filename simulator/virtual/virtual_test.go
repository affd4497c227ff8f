package virtual

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lars/simulator/check"
	"lars/simulator/fault"
	"lars/simulator/outcome"
	"lars/simulator/workload"
	"lars/system/store"
	"lars/system/wire"
)

var update = flag.Bool("update", false, "accept the hashes")

func mustRun(t *testing.T, c Config) Result {
	t.Helper()
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func shipped(t *testing.T, name string) *fault.Plan {
	t.Helper()
	p, err := fault.Shipped(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// All promises hold under every plan; a run repeats, and the same seed makes the
// same run on every machine and with every version of Go: the hashes are in the
// repository.
func TestShippedPlans(t *testing.T) {
	const file = "testdata/hashes.txt"
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, name := range fault.Names() {
		p := shipped(t, name)
		if Least(p) > longestOfATest {
			continue // without the race detector it runs
		}
		r := mustRun(t, Config{Seed: 1, Plan: p})
		for _, v := range r.Violations {
			t.Errorf("%s: %v", name, v)
		}
		if r.Calls.Served < r.Calls.Asked/2 {
			t.Errorf("%s: only %+v", name, r.Calls)
		}
		line := fmt.Sprintf("%s %s %d events\n", name, r.Hash, r.Events)
		if got.WriteString(line); !*update && !strings.Contains(string(golden), line) {
			t.Errorf("%s says otherwise (-update accepts what is meant to change): %s", file, line)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheSameSeedIsTheSameRun(t *testing.T) {
	hashes := map[string]bool{}
	for seed := range uint64(3) {
		a, b := mustRun(t, Config{Seed: seed, Plan: Chaos(seed, 0)}), mustRun(t, Config{Seed: seed, Plan: Chaos(seed, 0)})
		if a.Hash != b.Hash || a.Events != b.Events || a.Calls != b.Calls {
			t.Errorf("seed %d: %+v and %+v", seed, a, b)
		}
		hashes[a.Hash] = true
	}
	if len(hashes) != 3 {
		t.Errorf("different seeds, the same run: %v", hashes)
	}
}

func TestManySeeds(t *testing.T) {
	seeds := uint64(seedsOfATest)
	if testing.Short() {
		seeds /= 5
	}
	for seed := range seeds {
		r := mustRun(t, Config{Seed: seed, Plan: Chaos(seed, 0)})
		if len(r.Violations) > 0 {
			t.Errorf("lars sim virtual --plan chaos --seed %d: %v", seed, r.Violations)
		}
	}
}

// Callers say how long calls take, as the client library does: a slow host gets
// few of them.
func TestSlowHostIsAvoided(t *testing.T) {
	p := shipped(t, "slow-host")
	tally := outcome.New(p, 1, Least(p))
	mustRun(t, Config{Seed: 1, Plan: p, Alike: true, Observe: tally.Add})
	s := tally.Summary()
	if a := s.Afflicted[0]; a.Picks < 1000 || a.BadShare() > a.Fair/10 {
		t.Errorf("%.1f %% of %d calls went to the slow host", 100*a.BadShare(), a.Picks)
	}
}

// short is a plan that is soon over.
func short(faults ...fault.Fault) *fault.Plan {
	return &fault.Plan{Name: "short", Workload: workload.Default(), Faults: faults}
}

func target(text string) (t fault.Target) {
	if err := t.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return t
}

// edits of module 1, which nearly all calls are about.
func edits() *fault.Plan {
	p := short(fault.Fault{Kind: fault.Edits, Target: target("module 1"), At: 3 * time.Second, For: 10 * time.Second, Every: time.Second})
	p.Workload.Modules.Zipf = 3
	return p
}

// A mutant is a system that is broken on purpose, and the checker that must see
// it.
type mutant struct {
	what, checker string
	plan          *fault.Plan
	tamper        Tamper
}

// onAnswers tampers with the answers about module 1 that name a host.
func onAnswers(f func(n int, a *wire.GetHostResponse) (drop bool)) Tamper {
	n := 0
	return Tamper{Answer: func(_ int, a *wire.GetHostResponse) bool {
		if a.ModID != 1 || !a.HasHost {
			return false
		}
		n++
		return f(n, a)
	}}
}

// brokenStore is a store but for what its fields replace.
type brokenStore struct {
	store.Store
	version func(ctx context.Context) (int64, error)
	load    func(ctx context.Context, yield func(store.Route) error) (store.Loaded, error)
	save    func(ctx context.Context, reports []store.Report) (store.Saved, error)
	edit    func(ctx context.Context, e store.Edit) (store.Edited, error)
}

func (b *brokenStore) Version(ctx context.Context) (int64, error) {
	if b.version != nil {
		return b.version(ctx)
	}
	return b.Store.Version(ctx)
}

func (b *brokenStore) Load(ctx context.Context, yield func(store.Route) error) (store.Loaded, error) {
	if b.load != nil {
		return b.load(ctx, yield)
	}
	return b.Store.Load(ctx, yield)
}

func (b *brokenStore) SaveReports(ctx context.Context, reports []store.Report) (store.Saved, error) {
	if b.save != nil {
		return b.save(ctx, reports)
	}
	return b.Store.SaveReports(ctx, reports)
}

func (b *brokenStore) Edit(ctx context.Context, e store.Edit) (store.Edited, error) {
	if b.edit != nil {
		return b.edit(ctx, e)
	}
	return b.Store.Edit(ctx, e)
}

func mutants() []mutant {
	var first, older []store.Host
	var firstHost wire.HostInfo
	saves, done := 0, 0
	calm, edits := short(), edits()
	return []mutant{
		{"the agent leaves questions unanswered", "answers", calm, onAnswers(func(n int, _ *wire.GetHostResponse) bool {
			return n%50 < 10
		})},
		{"the agent never forgets a host", "picks", edits, onAnswers(func(n int, a *wire.GetHostResponse) bool {
			if n == 1 {
				firstHost = a.Host
			}
			a.Host = firstHost
			return false
		})},
		{"the agent invents hosts", "picks", calm, onAnswers(func(n int, a *wire.GetHostResponse) bool {
			a.Host.Port += int32(n / 100)
			return false
		})},
		{"the balancer has a darling", "share", calm, onAnswers(func(_ int, a *wire.GetHostResponse) bool {
			if a.Host.IP == 0x0B000001 {
				a.Host.IP++
			}
			return false
		})},
		{"the balancer probes without end", "quota", short(
			fault.Fault{Kind: fault.Crash, Target: target("host 1"), At: 3 * time.Second, For: 20 * time.Second},
		), onAnswers(func(_ int, a *wire.GetHostResponse) bool {
			a.Host.IP = 0x0B000001
			return false
		})},
		{"the agent loses its routes", "recovery", calm, onAnswers(func(n int, a *wire.GetHostResponse) bool {
			if n > 500 {
				a.Retcode, a.HasHost = wire.RetNoExist, false
			}
			return false
		})},
		{"the agent forgets what it knew", "known", calm, onAnswers(func(n int, a *wire.GetHostResponse) bool {
			if n%300 == 299 {
				a.Retcode, a.HasHost = wire.RetNoExist, false
			}
			return false
		})},
		{"an agent goes back to an older route", "versions", edits, Tamper{Route: func(agent int, m store.Module, hosts []store.Host) []store.Host {
			if m.ModID != 1 || agent > 0 {
				return hosts
			}
			if first == nil {
				first = hosts
			}
			if older = append(older, hosts...); len(older) > 20*len(first) && len(older) < 40*len(first) {
				return first
			}
			return hosts
		}}},
		{"dns sees no edits", "converge", edits, Tamper{DNSStore: func(st store.Store) store.Store {
			return &brokenStore{
				Store:   st,
				version: func(context.Context) (int64, error) { return 1, nil },
				load: func(ctx context.Context, yield func(store.Route) error) (store.Loaded, error) {
					if first == nil {
						return st.Load(ctx, yield)
					}
					return store.Loaded{}, store.ErrUnavailable
				},
			}
		}}},
		{"the reporter loses reports", "calls", calm, Tamper{ReporterStore: func(st store.Store) store.Store {
			return &brokenStore{Store: st, save: func(ctx context.Context, reports []store.Report) (store.Saved, error) {
				if saves++; saves == 10 {
					return store.Saved{Reports: len(reports)}, nil
				}
				return st.SaveReports(ctx, reports)
			}}
		}}},
		{"the reporter counts twice", "calls", calm, Tamper{ReporterStore: func(st store.Store) store.Store {
			return &brokenStore{Store: st, save: func(ctx context.Context, reports []store.Report) (store.Saved, error) {
				again := slices.Clone(reports)
				for i := range again {
					again[i].Mark.Boot ^= 1 << 60
				}
				if _, err := st.SaveReports(ctx, again); err != nil {
					return store.Saved{}, err
				}
				return st.SaveReports(ctx, reports)
			}}
		}}},
		{"the reporter stores nothing", "memory", calm, Tamper{ReporterStore: func(st store.Store) store.Store {
			return &brokenStore{Store: st, save: func(context.Context, []store.Report) (store.Saved, error) {
				return store.Saved{}, store.ErrUnavailable
			}}
		}}},
		{"the reporter never ends", "end", calm, Tamper{ReporterStore: func(st store.Store) store.Store {
			return &brokenStore{Store: st, save: func(context.Context, []store.Report) (store.Saved, error) {
				return store.Saved{}, store.ErrUnavailable
			}}
		}}},
		{"acknowledged edits are lost", "edits", edits, Tamper{EditorStore: func(st store.Store) store.Store {
			return &brokenStore{Store: st, edit: func(ctx context.Context, e store.Edit) (store.Edited, error) {
				if done++; done > 5 {
					return store.Edited{Version: 1}, nil
				}
				return st.Edit(ctx, e)
			}}
		}}},
		{"a part panics", "panic", calm, onAnswers(func(int, *wire.GetHostResponse) bool { panic("mutant") })},
	}
}

func TestEveryCheckerSeesItsMutant(t *testing.T) {
	healthy := map[*fault.Plan]bool{}
	for _, m := range mutants() {
		t.Run(m.what, func(t *testing.T) {
			if !healthy[m.plan] {
				if r := mustRun(t, Config{Seed: 1, Plan: m.plan}); r.Failures > 0 {
					t.Errorf("not broken, and yet: %v", r.Violations)
				}
				healthy[m.plan] = true
			}
			r := mustRun(t, Config{Seed: 1, Plan: m.plan, Tamper: m.tamper})
			caught := slices.ContainsFunc(r.Violations, func(v check.Violation) bool { return v.Checker == m.checker })
			if !caught || r.Trace == "" {
				t.Errorf("not seen: %v", r.Violations)
			}
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Config{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A closed loop, one host a module, one machine: the smallest world.
func TestSmallWorld(t *testing.T) {
	p := short()
	p.Workload.Callers.Count, p.Workload.Callers.Arrivals = 1, "closed"
	p.Workload.Modules, p.Workload.Hosts.Zones = workload.Modules{Count: 1, Hosts: 1}, 1
	r := mustRun(t, Config{Plan: p})
	if len(r.Violations) > 0 || r.Calls.Served < 1000 {
		t.Errorf("%+v", r)
	}
}

// A world at the edge of what one edit of the store takes is set up in parts.
func TestManyHosts(t *testing.T) {
	p := &fault.Plan{Name: "many", Workload: workload.Default()}
	p.Workload.Modules = workload.Modules{Count: 20, Hosts: 1000}
	if r := mustRun(t, Config{Seed: 1, Plan: p}); r.Failures > 0 || r.Calls.Served == 0 {
		t.Errorf("%d served, %v", r.Calls.Served, r.Violations)
	}
}
