package live

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"

	"lars/simulator/check"
	"lars/system/agent"
	"lars/system/store"
)

// Books are the counts of calls, which must agree (I6): reports that callers
// sent, what agents counted of them, and what the database has.
type Books struct {
	Sent    int64 `json:"sent"`
	Counted int64 `json:"counted"` // by agents that were never killed
	Minutes int64 `json:"minutes"` // in the table of totals
	Latest  int64 `json:"latest"`  // in the table of the latest figures
	// Killed says that an agent was: what it had not yet handed on is lost, as it
	// may be.
	Killed bool `json:"agent_killed"`
}

// converge asks every agent for every route until it is the newest.
func (r *run) converge(ctx context.Context) {
	_ = r.each(ctx, func(ctx context.Context, c *caller, m int) bool { // Final tells it better
		got := c.route(ctx, m)
		slices.SortFunc(got, store.Host.Compare)
		return slices.Equal(got, r.editor.model[r.names[m]])
	})
	for _, c := range r.callers {
		for m, name := range r.names {
			hosts := c.route(ctx, m)
			r.mu.Lock()
			r.routes.Final(r.now(), agentName(c.index), name, hosts)
			r.mu.Unlock()
		}
	}
}

// close ends the services in order and balances the books.
func (r *run) close() (b Books) {
	agents := r.services.agents
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	if err := r.services.close(ctx); err != nil {
		r.failf("end", "%v", err)
	}
	latest := r.latest(ctx)
	for _, m := range r.names {
		stats, err := r.services.truth.Minutes(ctx, store.MinuteQuery{Module: m})
		if err != nil {
			r.failf("calls", "%v", err)
		}
		for i := range stats {
			b.Minutes += stats[i].Succ + stats[i].Err
		}
		hosts, err := r.services.truth.Hosts(ctx, m)
		if err != nil || !slices.Equal(hosts, r.editor.model[m]) {
			r.failf("edits", "module %v has %q, the edits made it %q: %v", m,
				store.FormatHosts(hosts), store.FormatHosts(r.editor.model[m]), err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	doubled := int64(0)
	for i, a := range agents {
		books := check.Books{Who: agentName(i), Sent: r.callers[i].sent, Latest: latest[callerName(i)]}
		books.Exposed, books.Doubled = r.callers[i].apart, r.callers[i].apart
		doubled += books.Doubled
		b.Sent += books.Sent
		b.Latest += books.Latest
		b.Killed = b.Killed || a.killed
		var st agent.Stats
		if json.Unmarshal(a.stats, &st) != nil || a.killed {
			continue
		}
		books.Counted = count(&st, agent.Reports) - count(&st, agent.Uncounted)
		books.Received = count(&st, agent.Reports, agent.UnknownModule, agent.UnknownHost, agent.BadHost)
		books.Due = books.Counted
		b.Counted += books.Counted
		books.Check(&r.log, r.now())
	}
	if r.cfg.Plan.Misdates(minutesKeep) {
		return b
	}
	if !b.Killed {
		check.CheckTotals(&r.log, r.now(), b.Minutes, b.Latest)
	} else if b.Minutes < b.Counted || b.Minutes > b.Sent+doubled {
		r.log.Failf(r.now(), "calls", "the database has %d calls; agents that were not killed counted %d, callers reported %d", b.Minutes, b.Counted, b.Sent)
	}
	return b
}

// count adds up counters of an agent.
func count(st *agent.Stats, kinds ...agent.Kind) (n int64) {
	for _, k := range kinds {
		n += int64(st.Counts[k.String()])
	}
	return n
}

// latest is the calls in the table of the latest figures, by who reported them.
func (r *run) latest(ctx context.Context) map[string]int64 {
	all := map[string]int64{}
	for q := (store.LatestQuery{}); ; {
		stats, err := r.services.truth.Latest(ctx, q)
		if err != nil {
			r.failf("calls", "%v", err)
		}
		for i := range stats {
			c := stats[i].Caller
			name := netip.AddrFrom4([4]byte{byte(c >> 24), byte(c >> 16), byte(c >> 8), byte(c)}).String()
			all[name] += int64(stats[i].Succ) + int64(stats[i].Err)
		}
		if len(stats) < store.QueryRowsMax {
			return all
		}
		q.After = &stats[len(stats)-1]
	}
}
