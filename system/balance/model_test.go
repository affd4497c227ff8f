package balance

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"lars/system/route"
)

// model is the original's load_balance.cpp written down as plainly as can be,
// with the bugs mended: lists are slices, the index is a search.
type model struct {
	cfg            Config
	idle, overload []*modelHost
	access         int
}

type modelHost struct {
	addr                     route.Host
	vsucc, verr, rsucc, rerr uint32
	continSucc, continErr    uint32
	overload                 bool
	idleTS, overloadTS       time.Duration
}

func (m *model) setIdle(h *modelHost, now time.Duration) {
	*h = modelHost{addr: h.addr, vsucc: uint32(m.cfg.InitSuccCnt), idleTS: now}
}

func (m *model) setOverload(h *modelHost, now time.Duration) {
	*h = modelHost{addr: h.addr, verr: uint32(m.cfg.InitErrCnt), overload: true, overloadTS: now}
}

func (m *model) pick() Choice {
	take := func(list []*modelHost, probe bool) Choice {
		h := list[0]
		copy(list, list[1:])
		list[len(list)-1] = h
		return Choice{h.addr, Picked, probe}
	}
	if len(m.idle) == 0 && len(m.overload) == 0 {
		return Choice{}
	}
	if len(m.idle) == 0 {
		if m.access >= m.cfg.ProbeNum {
			m.access = 0
			return take(m.overload, true)
		}
		m.access++
		return Choice{Verdict: Overload}
	}
	if len(m.overload) == 0 {
		return take(m.idle, false)
	}
	if m.access >= m.cfg.ProbeNum {
		m.access = 0
		return take(m.overload, true)
	}
	m.access++
	return take(m.idle, false)
}

func (m *model) report(now time.Duration, addr route.Host, failed bool) {
	is := func(h *modelHost) bool { return h.addr == addr }
	i, o := slices.IndexFunc(m.idle, is), slices.IndexFunc(m.overload, is)
	if i < 0 && o < 0 {
		return
	}
	var h *modelHost
	if i >= 0 {
		h = m.idle[i]
	} else {
		h = m.overload[o]
	}
	toOverload := func() {
		m.setOverload(h, now)
		m.idle, m.overload = slices.Delete(m.idle, i, i+1), append(m.overload, h)
	}
	toIdle := func() {
		m.setIdle(h, now)
		m.overload, m.idle = slices.Delete(m.overload, o, o+1), append(m.idle, h)
	}
	if failed {
		h.verr, h.rerr, h.continErr, h.continSucc = h.verr+1, h.rerr+1, h.continErr+1, 0
	} else {
		h.vsucc, h.rsucc, h.continSucc, h.continErr = h.vsucc+1, h.rsucc+1, h.continSucc+1, 0
	}
	if !h.overload && failed && (float64(h.verr)/float64(h.vsucc+h.verr) > float64(m.cfg.ErrRate) || int(h.continErr) >= m.cfg.ContinErrLimit) {
		toOverload()
		return
	}
	if h.overload && !failed && (float64(h.vsucc)/float64(h.vsucc+h.verr) > float64(m.cfg.SuccRate) || int(h.continSucc) >= m.cfg.ContinSuccLimit) {
		toIdle()
		return
	}
	if !h.overload && now-h.idleTS >= m.cfg.IdleTimeout {
		if h.rsucc+h.rerr > 0 && float64(h.rerr)/float64(h.rsucc+h.rerr) >= float64(m.cfg.WindowErrRate) {
			toOverload()
		} else {
			m.setIdle(h, now)
		}
	} else if h.overload && now-h.overloadTS >= m.cfg.OverloadTimeout {
		toIdle()
	}
}

func (m *model) update(now time.Duration, list []route.Host) {
	for _, a := range list {
		is := func(h *modelHost) bool { return h.addr == a }
		if !slices.ContainsFunc(m.idle, is) && !slices.ContainsFunc(m.overload, is) {
			h := &modelHost{addr: a}
			m.setIdle(h, now)
			m.idle = append(m.idle, h)
		}
	}
	gone := func(h *modelHost) bool { return !slices.Contains(list, h.addr) }
	m.idle = slices.DeleteFunc(m.idle, gone)
	m.overload = slices.DeleteFunc(m.overload, gone)
}

// Any steps give the same picks and the same counters as the plain model.
func FuzzLarsAgainstModel(f *testing.F) {
	f.Add([]byte{0, 255, 1, 1, 20, 40, 1, 1, 1, 3, 50, 1})
	f.Add([]byte("\x00\x0f" + "\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10\x10" + "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"))
	seed := make([]byte, 0, 4000)
	for i := range 4000 {
		seed = append(seed, byte(i*i*31+i>>3))
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, steps []byte) {
		cfg := Config{ProbeNum: 3, InitSuccCnt: 20, ContinErrLimit: 5, ContinSuccLimit: 4}.resolve()
		b, m := newLars(t, cfg, nil), &model{cfg: cfg}
		now := time.Duration(0)
		for n := 0; n < len(steps); n++ {
			switch op := steps[n]; op & 15 {
			case 0: // the next byte is the set of hosts
				var list []route.Host
				for i := 0; n+1 < len(steps) && i < 8; i++ {
					if steps[n+1]>>i&1 == 1 {
						list = append(list, addr(i))
					}
				}
				n++
				b.Update(now, Plain(list))
				m.update(now, list)
			case 1, 2, 3, 4:
				if got, want := b.Pick(now, Ask{}), m.pick(); got != want {
					t.Fatalf("step %d: picked %+v, the model %+v", n, got, want)
				}
			case 5:
				now += time.Duration(op>>4) * time.Second
			default:
				h, failed := addr(int(op>>4&7)), op&1 == 0
				b.Report(now, Result{Host: h, Outcome: outcome(failed)})
				m.report(now, h, failed)
			}
			if n%32 != 0 && n+1 < len(steps) { // writing them down is slow
				continue
			}
			if got, want := states(b), m.states(); got != want {
				t.Fatalf("step %d:\n%s\nthe model:\n%s", n, got, want)
			}
		}
	})
}

func states(b *classic) string {
	s := fmt.Sprintln(b.access)
	for _, h := range b.AppendStates(nil) {
		s += fmt.Sprintln(h.Host, h.State == Overloaded, h.Window, h.RateSucc, h.RateErr, h.Succ, h.Err, h.SuccStreak, h.ErrStreak)
	}
	return s
}

func (m *model) states() string {
	s := fmt.Sprintln(m.access)
	for _, h := range append(slices.Clone(m.idle), m.overload...) {
		s += fmt.Sprintln(h.addr, h.overload, max(h.idleTS, h.overloadTS), h.vsucc, h.verr, h.rsucc, h.rerr, h.continSucc, h.continErr)
	}
	return s
}
