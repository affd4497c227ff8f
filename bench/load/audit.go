package load

import (
	"errors"
	"math"
	"runtime/metrics"
	"time"

	"lars/bench/proc"
)

// usage is a reading of CPU clocks, or the difference of two.
type usage struct {
	process time.Duration // this process
	thread  time.Duration // the calling worker's thread
	others  []CPU         // of Config.PIDs

	delay    time.Duration // the thread's, ready to run and not running
	delayErr error
}

// readUsage reads now. Its own two clocks exist on every Linux; those of other
// processes bring their error with them.
func readUsage(pids []int) usage {
	var u usage
	u.process, _ = proc.SelfCPU()
	u.thread, _ = proc.ThreadCPU()
	u.delay, u.delayErr = proc.ThreadRunDelay()
	for _, pid := range pids {
		used, err := proc.CPUTime(pid)
		u.others = append(u.others, CPU{pid, used, err})
	}
	return u
}

// since is what was used from an earlier reading to u.
func (u usage) since(before usage) usage {
	d := usage{process: u.process - before.process, thread: u.thread - before.thread}
	d.delay, d.delayErr = u.delay-before.delay, errors.Join(u.delayErr, before.delayErr)
	for i, c := range u.others {
		if c.Err == nil && i < len(before.others) {
			c.Used, c.Err = c.Used-before.others[i].Used, before.others[i].Err
		}
		d.others = append(d.others, c)
	}
	return d
}

// add adds a difference to another.
func (u *usage) add(d usage) {
	u.process += d.process
	u.thread += d.thread
	u.delay += d.delay
	u.delayErr = errors.Join(u.delayErr, d.delayErr)
	u.others = addCPU(u.others, d.others)
}

// addCPU adds d to sum process by process; an error in either stays.
func addCPU(sum, d []CPU) []CPU {
	if len(sum) == 0 {
		return append(sum, d...)
	}
	for i := range d {
		sum[i].Used += d[i].Used
		if sum[i].Err == nil {
			sum[i].Err = d[i].Err
		}
	}
	return sum
}

// collections is a reading of the garbage collector: how long the world stood.
type collections struct {
	cycles uint64
	pauses metrics.Float64Histogram
}

func readCollections() collections {
	samples := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(samples)
	var c collections
	if samples[0].Value.Kind() == metrics.KindUint64 {
		c.cycles = samples[0].Value.Uint64()
	}
	if samples[1].Value.Kind() == metrics.KindFloat64Histogram {
		c.pauses = *samples[1].Value.Float64Histogram()
	}
	return c
}

// since gives the cycles, the longest pause and all pauses from an earlier
// reading to c; the pauses are rounded up to the edges of the runtime's buckets.
func (c collections) since(before collections) (cycles uint32, longest, total time.Duration) {
	for i, n := range c.pauses.Counts {
		if i < len(before.pauses.Counts) {
			n -= before.pauses.Counts[i]
		}
		if n == 0 {
			continue
		}
		edge := c.pauses.Buckets[i+1]
		if math.IsInf(edge, 1) {
			edge = c.pauses.Buckets[i]
		}
		longest = time.Duration(edge * 1e9)
		total += time.Duration(n) * longest
	}
	return uint32(c.cycles - before.cycles), longest, total
}
