package tally

import (
	"cmp"
	"slices"

	"lars/system/route"
)

// QueueConfig is what a Queue is made with.
type QueueConfig struct {
	// BytesMax bounds the memory of what waits or is with a writer, as reckoned
	// with reportBytes and resultBytes. Zero means 256 MiB: about 6,000,000
	// results in reports of ten.
	BytesMax int
	// MarksMax bounds the marks that are remembered to refuse repeats early, some
	// 5 MB. Zero means 131,072. A repeat whose mark was forgotten waits like any
	// other report; the store has its mark.
	MarksMax int
}

// QueueStats are counters of a Queue, from its making on.
type QueueStats struct {
	Reports  uint64 // reports put in, of every fate
	Repeated uint64 // reports refused because their mark had come before
	Merged   uint64 // results that went into a waiting one of the same host
	Dropped  uint64 // results refused for want of room
	// DroppedCalls are the increments of dropped results: calls that no total
	// will show, unless the agent sends the report again.
	DroppedCalls uint64
	Waiting      int // results that wait or are with a writer
	Bytes        int // reckoned now, of BytesMax
}

// Queue is where reports wait for a writer. Reports of ours stay apart, each
// under its mark: whether a mark has been counted is known to the store alone,
// so what stands under two marks could be neither counted nor left out when
// the store has one of them. Reports of the original's agents, which are never
// repeated, merge with a waiting one of the same module, caller and minute: the
// newer figures replace the older, the increments add up. Without room, the
// figures of a report still replace waiting ones, and its increments are lost
// and counted. Not safe for concurrent use: one per writer, modules dealt out
// by Lane.
type Queue struct {
	cfg   QueueConfig
	line  []*Report // line[gone:] waits, the oldest first
	gone  int
	last  map[agentKey]*Report // the newest waiting report of its key
	seen  recent[mark, struct{}]
	bytes int // of reports in line and with writers
	stats QueueStats
}

// reportBytes is what a waiting report costs beside its results: itself, its
// places in the queue, and spare room; measured by TestQueueBytesMaxHolds.
const reportBytes = 192

func (r *Report) bytes() int { return reportBytes + len(r.Results)*resultBytes }

type agentKey struct {
	module route.Module
	caller uint32
	boot   uint64
}

func (r *Report) agentKey() agentKey { return agentKey{r.Module, r.Caller, r.Boot} }

type mark struct{ boot, number uint64 }

// Lane deals modules out to n writers. All reports about a module go to one,
// so that older figures never overwrite newer ones (in the original they may).
func Lane(m route.Module, n int) int {
	hash := (uint64(uint32(m.ModID))<<32 | uint64(uint32(m.CmdID))) * 0x9E3779B97F4A7C15
	return int(((hash >> 32) * uint64(n)) >> 32)
}

// NewQueue makes an empty queue.
func NewQueue(cfg QueueConfig) *Queue {
	cfg.BytesMax = cmp.Or(cfg.BytesMax, 256<<20)
	cfg.MarksMax = cmp.Or(cfg.MarksMax, 1<<17)
	return &Queue{cfg: cfg, last: map[agentKey]*Report{}, seen: newRecent[mark, struct{}](cfg.MarksMax)}
}

// Stats returns the counters.
func (q *Queue) Stats() QueueStats {
	s := q.stats
	s.Bytes = q.bytes
	return s
}

// Put takes a report in; it copies. False when some of it was dropped for want
// of room; a repeated report is refused and is no loss.
func (q *Queue) Put(r *Report) bool {
	q.stats.Reports++
	if len(r.Results) == 0 {
		return true
	}
	m := mark{r.Boot, r.Number}
	if r.Boot != 0 {
		if _, repeated := q.seen.get(m); repeated {
			q.stats.Repeated++
			return true
		}
	}
	r = r.clone()
	waiting := q.last[r.agentKey()]
	if r.Boot == 0 && waiting != nil && waiting.minute() == r.minute() {
		return q.merge(waiting, r)
	}
	if q.bytes+r.bytes() > q.cfg.BytesMax {
		q.drop(r.Results)
		waiting.refresh(r)
		return false
	}
	if r.Boot != 0 {
		q.seen.set(m, struct{}{})
	}
	q.line = append(q.line, r)
	q.last[r.agentKey()] = r
	q.bytes += r.bytes()
	q.stats.Waiting += len(r.Results)
	return true
}

