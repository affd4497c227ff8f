package study

import (
	"math"
	"slices"
	"time"

	"lars/system/balance"
	"lars/system/route"
)

// meter is what one run measured.
type meter struct {
	w        *world
	from, to time.Duration // the window
	values   [metrics]float64
	latency  histogram

	calls, failed         int
	stepCalls, stepFailed int
	perHost, firstSecond  []int
	bad                   []bool
	seconds               []tally // by arrival, of the whole run
	out                   [][]time.Duration
	longest               time.Duration
	ejections, flips      int
	away, near            int
	keys                  []int16
	kept, moved           int
	shadow                shadow
	load                  load
	probes, messages      int
	paid                  []pay // of agents, at each host
}

// pay is what an agent's failures at a host came to until it took it out.
type pay struct {
	failed int
	out    bool
}

// tally is a second.
type tally struct{ calls, bad, failed int }

func newMeter(w *world) *meter {
	s := w.s
	m := &meter{w: w, from: s.Before, to: s.Before + s.Window}
	n := len(w.hosts)
	m.perHost, m.firstSecond, m.bad = make([]int, n), make([]int, n), make([]bool, n)
	for _, f := range s.Faults {
		for h := f.First; h < f.First+f.Count; h++ {
			m.bad[h] = true
		}
	}
	m.seconds = make([]tally, int((m.to+s.After)/second)+1)
	for range s.Agents {
		m.out = append(m.out, make([]time.Duration, n))
	}
	m.keys = make([]int16, s.Keys+1)
	m.load, m.paid = newLoad(n, m.from), make([]pay, n*s.Agents)
	return m
}

func (m *meter) inside(at time.Duration) bool { return at >= m.from && at < m.to }

// picked counts that a call goes to a host.
func (m *meter) picked(r *request, h int, probe bool) {
	if m.inside(r.at) {
		m.load.pass(r.at, m.w.s.Hosts)
	}
	m.load.flying[h]++
	t := &m.seconds[r.at/second]
	if m.bad[h] {
		t.bad++
	}
	if m.w.s.Zones > 0 && r.at < m.from {
		if m.w.zone(h) != m.w.agentZone(int(r.agent)) {
			m.away++
		} else {
			m.near++
		}
	}
	if !m.inside(r.at) {
		return
	}
	if m.load.most = max(m.load.most, m.load.flying[h]); probe {
		m.probes++
	}
	m.load.rates[h].now++
	m.perHost[h]++
	if r.at < m.from+second {
		m.firstSecond[h]++
	}
	if m.w.s.Keys > 0 {
		k := &m.keys[r.key]
		switch int(*k) {
		case 0:
		case h + 1:
			m.kept++
		default:
			m.moved++
		}
		*k = int16(h + 1)
	}
}

// count takes in how a call went that had gone to a host, -1 for none; of poison,
// nothing.
func (m *meter) count(r *request, h int, ok bool, took time.Duration) {
	if h >= 0 {
		m.load.flying[h]--
	}
	if r.poison {
		return
	}
	if h >= 0 && !ok && m.bad[h] && m.inside(m.w.now) {
		if p := m.pays(int(r.agent), h); !p.out {
			p.failed++
		}
	}
	t := &m.seconds[r.at/second]
	t.calls++
	if !ok {
		t.failed++
	}
	if !m.inside(r.at) {
		return
	}
	m.calls++
	if ok || took >= m.w.s.Timeout {
		m.latency.add(took)
	}
	step := m.w.s.Clock != 0 && r.agent < 2
	if step {
		m.stepCalls++
	}
	if !ok {
		m.failed++
		if step {
			m.stepFailed++
		}
	}
}

func (m *meter) pays(a, h int) *pay { return &m.paid[a*len(m.bad)+h] }

// said counts messages that hints take.
func (m *meter) said(n int) {
	if m.inside(m.w.now) {
		m.messages += n
	}
}

