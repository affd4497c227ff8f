package agent

import (
	"time"

	"lars/system/balance"
	"lars/system/route"
)

// module is what a shard knows of one module.
type module struct {
	name route.Module
	// lb is nil as long as dns has named no host.
	lb balance.Balancer
	// said is what dns last said. Its settings are the last of them that have a
	// meaning here; refused are those after them that have none. inForce is what
	// lb was made of.
	said    news
	refused string
	inForce string
	// nextPull is when a request makes the shard pull the route again: at once
	// for a new module, NegativeTTL after a pull (so one is in flight, and a
	// storm for a module that does not exist costs dns one request a second),
	// UpdateTimeout after an answer.
	nextPull time.Duration
	// overloaded hosts, as far as reports have shown.
	overloaded int
	fromDisk   bool
	sharing    sharing
	at         int // in table.all

	// Without a route: neighbours in the list of such modules, and when it was
	// asked for.
	older, newer *module
	asked        time.Duration
}

// unknownKeep is for how many NegativeTTLs a module without a route is kept
// after it was last asked for: meanwhile dns's push of a route is welcome.
const unknownKeep = 10

// table holds the modules of one shard. Only on the shard's loop.
type table struct {
	modules    map[uint64]*module
	all        []*module // the same, in an order that a run repeats
	modulesMax int
	// The modules without a route, the one not asked for longest first.
	oldest, newest *module
	unknown        int
	unknownMax     int
	// A module without a route that was not asked for in spare gives its place
	// to one that is.
	spare time.Duration
}

func newTable(modulesMax, unknownMax int, spare time.Duration) table {
	return table{modules: map[uint64]*module{}, modulesMax: max(modulesMax, 1), unknownMax: max(unknownMax, 1), spare: spare}
}

// key is a module as one number: maps are faster with it.
func key(modid, cmdid int32) uint64 { return uint64(uint32(modid))<<32 | uint64(uint32(cmdid)) }

func (t *table) get(name route.Module) *module { return t.modules[key(name.ModID, name.CmdID)] }

// add makes a module without a route; nil when there is no room. A sender can
// fill the table with modules that do not exist, but not evict one that does.
func (t *table) add(now time.Duration, name route.Module) *module {
	if t.full() && t.oldest != nil && t.oldest.asked < now-t.spare {
		t.dropOldest()
	}
	if t.full() {
		return nil
	}
	m := &module{name: name, asked: now, at: len(t.all)}
	t.all = append(t.all, m)
	t.modules[key(name.ModID, name.CmdID)] = m
	t.link(m)
	return m
}

func (t *table) full() bool {
	return len(t.modules) >= t.modulesMax || t.unknown >= t.unknownMax
}

// touch notes that a module without a route was asked for.
func (t *table) touch(now time.Duration, m *module) {
	m.asked = now
	if t.newest != m {
		t.unlink(m)
		t.link(m)
	}
}

// expire drops the modules without a route that nobody has asked for since.
func (t *table) expire(since time.Duration) {
	for t.oldest != nil && t.oldest.asked < since {
		t.dropOldest()
	}
}

func (t *table) dropOldest() {
	m := t.oldest
	t.unlink(m)
	t.remove(m)
}

func (t *table) remove(m *module) {
	delete(t.modules, key(m.name.ModID, m.name.CmdID))
	end := len(t.all) - 1
	last := t.all[end]
	t.all[m.at], t.all[end] = last, nil
	last.at = m.at
	t.all = t.all[:end]
}

// link puts a module without a route at the end of their list.
func (t *table) link(m *module) {
	m.older, m.newer = t.newest, nil
	if t.newest == nil {
		t.oldest = m
	} else {
		t.newest.newer = m
	}
	t.newest = m
	t.unknown++
}

func (t *table) unlink(m *module) {
	if m.older == nil {
		t.oldest = m.newer
	} else {
		m.older.newer = m.newer
	}
	if m.newer == nil {
		t.newest = m.older
	} else {
		m.newer.older = m.older
	}
	m.older, m.newer = nil, nil
	t.unknown--
}
