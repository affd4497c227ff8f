package agent

import (
	"sync"
	"time"

	"lars/system/route"
)

const (
	// saveEvery is how soon changes of routes are on disk.
	saveEvery = time.Second
	// confirmEvery is how often an unchanged file is written again, so that
	// the time in it tells how old the routes are.
	confirmEvery = time.Minute
)

// keeper keeps the routes on disk. Shards note what changed; once a second a
// worker adds that to an immutable table of its own and writes it, so no loop
// waits for the disk.
type keeper struct {
	path  string // "": nothing is kept
	files Files
	count counters

	mu      sync.Mutex
	changed map[route.Module][]route.Host // since the last save
	saved   time.Time
	failing bool // the last save failed

	// One save at a time.
	saving sync.Mutex
	routes *route.Snapshot
	buf    []byte
}

func newKeeper(path string, files Files) *keeper {
	return &keeper{path: path, files: files, changed: map[route.Module][]route.Host{}}
}

// note takes a module's new hosts, from any loop; none: it is gone. hosts is
// shared and must not change.
func (k *keeper) note(m route.Module, hosts []route.Host) {
	if k.path == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changed[m] = hosts
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

// seed takes in what was read from the file.
func (k *keeper) seed(routes []route.Route) { k.routes = k.routes.Apply(0, routes) }

// save writes the file, off the loops. agreed is when dns was known to agree.
// first is true when this failure follows a success.
func (k *keeper) save(now, agreed time.Time) (first bool, err error) {
	k.saving.Lock()
	defer k.saving.Unlock()
	k.routes = k.routes.Apply(0, k.takeChanges())
	k.buf = encodeRoutes(k.buf[:0], agreed, k.routes)
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

func (k *keeper) takeChanges() []route.Route {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]route.Route, 0, len(k.changed))
	for m, hosts := range k.changed {
		all = append(all, route.Route{Module: m, Hosts: hosts})
	}
	clear(k.changed)
	return all
}