// changes counts what an agent does with its hosts.
func (m *meter) changes(a int, list []balance.Change) {
	now := m.w.now
	for _, c := range list {
		h := int(c.Host.IP - firstIP)
		out := &m.out[a][h]
		switch {
		case c.To.Out() && *out == 0:
			*out = now
			if m.inside(now) {
				m.flips++
				m.pays(a, h).out = true
			}
			// What a host did wrong may come to light a little later.
			if s := &m.w.hosts[h]; now > m.from && (m.w.s.AllBad || s.faultyUntil+2*second < now) {
				m.ejections++
			}
		case !c.To.Out() && *out != 0:
			if m.inside(now) {
				m.flips++
			}
			m.back(a, h)
		}
	}
}

func (m *meter) back(a, h int) {
	if a < 2 {
		m.longest = max(m.longest, m.w.now-max(m.out[a][h], m.to))
	}
	m.out[a][h] = 0
}

// finish computes the metrics.
func (m *meter) finish() {
	s := m.w.s
	for a := range min(2, len(m.out)) {
		for h, at := range m.out[a] {
			if at != 0 {
				m.back(a, h)
			}
		}
	}
	v := &m.values
	errors := share(m.failed, m.calls)
	v[Errors] = 100 * errors
	v[P50], v[P99], v[P999] = m.latency.at(.5), m.latency.at(.99), m.latency.at(.999)
	v[CV], v[Jain] = spread(m.perHost[:s.Hosts])
	v[HotSpot] = hotSpot(m.firstSecond[:s.Hosts])
	hours := (s.Window + s.After).Hours() * float64(s.Agents)
	v[FalsePositives] = float64(m.ejections) / hours
	v[Flips] = float64(m.flips) / (s.Window.Minutes() * float64(s.Agents))
	v[CrossZone] = 100 * share(m.away, m.away+m.near)
	v[Moved] = 100 * share(m.moved, m.moved+m.kept)
	v[Remapped] = m.shadow.remapped()
	v[StepErrors] = 100 * share(m.stepFailed, m.stepCalls)
	v[KeptOut] = m.longest.Seconds()
	v[Goodput] = float64(m.calls-m.failed) / (s.Window.Seconds() * float64(capacity*s.Hosts))
	v[FlightMean], v[FlightP99] = m.load.flight()
	v[FlightMax] = float64(m.load.most)
	v[Herd] = m.load.herd(m.well, s.Hosts)
	v[Probes], v[Messages] = 100*share(m.probes, m.calls), 1000*share(m.messages, m.calls)
	v[ErrorsToEject] = m.errorsToEject()
	if n := len(s.Faults); n > 0 {
		v[Amplification] = (1 - errors) / (1 - s.Faults[0].Errors)
		v[RestartErrors] = float64(m.failed) / float64(n)
	}
	m.times()
}

// well reports whether nothing happens to a host that does not happen to all.
func (m *meter) well(h int) bool { return !m.bad[h] || !slices.Contains(m.bad[:m.w.s.Hosts], false) }

// errorsToEject is the mean over agents and bad hosts.
func (m *meter) errorsToEject() float64 {
	failed, pairs := 0, 0
	for i, p := range m.paid {
		if m.bad[i%len(m.bad)] {
			failed, pairs = failed+p.failed, pairs+1
		}
	}
	return share(failed, pairs)
}

