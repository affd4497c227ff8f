package workload

import (
	"math"
	"sort"
	"time"
)

// Spec is a whole workload, as a file has it.
type Spec struct {
	Callers Callers `yaml:"callers" doc:"who calls, and when"`
	Modules Modules `yaml:"modules" doc:"what is called"`
	Hosts   Hosts   `yaml:"hosts" doc:"who serves"`
}

// Modules are what is called.
type Modules struct {
	Count int     `yaml:"count" range:"1..10000" doc:"of modules"`
	Zipf  float64 `yaml:"zipf" range:"0..5" doc:"exponent of their popularity; 0: all alike"`
	Hosts int     `yaml:"hosts" range:"1..1000" doc:"of each module"`
}

// Default is a small healthy world: every host has a third of its capacity to
// do.
func Default() Spec {
	return Spec{
		Callers: Callers{
			Count: 3, Arrivals: "poisson", Rate: 20, Period: 24 * time.Hour, Low: 0.2, Clients: 10, Think: 100 * time.Millisecond,
			Timeout: 50 * time.Millisecond, Patience: time.Second,
		},
		Modules: Modules{Count: 4, Zipf: 1, Hosts: 5},
		Hosts: Hosts{
			Capacity: 4, Service: "lognormal", Mean: 10 * time.Millisecond, Sigma: 0.5, WaitMax: 500 * time.Millisecond,
			Errors: 0.001, ErrorsAt: 0.02, Zones: 2,
		},
	}
}

// Any draws a small world from a seed. Its hosts have far more capacity than
// its callers need: what is too much for them is for a plan to say.
func Any(seed uint64) Spec {
	r := NewRandom(seed, "any workload")
	s := Default()
	c := &s.Callers
	c.Count, c.Rate = 1+r.Intn(4), float64(5+r.Intn(20))
	c.Arrivals = []string{"constant", "poisson", "steps", "wave", "closed"}[r.Intn(5)]
	c.Steps = []Step{{10 * time.Second, float64(r.Intn(30))}, {20 * time.Second, c.Rate}}
	c.Period, c.Low = time.Minute, r.Float()
	c.Clients, c.Think = 1+r.Intn(3), r.Between(100*time.Millisecond, 500*time.Millisecond)
	s.Modules = Modules{Count: 1 + r.Intn(8), Zipf: float64(r.Intn(4)) / 2, Hosts: 2 + r.Intn(7)}
	s.Hosts.Service = []string{"constant", "exponential", "lognormal"}[r.Intn(3)]
	s.Hosts.Zones = 1 + r.Intn(3)
	return s
}

// Popularity is a distribution over modules.
type Popularity struct{ sums []float64 }

// Popularity of the modules: that of the one at i is 1/(i+1)^Zipf.
func (m *Modules) Popularity() *Popularity {
	p := &Popularity{sums: make([]float64, m.Count)}
	sum := 0.0
	for i := range p.sums {
		sum += math.Pow(float64(i+1), -m.Zipf)
		p.sums[i] = sum
	}
	return p
}

// Pick draws a module.
func (p *Popularity) Pick(r *Random) int {
	x := r.Float() * p.sums[len(p.sums)-1]
	return min(sort.SearchFloat64s(p.sums, x), len(p.sums)-1)
}
