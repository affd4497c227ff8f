package tally

import (
	"cmp"
	"errors"

	"lars/system/route"
)

// Config is what a Tally is made with.
type Config struct {
	// Boot is the run's id, to be put into every report: a random number,
	// not 0.
	Boot uint64
	// BytesMax bounds the memory, as reckoned with hostBytes and moduleBytes.
	// Zero means 64 MiB, which is some 400,000 hosts.
	BytesMax int
	// ResultsMax bounds the results of one report, so that it fits a message
	// of the original's: 1,200 results of 50 bytes do. Zero means 1,000.
	ResultsMax int
}

// What a host and a module cost, index and spare room included; measured by
// TestBytesMaxHolds.
const (
	hostBytes   = 160
	moduleBytes = 160
)

// Stats are counters of a Tally, from its making on.
type Stats struct {
	Calls   uint64 // calls counted
	Dropped uint64 // calls not counted, there being no room
	Evicted uint64 // modules forgotten to make room; nothing of them was unsent
	Modules int    // remembered now
	Hosts   int    // remembered now
	Bytes   int    // reckoned now, of BytesMax
}

// Tally counts calls per module and host. Add takes constant time and, for a
// host it remembers, allocates nothing. Not safe for concurrent use: one per
// loop, each with its own Boot.
type Tally struct {
	cfg     Config
	modules arena[module]
	hosts   arena[host]
	byName  map[route.Module]int32
	byHost  map[hostKey]int32
	used    ends // all modules, the one that was silent for longest first
	due     ends // modules with something to report, in the order to take them
	number  uint64
	stats   Stats
}

type hostKey struct {
	module route.Module
	host   route.Host
}

// ends are those of a linked list of modules; 0 is none.
type ends struct{ first, last int32 }

// module is one module that is remembered. Links are places in the arena; 0 is
// none.
type module struct {
	name    route.Module
	hosts   int32 // the first of its hosts
	changed int32 // the first of its hosts with something to report
	older   int32 // neighbours in the list of all
	newer   int32
	nextDue int32
	isDue   bool
}

type host struct {
	addr        route.Host
	module      int32
	next        int32 // of the module's hosts
	nextChanged int32
	figures     Result // Host unset
	isChanged   bool
}

// New makes an empty tally. The error says what is wrong with cfg.
func New(cfg Config) (*Tally, error) {
	cfg.BytesMax = cmp.Or(cfg.BytesMax, 64<<20)
	cfg.ResultsMax = cmp.Or(cfg.ResultsMax, 1000)
	if cfg.Boot == 0 || cfg.BytesMax < 0 || cfg.ResultsMax < 0 {
		return nil, errors.New("tally: want a boot id that is not 0, and limits that are not negative")
	}
	return &Tally{cfg: cfg, byName: map[route.Module]int32{}, byHost: map[hostKey]int32{}}, nil
}

// Stats returns the counters.
func (t *Tally) Stats() Stats {
	s := t.stats
	s.Modules, s.Hosts, s.Bytes = len(t.byName), len(t.byHost), t.bytes()
	return s
}

func (t *Tally) bytes() int {
	return len(t.byName)*moduleBytes + len(t.byHost)*hostBytes
}

// Add counts one call. A host never seen is remembered from now on; false when
// there is no room for it, and the call is dropped.
func (t *Tally) Add(m route.Module, h route.Host, failed bool) bool {
	i, ok := t.place(m, h)
	if !ok {
		t.stats.Dropped++
		return false
	}
	t.stats.Calls++
	f := &t.hosts.get(i).figures
	if failed {
		f.Err, f.ErrAdd = add(f.Err, 1), add(f.ErrAdd, 1)
	} else {
		f.Succ, f.SuccAdd = add(f.Succ, 1), add(f.SuccAdd, 1)
	}
	t.change(i)
	return true
}

// SetOverload notes the balancer's opinion of a host, to be reported. False
// when there is no room for the host.
func (t *Tally) SetOverload(m route.Module, h route.Host, overload bool) bool {
	i, ok := t.place(m, h)
	if !ok {
		return false
	}
	if f := &t.hosts.get(i).figures; f.Overload != overload {
		f.Overload = overload
		t.change(i)
	}
	return true
}

