package cli

import (
	"context"
	"fmt"
	"time"

	"lars/bench/load"
	"lars/bench/record"
	"lars/bench/run"
	"lars/bench/workload"
	"lars/system/store"
)

// What has no reply is judged by what the server counted, at its end.

func invalid(format string, args ...any) []load.Reason {
	return []load.Reason{{Verdict: load.Invalid, Text: fmt.Sprintf(format, args...)}}
}

// count is one figure of a server's last words; 0 when it is not there.
func count(counts map[string]any, name string) uint64 {
	n, _ := counts[name].(float64)
	return uint64(n)
}

// reportsIn is how many requests without a reply were sent in a round, from first
// to last.
func reportsIn(r *run.Round) (sent uint64) {
	for i := range r.Intervals {
		sent += r.Intervals[i].Counts.OneWay
	}
	return sent
}

// checkReports compares what the agent counted with what was sent. What is
// missing was lost on the way, as datagrams may be.
func checkReports(r *run.Round) []load.Reason {
	counts, ok := r.Server.Report["counts"].(map[string]any)
	if !ok {
		return invalid("the agent did not tell its counters")
	}
	sent := reportsIn(r)
	for _, name := range []string{"malformed", "negative_id", "bad_host", "unknown_module", "unknown_host", "uncounted"} {
		if n := count(counts, name); n > 0 {
			return invalid("the agent refused %d reports: %s", n, name)
		}
	}
	got := count(counts, "reports")
	if got > sent || got == 0 {
		return invalid("the agent counted %d reports, %d were sent", got, sent)
	}
	r.Load.Lost += sent - got
	r.Correctness.Acked -= int64(sent - got)
	r.Correctness.Lost += int64(sent - got)
	if lost := sent - got; lost > 0 {
		return []load.Reason{{Verdict: load.Degraded, Text: fmt.Sprintf("%d of %d reports did not reach the agent", lost, sent)}}
	}
	return nil
}

// lateMax is the share of the load's time that a store may need longer than it
// before it is said to have fallen behind.
const lateMax = 0.2

// checkStored compares what the reporter counted, and what then stands in its
// store, with what was sent. Nothing may be missing on TCP.
func (u *upstream) checkStored(r *run.Round) []load.Reason {
	counts, c := r.Server.Report, &r.Correctness
	results := r.Sent() * uint64(u.routes.Hosts)
	c.Sent, c.Acked = int64(results), 0
	if counts == nil {
		return u.unfinished(c)
	}
	for _, name := range []string{"dropped", "refused", "skipped", "repeated", "malformed", "bad_module", "bad_host", "failures", "waiting"} {
		if n := count(counts, name); n > 0 {
			return invalid("the reporter counted %d results or reports as %s", n, name)
		}
	}
	got := count(counts, "results")
	c.Acked = int64(got)
	if got != results {
		return invalid("the reporter counted %d results, %d were sent", got, results)
	}
	calls, err := u.stored()
	if err != nil {
		return invalid("the totals in the store could not be read: %v", err)
	}
	want, stored := int64(results*workload.CallsPerResult), calls/workload.CallsPerResult
	c.Stored, c.Lost, c.Duplicated = &stored, max(0, (want-calls)/workload.CallsPerResult), max(0, (calls-want)/workload.CallsPerResult)
	switch {
	case calls < want:
		return invalid("the totals in the store are %d calls, %d were sent: some are lost", calls, want)
	case calls > want:
		return invalid("the totals in the store are %d calls, %d were sent: some are stored twice", calls, want)
	}
	return behind(r, results)
}

// unfinished says how far a reporter came that had to be ended.
func (u *upstream) unfinished(c *record.Correctness) []load.Reason {
	const what = "the reporter did not tell its counters: it may have had more to store than it had time"
	calls, err := u.stored()
	if err != nil {
		return invalid("%s; the totals in the store could not be read: %v", what, err)
	}
	stored := calls / workload.CallsPerResult
	c.Stored = &stored
	return invalid("%s; %d of %d results are stored", what, stored, c.Sent)
}

// stored is the calls of this round in the store.
func (u *upstream) stored() (calls int64, err error) {
	total, err := u.total()
	return int64(total) - int64(u.before), err
}

// behind tells of a store that went on for long after the load.
func behind(r *run.Round, results uint64) []load.Reason {
	took := r.Load.Config.Warmup + r.Load.Elapsed
	if float64(r.Server.Ending) <= lateMax*float64(took) {
		return nil
	}
	return []load.Reason{{Verdict: load.Degraded, Text: fmt.Sprintf(
		"the store fell behind: it took %v longer than the load, %.0f results a second in all",
		r.Server.Ending.Round(10*time.Millisecond), float64(results)/(took+r.Server.Ending).Seconds())}}
}

// totalMost bounds the reading of the totals.
const totalMost = time.Minute

// total is the calls of all minutes in the store.
func (u *upstream) total() (calls uint64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), totalMost)
	defer cancel()
	st, err := u.openStore()
	if err != nil {
		return 0, err
	}
	defer st.Close()
	if err := st.Migrate(ctx); err != nil { // somebody's own may be empty yet
		return 0, err
	}
	for i := range u.routes.Modules {
		q := store.MinuteQuery{From: u.since} // somebody's own may hold years
		q.Module.ModID, q.Module.CmdID = u.routes.Module(i)
		minutes, err := st.Minutes(ctx, q)
		if err != nil {
			return 0, err
		}
		for _, m := range minutes {
			calls += uint64(m.Succ + m.Err)
		}
	}
	return calls, nil
}
