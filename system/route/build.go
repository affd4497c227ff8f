package route

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// ErrTooMany says that a load has more routes than its builder takes.
var ErrTooMany = errors.New("route: too many routes")

// Builder collects a full load. The zero value is ready. Not safe for
// concurrent use.
type Builder struct {
	// RoutesMax bounds the rows taken, duplicates included. Zero means
	// 16,777,216 (256 MiB while building).
	RoutesMax int

	rows []row
}

type row struct {
	key  uint64
	host Host
}

func compareRows(x, y row) int {
	return cmp.Or(cmp.Compare(x.key, y.key), x.host.Compare(y.host))
}

// Add takes one row of the load, in any order; a row that came before counts
// once (the original's table has no unique key). The error is ErrTooMany.
func (b *Builder) Add(m Module, h Host) error {
	if limit := cmp.Or(b.RoutesMax, 1<<24); len(b.rows) >= limit {
		return fmt.Errorf("%w: limit %d", ErrTooMany, limit)
	}
	b.rows = append(b.rows, row{m.key(), h})
	return nil
}

// Build makes a snapshot of what was added and empties the builder, which
// keeps its memory for the next load. It sorts: rows that come in the order of
// module and address, as from a primary key, are much the faster.
func (b *Builder) Build(version int64) *Snapshot {
	if !slices.IsSortedFunc(b.rows, compareRows) {
		slices.SortFunc(b.rows, compareRows)
	}
	rows := slices.Compact(b.rows)
	b.rows = b.rows[:0]

	s := &Snapshot{version: version, routes: len(rows)}
	for i := range rows {
		if i == 0 || rows[i].key != rows[i-1].key {
			s.modules++
		}
	}
	s.shards = deal(rows, shardsFor(s.modules))
	return s
}

// deal spreads sorted rows without duplicates over n shards.
func deal(rows []row, n int) []*shard {
	shards := emptyShards(rows, n)
	for i, r := range rows {
		sh := shards[place(r.key, n)]
		if i == 0 || r.key != rows[i-1].key {
			sh.add(r.key, nil)
		}
		sh.hosts = append(sh.hosts, r.host)
		sh.ends[len(sh.ends)-1]++
	}
	return shards
}

// emptyShards makes n shards with exactly the room that sorted rows need.
func emptyShards(rows []row, n int) []*shard {
	modules, hosts := make([]int, n), make([]int, n)
	for i, r := range rows {
		at := place(r.key, n)
		hosts[at]++
		if i == 0 || r.key != rows[i-1].key {
			modules[at]++
		}
	}
	shards := make([]*shard, n)
	for i := range shards {
		shards[i] = newShard(modules[i], hosts[i])
	}
	return shards
}

// Route is one module's whole route.
type Route struct {
	Module Module
	Hosts  []Host // none: the module is gone
}

// Apply returns a snapshot in which the given modules have the given routes
// and all others are as in s. It copies what changed and shares the rest. Of
// two routes for one module the later counts. The slices are copied.
func (s *Snapshot) Apply(version int64, changed []Route) *Snapshot {
	next := &Snapshot{version: version, modules: s.Modules(), routes: s.Routes(), policies: s.Policies()}
	if s != nil {
		next.shards = slices.Clone(s.shards)
	}
	if grown := shardsFor(next.modules + len(changed)); grown > 4*len(next.shards) {
		next.spread(grown)
	}
	edits := make([]Route, len(changed))
	copy(edits, changed)
	slices.SortStableFunc(edits, func(x, y Route) int {
		px, py := place(x.Module.key(), len(next.shards)), place(y.Module.key(), len(next.shards))
		return cmp.Or(cmp.Compare(px, py), x.Module.Compare(y.Module))
	})
	for len(edits) > 0 {
		at := place(edits[0].Module.key(), len(next.shards))
		n := 1
		for n < len(edits) && place(edits[n].Module.key(), len(next.shards)) == at {
			n++
		}
		next.replace(at, edits[:n])
		edits = edits[n:]
	}
	return next
}

// spread deals the modules out anew to n shards.
func (s *Snapshot) spread(n int) {
	rows := make([]row, 0, s.routes)
	for m, hosts := range s.All() {
		for _, h := range hosts {
			rows = append(rows, row{m.key(), h})
		}
	}
	slices.SortFunc(rows, compareRows)
	s.shards = deal(rows, n)
}

// replace merges edits, ascending by module, into one shard. A shard that
// comes out as it was is kept, so that snapshots go on sharing it.
func (s *Snapshot) replace(at int, edits []Route) {
	old := s.shards[at]
	merged, changed := &shard{}, false
	i := 0
	for n, e := range edits {
		key := e.Module.key()
		if n+1 < len(edits) && edits[n+1].Module == e.Module {
			continue // a later edit of the module follows
		}
		for ; i < old.size() && old.keys[i] < key; i++ {
			merged.add(old.keys[i], old.route(i))
		}
		var before []Host
		if i < old.size() && old.keys[i] == key {
			before = old.route(i)
			i++
		}
		after := slices.Clone(e.Hosts)
		slices.SortFunc(after, Host.Compare)
		after = slices.Compact(after)
		if len(after) > 0 {
			merged.add(key, after)
		}
		changed = changed || !slices.Equal(before, after)
	}
	if !changed {
		return
	}
	for ; i < old.size(); i++ {
		merged.add(old.keys[i], old.route(i))
	}
	s.modules += merged.size() - old.size()
	s.routes += len(merged.hosts)
	if old != nil {
		s.routes -= len(old.hosts)
	}
	s.shards[at] = newShard(merged.size(), len(merged.hosts)) // exact, unlike merged
	for i := range merged.size() {
		s.shards[at].add(merged.keys[i], merged.route(i))
	}
}
