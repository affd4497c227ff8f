package compare

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"time"

	"lars/bench/proc"
	"lars/bench/record"
	"lars/bench/server"
	"lars/reactor/frame"
)

// reading is what is known of a server at a moment.
type reading struct {
	counters *server.Counters // nil: it does not tell
	sched    proc.Scheduling
	schedErr error
	memory   proc.Memory
	memErr   error
	files    int
	filesErr error
}

// askWithin bounds the question to a server that has its hands full, or does not
// know the message.
const askWithin = time.Second

func (t *trial) readServer(ctx context.Context, arm int) reading {
	s := t.servers[arm]
	var r reading
	r.files, r.filesErr = proc.OpenFiles(s.PID()) // before this program connects once more
	if !t.mute[arm] {
		// Without an answer the epoch does not have these figures.
		r.counters, _ = askCounters(ctx, t.config.Load.Network, s.Addr().String())
	}
	r.sched, r.schedErr = proc.ReadScheduling(s.PID())
	r.memory, r.memErr = proc.ReadMemory(s.PID())
	return r
}

// meet finds out, once for the comparison, which servers do not tell their
// counters: to ask them again would cost time in every epoch.
func (t *trial) meet(ctx context.Context) error {
	for arm, s := range t.servers {
		if !t.met[arm] {
			_, err := askCounters(ctx, t.config.Load.Network, s.Addr().String())
			t.met[arm], t.mute[arm] = true, err != nil
		}
	}
	return context.Cause(ctx)
}

// askCounters asks a server of package server what it has counted.
func askCounters(ctx context.Context, network, addr string) (*server.Counters, error) {
	dialer := net.Dialer{Timeout: askWithin}
	c, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(askWithin)); err != nil {
		return nil, err
	}
	if _, err := c.Write(frame.Append(nil, server.CountersID, nil)); err != nil {
		return nil, err
	}
	buf := make([]byte, frame.HeadBytes+frame.BodyBytesDefault)
	for have := 0; ; {
		n, err := c.Read(buf[have:])
		if have += n; err != nil {
			return nil, err
		}
		id, size, err := frame.Next(buf[:have], frame.BodyBytesDefault)
		switch {
		case err != nil:
			return nil, err
		case size == 0:
			continue
		case id != server.CountersID:
			return nil, fmt.Errorf("answered with message %d", id)
		}
		var out server.Counters
		return &out, json.Unmarshal(buf[frame.HeadBytes:size], &out)
	}
}

// figures fills in those of the whole epoch.
func (t *trial) figures() {
	t.epoch.A, t.epoch.B = t.figuresOf(0), t.figuresOf(1)
}

func (t *trial) figuresOf(arm int) map[string]float64 {
	out := map[string]float64{}
	round, from, to := &t.more.Rounds[arm], &t.before[arm], &t.after[arm]
	a := round.Load
	if a.Completed > 0 && a.Sent > 0 {
		out[WireBytes] = float64(a.BytesOut)/float64(a.Sent) + float64(a.BytesIn)/float64(a.Completed)
	}
	if x, y := from.counters, to.counters; x != nil && y != nil {
		counted(out, x, y)
	}
	if conns := t.armConns(); conns > 0 && from.filesErr == nil {
		out[OpenFiles] = float64(from.files) / float64(conns)
	}
	if from.memErr != nil || to.memErr != nil || len(a.Server) != 1 || a.Server[0].Err != nil {
		return out
	}
	s := &round.Server
	s.Known, s.CPU, s.Memory = true, a.Server[0].Used, to.memory
	out[Memory] = float64(to.memory.RSSMaxBytes)
	if from.schedErr == nil && to.schedErr == nil && a.Completed > 0 {
		// Ended threads leave the sums, so a difference can be below zero.
		s.Voluntary = to.sched.Voluntary - min(to.sched.Voluntary, from.sched.Voluntary)
		s.Involuntary = to.sched.Involuntary - min(to.sched.Involuntary, from.sched.Involuntary)
		out[Switches] = float64(s.Voluntary+s.Involuntary) / float64(a.Completed)
	}
	return out
}

// armConns are the connections that each server has all the time; 0 where they
// come and go.
func (t *trial) armConns() int {
	switch t.config.Design {
	case record.DesignRequestDuet:
		return t.config.Load.Conns
	case record.DesignProcessDuet:
		return t.config.Load.Conns / 2
	}
	return 0
}

// eventsPerWaitMax is more than any backend takes from one wait. A backend whose
// waits bring more does not know its waits: they are its library's.
const eventsPerWaitMax = 1024

// counted are the figures that a server counts itself, for each message between
// two readings. A backend that does not know its system calls says that it made
// no reads.
func counted(out map[string]float64, x, y *server.Counters) {
	n := float64(y.MessagesIn - x.MessagesIn)
	if n <= 0 {
		return
	}
	// At the second reading connections are being closed. The one that asks is
	// among those of the first.
	if x.Goroutines > 0 && x.Conns > 1 {
		out[Goroutines] = float64(x.Goroutines) / float64(x.Conns)
	}
	out[Allocs] = float64(y.Mallocs-x.Mallocs) / n
	out[AllocBytes] = float64(y.AllocBytes-x.AllocBytes) / n
	out[Posts] = float64(y.Wakeups-x.Wakeups) / n
	if y.Reads > x.Reads {
		out[Reads], out[Writes] = float64(y.Reads-x.Reads)/n, float64(y.Writes-x.Writes)/n
	}
	var events uint64
	for _, l := range y.Loops {
		events += l.Events
	}
	for _, l := range x.Loops {
		events -= l.Events
	}
	if waits := y.Waits - x.Waits; waits > 0 && y.Reads > x.Reads && events <= eventsPerWaitMax*waits {
		out[Waits], out[EventsPerWait] = float64(waits)/n, float64(events)/float64(waits)
	}
}
