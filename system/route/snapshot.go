package route

import (
	"iter"
	"math/bits"
	"slices"
)

// Snapshot is an immutable table of all routes. All methods are safe for
// concurrent use, take no lock and, Apply apart, allocate nothing. The zero
// value and nil are tables without routes, of version 0.
//
// Modules are spread over shards by a hash. A shard is three flat slices, so
// a route costs its 8 bytes and a module 12, and the collector has few
// pointers to follow. Snapshots share the shards in which they are equal.
type Snapshot struct {
	version int64
	shards  []*shard // a power of two of them, or none; nil: empty shard
	modules int
	routes  int

	policies Policies // few: those of which something is said
}

// shard holds the routes of its modules, in the order of their keys.
type shard struct {
	keys  []uint64
	ends  []uint32 // hosts[ends[i-1]:ends[i]] belong to keys[i]
	hosts []Host   // of one module: ascending, no duplicates
}

// shardModules is how many modules a shard is made for. Less makes Apply copy
// more pointers, more makes it copy longer shards; both are a few KB at 64.
const shardModules = 64

// Version returns the version that the snapshot was built with.
func (s *Snapshot) Version() int64 {
	if s == nil {
		return 0
	}
	return s.version
}

// Modules returns how many modules have a route.
func (s *Snapshot) Modules() int {
	if s == nil {
		return 0
	}
	return s.modules
}

// Routes returns how many hosts all modules have together.
func (s *Snapshot) Routes() int {
	if s == nil {
		return 0
	}
	return s.routes
}

// Lookup returns the hosts of a module, ascending; none when it is unknown.
// The slice is shared: do not write to it.
func (s *Snapshot) Lookup(m Module) []Host {
	if s == nil || len(s.shards) == 0 {
		return nil
	}
	key := m.key()
	return s.shards[place(key, len(s.shards))].lookup(key)
}

// All yields every module with its hosts, in no order that means anything.
// The slices are shared: do not write to them.
func (s *Snapshot) All() iter.Seq2[Module, []Host] {
	return func(yield func(Module, []Host) bool) {
		if s == nil {
			return
		}
		for _, sh := range s.shards {
			for i := range sh.size() {
				if !yield(moduleOf(sh.keys[i]), sh.route(i)) {
					return
				}
			}
		}
	}
}

// place returns the shard of a key among n, a power of two. The top bits of
// the product depend on all bits of the key (Knuth's multiplicative hashing).
func place(key uint64, n int) int {
	hash := (key ^ key>>32) * 0x9E3779B97F4A7C15
	return int(((hash >> 32) * uint64(n)) >> 32)
}

// shardsFor returns the number of shards for a number of modules.
func shardsFor(modules int) int {
	return 1 << bits.Len(uint(modules)/shardModules)
}

func (sh *shard) size() int {
	if sh == nil {
		return 0
	}
	return len(sh.keys)
}

func (sh *shard) lookup(key uint64) []Host {
	if sh == nil {
		return nil
	}
	if i, ok := slices.BinarySearch(sh.keys, key); ok {
		return sh.route(i)
	}
	return nil
}

// route returns the hosts of the module at i, its capacity cut off so that an
// append by a reader cannot reach its neighbour's.
func (sh *shard) route(i int) []Host {
	begin := uint32(0)
	if i > 0 {
		begin = sh.ends[i-1]
	}
	return sh.hosts[begin:sh.ends[i]:sh.ends[i]]
}

// add puts a module behind the others; its key is the greatest.
func (sh *shard) add(key uint64, hosts []Host) {
	sh.keys = append(sh.keys, key)
	sh.hosts = append(sh.hosts, hosts...)
	sh.ends = append(sh.ends, uint32(len(sh.hosts)))
}

// newShard makes room for exactly so much; nil for nothing.
func newShard(modules, hosts int) *shard {
	if modules == 0 {
		return nil
	}
	return &shard{keys: make([]uint64, 0, modules), ends: make([]uint32, 0, modules), hosts: make([]Host, 0, hosts)}
}