// times computes what follows from the seconds.
func (m *meter) times() {
	v, s := &m.values, m.w.s
	from, to := int(m.from/second), int(m.to/second)
	bad := 0
	for _, b := range m.bad {
		if b {
			bad++
		}
	}
	fair := float64(bad) / float64(s.Hosts)
	below := func(list []tally, part float64) bool {
		b, n := 0, 0
		for _, t := range list {
			b, n = b+t.bad, n+t.calls
		}
		return n > 0 && float64(b) < part*fair*float64(n)
	}
	v[Eject] = float64(to - from)
	for i := from; i < to; i++ {
		if below(m.seconds[i:i+1], .25) {
			v[Eject] = float64(i - from)
			break
		}
	}
	late := tally{}
	for _, t := range m.seconds[(from+to)/2 : to] {
		late.bad, late.calls = late.bad+t.bad, late.calls+t.calls
	}
	v[Leak] = 100 * share(late.bad, late.calls)
	end := int((m.to + s.After) / second)
	v[Recover] = float64(end - to)
	for i := to; i+3 <= end; i++ {
		if !below(m.seconds[i:i+3], .5) {
			v[Recover] = float64(i - to)
			break
		}
	}
	v[Recovery] = 0
	for i := to; i < end; i++ {
		if m.seconds[i].failed > 0 {
			v[Recovery] = float64(i + 1 - to)
		}
	}
}

func share(part, all int) float64 {
	if all == 0 {
		return 0
	}
	return float64(part) / float64(all)
}

// spread is the coefficient of variation, and Jain's index.
func spread(n []int) (cv, jain float64) {
	var sum, squares float64
	for _, x := range n {
		sum += float64(x)
		squares += float64(x) * float64(x)
	}
	if sum == 0 {
		return 0, 1
	}
	mean := sum / float64(len(n))
	variance := max(0, squares/float64(len(n))-float64(mean*mean))
	return math.Sqrt(variance) / mean, sum * sum / (float64(len(n)) * squares)
}

func hotSpot(n []int) float64 {
	most, sum := 0, 0
	for _, x := range n {
		most, sum = max(most, x), sum+x
	}
	return share(most*len(n), sum)
}

// shadow is a balancer without load, to see which keys move.
type shadow struct {
	b              balance.Balancer
	at             []route.Host
	moved, changes int
}

func (x *shadow) open(s *Scenario, p Policy, list []balance.Host) error {
	if s.Keys == 0 {
		return nil
	}
	settings, err := balance.ParseSettings(p.Settings)
	if err != nil || settings.Algorithm != "chash" {
		return err
	}
	settings.SlowStart = -1
	if x.b, err = balance.Open(settings, 1); err != nil {
		return err
	}
	x.at = make([]route.Host, s.Keys)
	x.b.Update(0, list)
	x.look()
	x.moved = 0
	return nil
}

func (x *shadow) edit(list []balance.Host) {
	if x.b == nil {
		return
	}
	x.b.Update(0, list)
	x.look()
	x.changes++
}

func (x *shadow) look() {
	for k := range x.at {
		h := x.b.Pick(0, balance.Ask{Key: uint64(k + 1)}).Host
		x.b.Report(0, balance.Result{Host: h})
		if h != x.at[k] {
			x.moved++
		}
		x.at[k] = h
	}
}

// remapped is the percentage of keys that a change moves; NaN without keys.
func (x *shadow) remapped() float64 {
	if x.changes == 0 {
		return math.NaN()
	}
	return 100 * float64(x.moved) / float64(x.changes*len(x.at))
}

// histogram of latencies, with an error below 1 %.
type histogram struct {
	counts [4096]uint32
	n      uint64
}

// add files a latency by the exponent and seven bits of its mantissa, in µs.
func (h *histogram) add(d time.Duration) {
	i := int(math.Float32bits(float32(d/time.Microsecond+1))>>16) - 127<<7
	h.counts[min(max(i, 0), len(h.counts)-1)]++
	h.n++
}

// value of a bucket, in ms: its middle.
func value(i int) float64 {
	low := float64(math.Float32frombits(uint32(i+127<<7) << 16))
	high := float64(math.Float32frombits(uint32(i+1+127<<7) << 16))
	return ((low+high)/2 - 1) / 1000
}

// at is a quantile, in ms.
func (h *histogram) at(q float64) float64 {
	rank, sum := uint64(math.Ceil(q*float64(h.n))), uint64(0)
	for i, n := range h.counts {
		if sum += uint64(n); n > 0 && sum >= rank {
			return value(i)
		}
	}
	return 0
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.n += o.n
}
