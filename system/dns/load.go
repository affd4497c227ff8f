package dns

import (
	"fmt"
	"slices"

	"lars/system/route"
	"lars/system/store"
)

// compare reads a full load against the snapshot in force, so that a reload
// that finds nothing new costs no memory but a key for each module. The zero
// value with before set is ready.
type compare struct {
	before  *route.Snapshot
	max     int            // routes
	routes  int            // read
	module  route.Module   // the one whose hosts come
	hosts   []route.Host   // of module so far
	seen    []route.Module // ascending, as they come
	changed []route.Route
}

// add takes the next route of the load, which is ordered by module and host.
func (c *compare) add(r store.Route) error {
	if c.routes++; c.routes > c.max {
		return fmt.Errorf("%w: limit %d", route.ErrTooMany, c.max)
	}
	if r.Module != c.module || len(c.hosts) == 0 {
		c.flush()
		c.module = r.Module
	}
	c.hosts = append(c.hosts, r.Host)
	return nil
}

// flush is the end of a module.
func (c *compare) flush() {
	if len(c.hosts) == 0 {
		return
	}
	c.seen = append(c.seen, c.module)
	if !slices.Equal(c.before.Lookup(c.module), c.hosts) {
		c.changed = append(c.changed, route.Route{Module: c.module, Hosts: slices.Clone(c.hosts)})
	}
	c.hosts = c.hosts[:0]
}

// finish returns the modules that differ, those that are gone without hosts.
func (c *compare) finish() []route.Route {
	c.flush()
	for m := range c.before.All() {
		if _, ok := slices.BinarySearchFunc(c.seen, m, route.Module.Compare); !ok {
			c.changed = append(c.changed, route.Route{Module: m})
		}
	}
	return c.changed
}

func modulesOf(changes store.Changes) []store.Module {
	modules := make([]store.Module, len(changes.Modules))
	for i, m := range changes.Modules {
		modules[i] = m.Module
	}
	return modules
}
