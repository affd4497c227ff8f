package epoll

import (
	"sync/atomic"
	"time"

	"lars/reactor/driver"
)

// published is a copy of a loop's counters that others may read at any time.
type published struct {
	at time.Duration // of the last store; the loop's alone

	busy                                atomic.Int64
	waits, events, wakeups              atomic.Uint64
	reads, writes, readBytes, writeByte atomic.Uint64
	timers, tasks                       atomic.Uint64
}

func (p *published) store(s *driver.LoopStats, now time.Duration) {
	p.at = now
	p.busy.Store(int64(s.Busy))
	p.waits.Store(s.Waits)
	p.events.Store(s.Events)
	p.wakeups.Store(s.Wakeups)
	p.reads.Store(s.Reads)
	p.writes.Store(s.Writes)
	p.readBytes.Store(s.ReadBytes)
	p.writeByte.Store(s.WriteBytes)
	p.timers.Store(s.Timers)
	p.tasks.Store(s.Tasks)
}

func (p *published) load() driver.LoopStats {
	return driver.LoopStats{
		Busy:       time.Duration(p.busy.Load()),
		Waits:      p.waits.Load(),
		Events:     p.events.Load(),
		Wakeups:    p.wakeups.Load(),
		Reads:      p.reads.Load(),
		Writes:     p.writes.Load(),
		ReadBytes:  p.readBytes.Load(),
		WriteBytes: p.writeByte.Load(),
		Timers:     p.timers.Load(),
		Tasks:      p.tasks.Load(),
	}
}
