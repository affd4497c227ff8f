package run

import (
	"fmt"
	"strings"
)

// Describe is what the plan will measure, in two or three lines for people.
func (p *Plan) Describe() string {
	c := &p.config
	var names []string
	for _, t := range c.Targets {
		names = append(names, t.Name)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s over %s on %s\n", c.Name, c.Load.Network, strings.Join(names, ", "))
	if from := c.Source; from.Text != "" {
		fmt.Fprintf(&out, "scenario %s of %s%s\n", from.Name, from.File, describeChanged(from.Changed))
	}
	fmt.Fprintf(&out, "%s, %s, %v measured after %v of warm-up%s\n",
		p.describeLoad(), c.describeFrames(), c.Load.Duration, c.Load.Warmup, p.describeRounds())
	fmt.Fprintf(&out, "%s, seed %d", p.describeProcessors(), c.Load.Seed)
	return out.String()
}

// describeChanged names what overrules a scenario.
func describeChanged(flags []string) string {
	if len(flags) == 0 {
		return ""
	}
	return ", changed by " + strings.Join(flags, " ")
}

// describeFrames tells the sizes of requests and, where they differ, of replies.
func (c *Config) describeFrames() string {
	w := c.workload()
	request, reply := w.FrameBytesMax()
	switch {
	case w.OneWay():
		return fmt.Sprintf("%d-byte frames, one way", request)
	case request != reply:
		return fmt.Sprintf("%d-byte frames, replies of %d", request, reply)
	}
	return fmt.Sprintf("%d-byte frames", request)
}

func (p *Plan) describeLoad() string {
	c := &p.config.Load
	conns := fmt.Sprintf("%d connections", max(1, c.Conns))
	if max(1, c.Conns) == 1 {
		conns = "1 connection"
	}
	if c.Churn {
		conns += " at once, a new one for each request"
	}
	if p.config.RateMax > 0 {
		return fmt.Sprintf("%s, open loop of %.0f to %.0f requests a second (%s)%s", conns, c.Rate, p.config.RateMax, c.Arrivals, describeLimit(c.Depth))
	}
	if c.Open() {
		return fmt.Sprintf("%s, open loop of %g requests a second (%s)%s", conns, c.Rate, c.Arrivals, describeLimit(c.Depth))
	}
	return fmt.Sprintf("%s, closed loop of depth %d", conns, max(1, c.Depth))
}

func describeLimit(depth int) string {
	if depth == 0 {
		return ""
	}
	return fmt.Sprintf(" with at most %d in flight on each", depth)
}

func (p *Plan) describeRounds() string {
	if p.config.Rounds == 1 {
		return ""
	}
	return fmt.Sprintf(", %d rounds", p.config.Rounds)
}

func (p *Plan) describeProcessors() string {
	if !p.cpus.Pinned() {
		return "not pinned"
	}
	return fmt.Sprintf("server on processor %s, generator on %s", listCPUs(p.cpus.Server), listCPUs(p.cpus.Generator))
}
