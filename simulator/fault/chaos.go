package fault

import (
	"fmt"
	"time"

	"lars/simulator/workload"
)

// burst is a time in which Chaos lets a handful of faults begin.
const burst = 20 * time.Second

// Chaos draws a plan from a seed: faults of all kinds that begin within the
// time from and are over by the time to, a handful in each burst; of these, what
// can is true of, nil meaning all.
func Chaos(seed uint64, spec workload.Spec, from, to time.Duration, can func(*Fault) bool) *Plan {
	r := workload.NewRandom(seed, "chaos")
	p := &Plan{Name: "chaos", About: fmt.Sprintf("drawn from seed %d", seed), Workload: spec}
	if many := workload.NewRandom(seed, "services"); many.Chance(0.25) {
		p.Services = Services{DNS: 1 + many.Intn(3), Reporters: 1 + many.Intn(3)}
	}
	tries := 0
	for at := from; at < to && tries < FaultsMax; at += burst {
		tries += 3 + r.Intn(6)
	}
	for range min(tries, FaultsMax) {
		f := p.draw(r, from, to)
		for n := 0; can != nil && !can(&f) && n < 100; n++ {
			f = p.draw(r, from, to)
		}
		ok := can == nil || can(&f)
		f.check(func(string, string, ...any) { ok = false })
		for i := range p.Faults {
			ok = ok && !f.contradicts(&p.Faults[i])
		}
		if ok {
			p.Faults = append(p.Faults, f)
		}
	}
	return p
}

// draw makes a fault that check may still refuse.
func (p *Plan) draw(r *workload.Random, from, to time.Duration) Fault {
	s := &shapes[r.Intn(len(shapes))]
	f := Fault{Kind: s.kind, Target: Target{Kind: s.targets[r.Intn(len(s.targets))]}}
	if n := p.Count(f.Target.Kind); n > 1 {
		f.Target.N = 1 + r.Intn(n)
	}
	f.At = r.Between(from, to-min(to-from, burst)/8)
	longest := min(to-f.At, 2*burst)
	length := r.Between(longest/8, longest)
	pause := 200*time.Millisecond + r.Between(0, 2*time.Second)
	switch f.Kind {
	case Slow:
		if f.Target.Kind == Host || f.Target.Kind == Zone {
			f.Factor = float64(2 + r.Intn(30))
		} else {
			f.Delay = r.Between(10*time.Millisecond, 2*time.Second)
		}
	case Errors:
		f.Rate = float64(1+r.Intn(10)) / 10
	case Flap, Edits:
		f.Every = pause
	case Refuse:
		f.Calls = 1 + r.Intn(100)
	case Brownout:
		f.Factor, f.Rate = float64(2+r.Intn(10)), float64(1+r.Intn(5))/10
	case Clock:
		f.By, f.Back = []time.Duration{time.Second, time.Hour, 87600 * time.Hour}[r.Intn(3)], r.Chance(0.5)
	case ScaleOut, ScaleIn:
		f.Count, length = 1+r.Intn(3), 0
	case Network:
		f.Delay, f.Jitter = r.Between(0, 50*time.Millisecond), r.Between(0, 50*time.Millisecond)
		f.Loss, f.Duplicate, f.Reorder = float64(r.Intn(20))/100, float64(1+r.Intn(9))/100, float64(r.Intn(10))/100
	}
	f.For = length
	return f
}
