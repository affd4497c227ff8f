package live

import (
	"time"

	"lars/bench/hist"
	"lars/simulator/outcome"
)

// meter is the distributions of a run, whole and by interval. Not for
// concurrent use.
type meter struct {
	every    time.Duration
	whole    pairOf // of all intervals
	now      interval
	response *hist.Recorder // of the interval
	getHost  *hist.Recorder
	done     []interval
}

// pairOf are the distributions of whole calls that were served, and of the
// questions to agents that were answered with a host.
type pairOf struct{ response, getHost *hist.Recorder }

// interval is some time of the run.
type interval struct {
	from, to          time.Time
	calls, wrong      int64
	asked             int64
	response, getHost []hist.Bucket
	p50, p99          [2]time.Duration // of the two
}

// intervalsMax is how many a heat map shows, and intervalMin the least length.
const (
	intervalsMax = 150
	intervalMin  = 250 * time.Millisecond
)

func newMeter(end time.Duration, now time.Time) *meter {
	every := intervalMin
	for every*intervalsMax < end {
		every *= 2
	}
	return &meter{
		every: every, now: interval{from: now}, response: hist.New(), getHost: hist.New(),
		whole: pairOf{hist.New(), hist.New()},
	}
}

func (m *meter) add(x outcome.Call, getHost time.Duration) {
	m.cut(time.Now(), false)
	m.now.calls++
	if x.Host >= 0 {
		m.now.asked++
		m.getHost.Record(int64(getHost))
		m.whole.getHost.Record(int64(getHost))
	}
	if x.Result != "" {
		m.now.wrong++
		return
	}
	m.response.Record(int64(x.Took))
	m.whole.response.Record(int64(x.Took))
}

// cut ends the interval, if its time is over or last says so.
func (m *meter) cut(now time.Time, last bool) {
	for now.Sub(m.now.from) >= m.every {
		m.push(m.now.from.Add(m.every))
	}
	if last && now.After(m.now.from) {
		m.push(now)
	}
}

func (m *meter) push(to time.Time) {
	i := m.now
	i.to = to
	const confidence = 0.95 // of bounds that are not told
	for k, h := range []*hist.Recorder{m.response, m.getHost} {
		i.p50[k], i.p99[k] = time.Duration(h.Percentile(50, confidence).Value), time.Duration(h.Percentile(99, confidence).Value)
	}
	m.response.Buckets(func(b hist.Bucket) bool { i.response = append(i.response, b); return true })
	m.getHost.Buckets(func(b hist.Bucket) bool { i.getHost = append(i.getHost, b); return true })
	m.response.Reset()
	m.getHost.Reset()
	m.done = append(m.done, i)
	m.now = interval{from: to}
}
