package workload

import (
	"math"
	"time"
)

// Callers are the programs that call services. Each stands on a machine of its
// own with an agent.
type Callers struct {
	Count    int           `yaml:"count" range:"1..1000" doc:"machines with an agent and a caller each"`
	Arrivals string        `yaml:"arrivals" oneof:"constant poisson steps wave closed" doc:"when calls come; closed: each client calls again after a pause"`
	Rate     float64       `yaml:"rate" range:"0.001..100000" doc:"calls a second of each caller; of wave the highest"`
	Steps    []Step        `yaml:"steps" len:"0..100" doc:"of arrivals: steps"`
	Period   time.Duration `yaml:"period" range:"1s..240h" doc:"of arrivals: wave"`
	Low      float64       `yaml:"low" range:"0..1" doc:"share of rate at the lowest of the wave"`
	Clients  int           `yaml:"clients" range:"1..10000" doc:"of each caller, with arrivals: closed"`
	Think    time.Duration `yaml:"think" range:"0s..1h" doc:"pause of a client, exponential, with arrivals: closed"`
	Timeout  time.Duration `yaml:"timeout" range:"1ms..10s" doc:"of a question to the agent, each of two tries"`
	Patience time.Duration `yaml:"patience" range:"1ms..1m" doc:"for a host's answer"`
}

// Step sets the rate from a time on.
type Step struct {
	At   time.Duration `yaml:"at,required" range:"0s..240h" doc:"from the start of the run on"`
	Rate float64       `yaml:"rate,required" range:"0..100000" doc:"calls a second"`
}

// Tries is how often a caller asks the agent, as the client library does.
const Tries = 2

// rateAt is the calls a second at a time.
func (c *Callers) rateAt(at time.Duration) float64 {
	switch c.Arrivals {
	case "steps":
		rate := c.Rate
		for _, s := range c.Steps {
			if s.At <= at {
				rate = s.Rate
			}
		}
		return rate
	case "wave":
		// From the lowest at the start to the highest at half a period: a
		// parabola of each half, near enough to a cosine.
		x := math.Mod(float64(at)/float64(c.Period), 1) * 2
		up := 1 - (1-x)*(1-x)
		return c.Rate * (c.Low + float64((1-c.Low)*up))
	}
	return c.Rate
}

// RateMax is the highest rate that there is.
func (c *Callers) RateMax() float64 {
	most := c.Rate
	if c.Arrivals == "steps" {
		for _, s := range c.Steps {
			most = max(most, s.Rate)
		}
	}
	return most
}

// Due is how many calls there are between two times, on average; of a closed loop
// at least.
func (c *Callers) Due(from, to time.Duration) (n float64) {
	if !c.Open() {
		return float64(c.Count*c.Clients) * float64(to-from) / float64(c.Think+Tries*c.Timeout+c.Patience)
	}
	for at := from; at < to; at += time.Second {
		n += float64(c.Count) * c.rateAt(at)
	}
	return n
}

// Open reports whether calls come whether or not earlier ones are done.
func (c *Callers) Open() bool { return c.Arrivals != "closed" }

// Next is the time of the next call of an open loop after the one at a time; any
// time from end on when there is none before. Rates that change are drawn by
// thinning (Lewis and Shedler 1979).
func (c *Callers) Next(after, end time.Duration, r *Random) time.Duration {
	if c.Arrivals == "constant" {
		return after + micros(1e9/c.Rate)
	}
	most := c.RateMax()
	mean := time.Duration(1e9 / most)
	for at := after + r.exp(mean); ; at += r.exp(mean) {
		if at >= end || c.Arrivals == "poisson" || r.Float()*most < c.rateAt(at) {
			return at
		}
	}
}

// Pause is that of a client of a closed loop between two calls.
func (c *Callers) Pause(r *Random) time.Duration { return r.exp(c.Think) }