const minuteSeconds = 60

func (r *Report) minute() int64 { return r.At / minuteSeconds }

// clone copies a report, results in the order of their hosts; of a host named
// twice the last figures count.
func (r *Report) clone() *Report {
	c := *r
	c.Results = slices.Clone(r.Results)
	slices.SortStableFunc(c.Results, compareHosts)
	kept := c.Results[:0]
	for _, x := range c.Results {
		if n := len(kept); n > 0 && kept[n-1].Host == x.Host {
			kept[n-1].absorb(x)
		} else {
			kept = append(kept, x)
		}
	}
	c.Results = kept
	return &c
}

func compareHosts(a, b Result) int { return a.Host.Compare(b.Host) }

// of finds a host in a report that is a clone; nil without it.
func (r *Report) of(h route.Host) *Result {
	at, found := slices.BinarySearchFunc(r.Results, Result{Host: h}, compareHosts)
	if !found {
		return nil
	}
	return &r.Results[at]
}

func (q *Queue) drop(results []Result) {
	q.stats.Dropped += uint64(len(results))
	for _, x := range results {
		q.stats.DroppedCalls += uint64(x.SuccAdd) + uint64(x.ErrAdd)
	}
}

// refresh takes over the figures, without the increments, of a newer report
// that found no room. r may be nil.
func (r *Report) refresh(newer *Report) {
	if r == nil || newer.Number < r.Number {
		return
	}
	for _, x := range newer.Results {
		if old := r.of(x.Host); old != nil {
			old.Succ, old.Err = x.Succ, x.Err
		}
	}
}

// merge puts a newer report into a waiting one. Hosts new to it need room; what
// finds none is dropped.
func (q *Queue) merge(waiting, newer *Report) bool {
	waiting.TS = newer.TS
	added := newer.Results[:0]
	for _, x := range newer.Results {
		if old := waiting.of(x.Host); old != nil {
			old.absorb(x)
			q.stats.Merged++
		} else {
			added = append(added, x)
		}
	}
	room := min(len(added), max(0, q.cfg.BytesMax-q.bytes)/resultBytes)
	q.drop(added[room:])
	if room > 0 {
		waiting.Results = slices.Concat(waiting.Results, added[:room])
		slices.SortFunc(waiting.Results, compareHosts)
		q.bytes += room * resultBytes
		q.stats.Waiting += room
	}
	return room == len(added)
}

// Take gives a writer the reports that have waited longest, about resultsMax
// results, at least one report. They keep their room in the queue until Done.
// None comes back: what is not stored is lost with its writer, and the agent
// sends it again.
func (q *Queue) Take(resultsMax int) []*Report {
	var batch []*Report
	for n := 0; q.gone < len(q.line); q.gone++ {
		r := q.line[q.gone]
		if n += len(r.Results); n > resultsMax && len(batch) > 0 {
			break
		}
		batch = append(batch, r)
		q.line[q.gone] = nil
		if q.last[r.agentKey()] == r {
			delete(q.last, r.agentKey())
		}
	}
	if q.gone*2 > len(q.line) {
		n := copy(q.line, q.line[q.gone:])
		clear(q.line[n:])
		q.line, q.gone = q.line[:n], 0
	}
	return batch
}

// Done says that the reports of a Take are stored.
func (q *Queue) Done(batch []*Report) {
	for _, r := range batch {
		q.bytes -= r.bytes()
		q.stats.Waiting -= len(r.Results)
	}
}
