package study

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
)

// Plan says what to run. The zero value is everything, with ten seeds.
type Plan struct {
	Scenarios []Scenario
	Policies  []Policy
	Seeds     int
	Workers   int                   // runs at once; 0: as many as processors
	Progress  func(done, total int) // of scenarios times seeds; called by one goroutine at a time
}

// Estimate is a mean over seeds with half the width of its 95 % interval.
type Estimate struct {
	Mean float64
	Half float64 // NaN with one seed
}

// Cell is a policy in a scenario.
type Cell struct {
	Values [metrics]Estimate
	// Beside is the difference to the default policy, seed by seed.
	Beside  [metrics]Estimate
	Latency *histogram // of all seeds
	seeds   [][metrics]float64
}

// beside is the difference of two cells of a scenario, seed by seed: a less b.
func beside(a, b *Cell, m Metric) Estimate {
	x := make([]float64, len(a.seeds))
	for i := range x {
		x[i] = a.seeds[i][m] - b.seeds[i][m]
	}
	return estimate(x)
}

// Table is what a plan found.
type Table struct {
	Scenarios []Scenario
	Policies  []Policy
	Seeds     int
	Cells     [][]Cell // scenario, policy
}

// Cell finds one; nil if it was not run.
func (t *Table) Cell(scenario, policy string) *Cell {
	for i := range t.Scenarios {
		for k := range t.Policies {
			if t.Scenarios[i].ID == scenario && t.Policies[k].Name == policy {
				return &t.Cells[i][k]
			}
		}
	}
	return nil
}

// job is one scenario with one seed, for all policies.
type job struct {
	scenario, seed int
	values         [][metrics]float64
	latency        []*histogram
	err            error
}

// Run runs the plan. The table depends on the plan alone, and not on Workers.
func Run(ctx context.Context, p Plan) (*Table, error) {
	if p.Scenarios == nil {
		p.Scenarios = Scenarios()
	}
	if p.Policies == nil {
		p.Policies = Policies()
	}
	if p.Seeds == 0 {
		p.Seeds = 10
	}
	if p.Workers <= 0 {
		p.Workers = runtime.GOMAXPROCS(0)
	}
	var jobs []*job
	for s := range p.Scenarios {
		for seed := range p.Seeds {
			jobs = append(jobs, &job{scenario: s, seed: seed})
		}
	}
	todo := make(chan *job)
	var wg sync.WaitGroup
	var mu sync.Mutex
	finished := 0
	for range p.Workers {
		wg.Go(func() {
			for j := range todo {
				j.run(ctx, &p)
				mu.Lock()
				finished++
				if p.Progress != nil {
					p.Progress(finished, len(jobs))
				}
				mu.Unlock()
			}
		})
	}
	for _, j := range jobs {
		todo <- j
	}
	close(todo)
	wg.Wait()
	for _, j := range jobs {
		if j.err != nil {
			return nil, fmt.Errorf("scenario %s: %w", p.Scenarios[j.scenario].ID, j.err)
		}
	}
	return tabulate(&p, jobs), nil
}

func (j *job) run(ctx context.Context, p *Plan) {
	s, seed := &p.Scenarios[j.scenario], uint64(j.seed+1)
	var requests []request
	for _, policy := range p.Policies {
		if j.err = ctx.Err(); j.err != nil {
			return
		}
		if requests == nil {
			requests = s.stream(seed)
		}
		m, err := run(s, policy, seed, requests)
		if err != nil {
			j.err = err
			return
		}
		j.values = append(j.values, m.values)
		j.latency = append(j.latency, &m.latency)
	}
}

// tabulate puts the runs together, in the order of the plan.
func tabulate(p *Plan, jobs []*job) *Table {
	t := &Table{Scenarios: p.Scenarios, Policies: p.Policies, Seeds: p.Seeds}
	base := -1
	for i, x := range p.Policies {
		if x.Name == Default {
			base = i
		}
	}
	for s := range p.Scenarios {
		runs := jobs[s*p.Seeds : (s+1)*p.Seeds]
		row := make([]Cell, len(p.Policies))
		for k := range row {
			c := &row[k]
			c.Latency = &histogram{}
			for _, j := range runs {
				c.seeds = append(c.seeds, j.values[k])
				c.Latency.merge(j.latency[k])
			}
		}
		for k := range row {
			c := &row[k]
			for m := range metrics {
				values := make([]float64, p.Seeds)
				for i := range values {
					values[i] = c.seeds[i][m]
				}
				c.Values[m], c.Beside[m] = estimate(values), Estimate{math.NaN(), math.NaN()}
				if base >= 0 {
					c.Beside[m] = beside(c, &row[base], m)
				}
			}
		}
		t.Cells = append(t.Cells, row)
	}
	return t
}

// estimate is the mean with its interval by Student's t.
func estimate(x []float64) Estimate {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	n := float64(len(x))
	mean, squares := sum/n, 0.0
	for _, v := range x {
		d := v - mean
		squares += float64(d * d)
	}
	if len(x) < 2 {
		return Estimate{Mean: mean, Half: math.NaN()}
	}
	return Estimate{Mean: mean, Half: student(len(x)-1) * math.Sqrt(squares/(n-1)/n)}
}

// student is the 97.5 % quantile of Student's t: by table, above it by the
// expansion around the normal quantile (Abramowitz and Stegun, 26.7.5).
func student(freedom int) float64 {
	table := [...]float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228}
	if freedom <= len(table) {
		return table[freedom-1]
	}
	const z = 1.959964
	n := float64(freedom)
	return z + (z*z*z+z)/(4*n) + (5*z*z*z*z*z+16*z*z*z+3*z)/(96*n*n)
}
