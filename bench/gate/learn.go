package gate

import (
	"math"
	"math/rand/v2"
	"slices"

	"lars/bench/stats"
)

const (
	// windowEpochs and floorFactor: a floor is half as much again as what
	// identical programs show in all but one of a hundred windows of this many
	// epochs (the learned thresholds of ClickHouse's performance tests).
	windowEpochs = 10
	floorFactor  = 1.5
	windows      = 1000
	// EpochsLearnMin is the fewest epochs that noise can be learned from.
	EpochsLearnMin = 20
)

// Learner resamples measured epochs of identical programs. An epoch may come
// more than once and with its arms exchanged, since neither arm is special.
type Learner struct {
	epochs  []Epoch
	metrics []Metric
	known   map[string]Known
	rng     *rand.Rand
}

// NewLearner learns spread and floor of every metric that the epochs have. The
// same epochs and seed give the same results.
func NewLearner(metrics []Metric, epochs []Epoch, seed uint64) *Learner {
	l := &Learner{epochs: epochs, metrics: metrics, known: map[string]Known{}, rng: rand.New(rand.NewPCG(seed, 1))}
	if len(epochs) == 0 {
		return l
	}
	for _, m := range metrics {
		if k, ok := l.learn(m); ok {
			l.known[m.Name] = k
		}
	}
	return l
}

// Known is what was learned, by metric.
func (l *Learner) Known() map[string]Known { return l.known }

func (l *Learner) learn(m Metric) (Known, bool) {
	centres := make([]float64, 0, windows)
	for range windows {
		if c := m.centre(l.draw(windowEpochs)); !math.IsNaN(c) {
			centres = append(centres, math.Abs(c))
		}
	}
	if len(centres) == 0 {
		return Known{}, false
	}
	k := Known{Floor: floorFactor * percentile99(centres)}
	if m.Counted {
		return k, true
	}
	k.SD, k.Floor = Spread(ratios(l.epochs, m.Name)), stats.Effect(k.Floor)
	k.Floor = max(k.Floor, m.Floor)
	return k, true
}

// Change is what epochs say of a metric: a relative change, positive being
// worse, or for counted metrics a difference in their unit; 0 when they do not
// have it.
func (m Metric) Change(epochs []Epoch) float64 {
	c := m.centre(epochs)
	switch {
	case math.IsNaN(c):
		return 0
	case m.Counted:
		return c
	}
	return stats.Effect(c)
}

// centre is what a window of epochs says of a metric: a log ratio, or a
// difference. NaN when it has none.
func (m Metric) centre(epochs []Epoch) float64 {
	if !m.Counted {
		return stats.HodgesLehmann(ratios(epochs, m.Name))
	}
	a, b := counts(epochs, m.Name)
	for i := range b {
		b[i] -= a[i]
	}
	return stats.Median(b)
}

func (l *Learner) draw(n int) []Epoch {
	out := make([]Epoch, n)
	for i := range out {
		out[i] = l.epochs[l.rng.IntN(len(l.epochs))]
		if l.rng.IntN(2) == 0 {
			out[i] = out[i].swapped()
		}
	}
	return out
}

// Rate is how often something happened.
type Rate struct {
	Count, Trials int
}

// Share is Count over Trials.
func (r Rate) Share() float64 { return float64(r.Count) / float64(max(r.Trials, 1)) }

// Bounds hold the true share with 95 % (Wilson 1927).
func (r Rate) Bounds() (low, high float64) {
	if r.Trials == 0 {
		return 0, 1
	}
	const z = 1.96
	n, p := float64(r.Trials), r.Share()
	mid, half := p+z*z/(2*n), z*math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, (mid-half)/(1+z*z/n)), min(1, (mid+half)/(1+z*z/n))
}

// FalseAlarms is how often the whole gate confirms a regression of identical
// programs.
func (l *Learner) FalseAlarms(plan Plan, trials int) Rate {
	return l.count(trials, plan, l.draw, open, func(out []Outcome) bool { return Overall(out) == stats.Regressed })
}

// Power is how often the gate confirms a regression of a metric by a relative
// effect. The metric is one that is not counted.
func (l *Learner) Power(metric string, effect float64, plan Plan, trials int) Rate {
	draw := func(n int) []Epoch {
		epochs := l.draw(n)
		for i, e := range epochs {
			shifted := Epoch{Ratios: make(map[string]float64, len(e.Ratios)), A: e.A, B: e.B}
			for name, r := range e.Ratios {
				shifted.Ratios[name] = r
			}
			if r, ok := shifted.Ratios[metric]; ok {
				shifted.Ratios[metric] = r + math.Log1p(effect)
			}
			epochs[i] = shifted
		}
		return epochs
	}
	return l.find(metric, plan, draw, trials)
}

// Found is how often the gate confirms a regression of a metric when epochs are
// like those given, which were measured with a slowdown on purpose.
func (l *Learner) Found(metric string, slowed []Epoch, plan Plan, trials int) Rate {
	if len(slowed) == 0 {
		return Rate{}
	}
	draw := func(n int) []Epoch {
		out := make([]Epoch, n)
		for i := range out {
			out[i] = slowed[l.rng.IntN(len(slowed))]
		}
		return out
	}
	return l.find(metric, plan, draw, trials)
}

// find counts the gates that confirm a regression of one metric, whatever the
// others say.
func (l *Learner) find(metric string, plan Plan, draw func(int) []Epoch, trials int) Rate {
	its := func(out []Outcome) *Outcome {
		return &out[slices.IndexFunc(out, func(o Outcome) bool { return o.Metric.Name == metric })]
	}
	return l.count(trials, plan, draw,
		func(out []Outcome) bool { return its(out).wants() },
		func(out []Outcome) bool { return its(out).Confirmed() })
}

// count simulates the gate: it draws a stage while those before ask for more.
func (l *Learner) count(trials int, plan Plan, draw func(n int) []Epoch, more, is func([]Outcome) bool) Rate {
	r := Rate{Trials: trials}
	for range trials {
		var stages [][]Epoch
		var out []Outcome
		for _, n := range plan {
			stages = append(stages, draw(n))
			if out = Decide(l.metrics, l.known, stages); !more(out) {
				break
			}
		}
		if is(out) {
			r.Count++
		}
	}
	return r
}