// SetSuspect notes what other agents are to be told of a host, once. False when
// there is no room for the host.
func (t *Tally) SetSuspect(m route.Module, h route.Host, w Word) bool {
	i, ok := t.place(m, h)
	if ok {
		t.hosts.get(i).figures.Suspect = w
		t.change(i)
	}
	return ok
}

// Due returns whether Take has something to give.
func (t *Tally) Due() bool { return t.due.first != 0 }

// Take fills r with the changes of the module that has waited longest, and
// forgets that they are changes; false when there are none. Call it for as
// long as the connection has room. It uses the capacity of r.Results again.
func (t *Tally) Take(r *Report) bool {
	at := t.due.first
	if at == 0 {
		return false
	}
	m := t.modules.get(at)
	t.number++
	*r = Report{Module: m.name, Boot: t.cfg.Boot, Number: t.number, Results: r.Results[:0]}
	for m.changed != 0 && len(r.Results) < t.cfg.ResultsMax {
		h := t.hosts.get(m.changed)
		f := h.figures
		f.Host = h.addr
		r.Results = append(r.Results, f)
		h.figures.SuccAdd, h.figures.ErrAdd, h.figures.Suspect = 0, 0, Nothing
		m.changed, h.nextChanged, h.isChanged = h.nextChanged, 0, false
	}
	t.due.first, m.nextDue, m.isDue = m.nextDue, 0, false
	if m.changed != 0 {
		t.pushDue(at)
	}
	return true
}

func (t *Tally) pushDue(at int32) {
	t.modules.get(at).isDue = true
	if t.due.first == 0 {
		t.due.first = at
	} else {
		t.modules.get(t.due.last).nextDue = at
	}
	t.due.last = at
}

// change notes that a host has something to report.
func (t *Tally) change(i int32) {
	h := t.hosts.get(i)
	if h.isChanged {
		return
	}
	m := t.modules.get(h.module)
	h.isChanged, h.nextChanged, m.changed = true, m.changed, i
	if !m.isDue {
		t.pushDue(h.module)
	}
}

// place finds a host or makes a place for it, and notes that its module is in
// use.
func (t *Tally) place(m route.Module, h route.Host) (int32, bool) {
	key := hostKey{m, h}
	i, ok := t.byHost[key]
	if !ok {
		if !t.room(m) {
			return 0, false
		}
		at := t.module(m)
		i = t.hosts.add(host{addr: h, module: at, next: t.modules.get(at).hosts})
		t.modules.get(at).hosts = i
		t.byHost[key] = i
	}
	if at := t.hosts.get(i).module; at != t.used.last {
		t.unlink(at)
		t.link(at)
	}
	return i, true
}

func (t *Tally) module(name route.Module) int32 {
	at, ok := t.byName[name]
	if !ok {
		at = t.modules.add(module{name: name})
		t.byName[name] = at
		t.link(at)
	}
	return at
}

// room makes room for one more host of a module by forgetting the modules that
// were silent for longest, as long as nothing of them is unsent.
func (t *Tally) room(name route.Module) bool {
	for {
		need := hostBytes
		if _, ok := t.byName[name]; !ok {
			need += moduleBytes
		}
		if t.bytes()+need <= t.cfg.BytesMax {
			return true
		}
		oldest := t.used.first
		if oldest == 0 || t.modules.get(oldest).isDue {
			return false
		}
		t.evict(oldest)
	}
}

func (t *Tally) evict(at int32) {
	m := *t.modules.get(at)
	for i := m.hosts; i != 0; {
		h := *t.hosts.get(i)
		delete(t.byHost, hostKey{m.name, h.addr})
		t.hosts.remove(i)
		i = h.next
	}
	t.unlink(at)
	delete(t.byName, m.name)
	t.modules.remove(at)
	t.stats.Evicted++
}

// link puts a module at the end of the list of all: it was used last.
func (t *Tally) link(at int32) {
	m := t.modules.get(at)
	m.older, m.newer = t.used.last, 0
	if t.used.last == 0 {
		t.used.first = at
	} else {
		t.modules.get(t.used.last).newer = at
	}
	t.used.last = at
}

func (t *Tally) unlink(at int32) {
	m := t.modules.get(at)
	if m.older == 0 {
		t.used.first = m.newer
	} else {
		t.modules.get(m.older).newer = m.newer
	}
	if m.newer == 0 {
		t.used.last = m.older
	} else {
		t.modules.get(m.newer).older = m.older
	}
}
