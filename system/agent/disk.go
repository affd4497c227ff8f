package agent

import (
	"sync"
	"time"

	"lars/system/route"
	"lars/system/wire"
)

const (
	// saveEvery is how soon changes of routes are on disk.
	saveEvery = time.Second
	// confirmEvery is how often an unchanged file is written again, so that
	// the time in it tells how old the routes are.
	confirmEvery = time.Minute
)

// keeper keeps on disk what dns said, routes and policies. Shards note what
// changed; once a second a worker adds that to a table of its own and writes it,
// so no loop waits for the disk.
type keeper struct {
	path  string // "": nothing is kept
	files Files
	count counters

	mu      sync.Mutex
	changed map[route.Module]news // since the last save
	saved   time.Time
	failing bool // the last save failed

	// One save at a time.
	saving   sync.Mutex
	routes   *route.Snapshot
	policies map[route.Module]wire.Policy // few: those of which something is said
	buf      []byte
}

func newKeeper(path string, files Files) *keeper {
	return &keeper{path: path, files: files, changed: map[route.Module]news{}, policies: map[route.Module]wire.Policy{}}
}

// note takes what is new of a module, from any loop; no hosts: it is gone. They
// are shared and must not change.
func (k *keeper) note(m route.Module, n news) {
	if k.path == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changed[m] = n
}

// due says whether it is time to save. connected: the routes are known to be
// those of dns.
func (k *keeper) due(now time.Time, connected bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.path != "" && (len(k.changed) > 0 || k.failing || connected && now.Sub(k.saved) >= confirmEvery)
}

func (k *keeper) savedAt() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.saved
}

// take adds to what is kept, as read from the file or changed since.
func (k *keeper) take(all []said) {
	routes := make([]route.Route, 0, len(all))
	for _, s := range all {
		routes = append(routes, route.Route{Module: s.module, Hosts: addresses(s.hosts)})
		if p, some := s.policy(); some {
			k.policies[s.module] = p
		} else {
			delete(k.policies, s.module)
		}
	}
	k.routes = k.routes.Apply(0, routes)
}

// save writes the file, off the loops. agreed is when dns was known to agree.
// first is true when this failure follows a success.
func (k *keeper) save(now, agreed time.Time) (first bool, err error) {
	k.saving.Lock()
	defer k.saving.Unlock()
	k.take(k.changes())
	k.buf = encodeRoutes(k.buf[:0], agreed, k.routes, k.policies)
	err = k.files.Replace(k.path, k.buf)
	if cap(k.buf) > 16<<20 {
		k.buf = nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	first = err != nil && !k.failing
	k.failing = err != nil
	if err != nil {
		k.count.add(SavesFailed)
		return first, err
	}
	k.saved = now
	return false, nil
}

// changes are those since the last call.
func (k *keeper) changes() []said {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]said, 0, len(k.changed))
	for m, n := range k.changed {
		all = append(all, said{m, n})
	}
	clear(k.changed)
	return all
}
