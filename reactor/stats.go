package reactor

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"lars/reactor/buffer"
	"lars/reactor/driver"
)

// Kind of an event that a healthy system has few of. Each is counted.
type Kind int

// The kinds.
const (
	KindOverLimit   Kind = iota // connection refused: too many are live
	KindBadFrame                // connection closed: negative or too large a length
	KindBadDatagram             // datagram dropped: not exactly one frame
	KindUnknownID               // message without a handler of its own
	KindPartial                 // connection closed: frame not completed in time
	KindIdle                    // connection closed: nothing sent for too long
	KindStalled                 // connection closed: peer took no output for too long
	KindOutputFull              // message refused: output limit
	KindSlowPeer                // connection closed: output limit
	KindPaused                  // reading paused: output above the high mark
	KindStale                   // message to a connection that was gone
	KindMailboxFull             // message refused: too many from other goroutines
	KindWorkersBusy             // work refused: too much waits
	KindBuffers                 // connection closed or message refused: the buffer pool's limit
	KindReset                   // connection ended by an error of the system
	KindUnreachable             // UDP: error reported for a peer
	KindUnsent                  // UDP: datagram dropped: its socket ended before the kernel took it
	kinds
)

var kindNames = [kinds]string{
	"over_limit", "bad_frame", "bad_datagram", "unknown_id", "partial_timeout", "idle_timeout", "write_timeout",
	"output_full", "slow_peer", "paused", "stale", "mailbox_full", "workers_busy",
	"buffers_exhausted", "reset", "unreachable", "unsent",
}

// String is the kind's name in statistics.
func (k Kind) String() string { return kindNames[k] }

// counters of one loop. They are written on the loop, except for the kinds
// that a sender elsewhere meets, and read from anywhere.
type counters struct {
	opened, closed, in, out atomic.Uint64
	kind                    [kinds]atomic.Uint64
}

func (c *counters) add(k Kind) { c.kind[k].Add(1) }

// countClose counts why a connection ended, where that is of interest and has
// not been counted at its cause.
func (c *counters) countClose(err error) {
	switch {
	case err == nil, err == io.EOF, errors.Is(err, driver.ErrEngineClosed):
	case err == ErrPartial:
		c.add(KindPartial)
	case err == ErrIdle:
		c.add(KindIdle)
	case err == ErrStalled:
		c.add(KindStalled)
	case errors.Is(err, buffer.ErrPool):
		c.add(KindBuffers)
	case isSystem(err):
		c.add(KindReset)
	}
}

// Stats of a reactor since it opened.
type Stats struct {
	Backend     string            `json:"backend"`
	Conns       int64             `json:"conns"` // live now
	Opened      uint64            `json:"opened"`
	Closed      uint64            `json:"closed"`
	MessagesIn  uint64            `json:"messages_in"`
	MessagesOut uint64            `json:"messages_out"`
	BytesIn     uint64            `json:"bytes_in"`
	BytesOut    uint64            `json:"bytes_out"`
	Reads       uint64            `json:"reads"`  // system calls, where the backend knows
	Writes      uint64            `json:"writes"` // system calls, where the backend knows
	Waits       uint64            `json:"waits"`  // system calls, where the backend knows
	Wakeups     uint64            `json:"wakeups"`
	Busy        time.Duration     `json:"busy_ns"` // of all loops together
	Errors      map[string]uint64 `json:"errors"`  // by Kind, those above zero
	Buffers     buffer.Stats      `json:"buffers"`
	Loops       []LoopStats       `json:"loops"`
}

// LoopStats are the driver's figures of one loop and its messages.
type LoopStats struct {
	driver.LoopStats
	MessagesIn  uint64 `json:"messages_in"`
	MessagesOut uint64 `json:"messages_out"`
}

// Stats reads the reactor's counters without stopping its loops. The figures
// of one loop may be a few milliseconds apart.
func (r *Reactor) Stats() Stats {
	s := Stats{Backend: r.name, Conns: r.live.Load(), Errors: map[string]uint64{}, Buffers: r.pool.Stats()}
	for _, l := range r.loops {
		c, d := &l.counters, l.d.Stats()
		s.Opened += c.opened.Load()
		s.Closed += c.closed.Load()
		s.MessagesIn += c.in.Load()
		s.MessagesOut += c.out.Load()
		s.BytesIn += d.ReadBytes
		s.BytesOut += d.WriteBytes
		s.Reads += d.Reads
		s.Writes += d.Writes
		s.Waits += d.Waits
		s.Wakeups += d.Wakeups
		s.Busy += d.Busy
		for k := range kinds {
			if n := c.kind[k].Load(); n > 0 {
				s.Errors[k.String()] += n
			}
		}
		s.Loops = append(s.Loops, LoopStats{d, c.in.Load(), c.out.Load()})
	}
	return s
}
