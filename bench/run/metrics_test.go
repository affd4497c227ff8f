package run

import (
	"testing"
	"time"

	"lars/bench/hist"
	"lars/bench/load"
	"lars/bench/record"
)

// roundOf is a round with responses of 1 to n µs, and some given up.
func roundOf(index, n, givenUp int) Round {
	l := &load.Result{Elapsed: time.Second, Config: load.Config{Timeout: 50 * time.Millisecond}}
	l.Response, l.Service, l.SendLag = hist.New(), hist.New(), hist.New()
	l.Completed, l.TimedOut = uint64(n), uint64(givenUp)
	for i := range n {
		l.Response.Record(int64(i+1) * 1000)
	}
	for range givenUp {
		l.Response.Censor()
	}
	return Round{Index: index, Load: l}
}

func metricsOf(rounds ...Round) map[string]record.Metric {
	r := &Result{Config: Config{Targets: []Target{{Name: "a"}}}, Rounds: rounds}
	out := map[string]record.Metric{}
	for _, m := range Metrics(r.RoundsOf(0)) {
		out[m.Name] = m
	}
	return out
}

// TestMetricsReportable: a percentile has ten requests above it, or is not told.
func TestMetricsReportable(t *testing.T) {
	m := metricsOf(roundOf(0, 1000, 0))
	if m["p99"].Value != 990_000 && (m["p99"].Value < 989_000 || m["p99"].Value > 992_000) {
		t.Errorf("p99 %+v", m["p99"])
	}
	if _, has := m["p99.9"]; has {
		t.Errorf("p99.9 of 1,000: %+v", m["p99.9"])
	}
	for _, name := range []string{MetricP50, "p90", MetricP99} {
		if q := m[name]; q.Low == nil || q.High == nil || !(*q.Low <= q.Value && q.Value <= *q.High && *q.Low < *q.High) || q.Censored {
			t.Errorf("%s has the interval %v, %v around %v", name, q.Low, q.High, q.Value)
		}
	}
	if _, has := m[MetricGivenUp]; has || m[MetricMax].Censored || m[MetricMax].Value != 1e6 {
		t.Errorf("given up %+v, longest %+v", m[MetricGivenUp], m[MetricMax])
	}
}

// TestMetricsOfFewRounds: what half of the rounds cannot tell is not told.
func TestMetricsOfFewRounds(t *testing.T) {
	long, short := roundOf(0, 1000, 0), roundOf(1, 500, 0)
	if m := metricsOf(long, short); m[MetricP99].Samples != nil || m[MetricMax].Value != 750_000 {
		t.Errorf("p99 of one in two: %+v", m[MetricP99])
	}
	if m := metricsOf(long, short, long); len(m[MetricP99].Samples) != 2 {
		t.Errorf("p99 of two in three: %+v", m[MetricP99])
	}
}

// TestMetricsCensored: requests given up are slower than all others, and what
// falls among them is only bounded from below, by the timeout.
func TestMetricsCensored(t *testing.T) {
	m := metricsOf(roundOf(0, 980, 20))
	for name, censored := range map[string]bool{MetricP50: false, "p90": false, MetricP99: true, MetricMax: true} {
		if q := m[name]; q.Censored != censored || censored && (q.Value != 50e6 || !q.Samples[0].Censored || q.Low != nil) {
			t.Errorf("%s: %+v", name, q)
		}
	}
	if q := m[MetricGivenUp]; q.Value != 0.02 {
		t.Errorf("given up: %+v", q)
	}
	// The upper bound of p98 of these falls among them, that of p90 does not.
	open := metricsOf(roundOf(0, 9905, 95))
	if q := open[MetricP99]; q.Censored || q.Low == nil || q.High != nil {
		t.Errorf("p99, its upper end open: %+v", q)
	}
}

// TestMetricsOfRounds: a round whose figure is only bounded counts as one above
// all others, and is not left out.
func TestMetricsOfRounds(t *testing.T) {
	some := metricsOf(roundOf(0, 1000, 0), roundOf(1, 900, 100), roundOf(2, 2000, 0))
	if q := some[MetricP99]; q.Censored || q.Value < 1.9e6 || len(q.Samples) != 3 {
		t.Errorf("one of three: %+v", q)
	}
	most := metricsOf(roundOf(0, 1000, 0), roundOf(1, 900, 100), roundOf(2, 900, 100))
	if q := most[MetricP99]; !q.Censored || q.Value != 50e6 {
		t.Errorf("two of three: %+v", q)
	}
	half := metricsOf(roundOf(0, 1000, 0), roundOf(1, 900, 100))
	if q := half[MetricP99]; !q.Censored {
		t.Errorf("one of two: %+v", q)
	}
	var rounds []Round
	for i := range 7 {
		rounds = append(rounds, roundOf(i, 1000+i*100, 0))
	}
	if q := metricsOf(rounds...)[MetricP50]; q.Low == nil || q.High == nil || *q.Low >= q.Value || q.Value >= *q.High {
		t.Errorf("seven rounds: %+v", q)
	}
	rounds[6] = roundOf(6, 400, 600)
	if q := metricsOf(rounds...)[MetricP50]; q.Censored || q.Low == nil || q.High != nil {
		t.Errorf("seven rounds, the upper end open: %+v", q)
	}
	if q := metricsOf(rounds[:5]...)[MetricP50]; q.Low != nil || q.High != nil {
		t.Errorf("five rounds support no interval: %+v", q)
	}
}

// TestNoRatioOfBounds: two lower bounds have no ratio.
func TestNoRatioOfBounds(t *testing.T) {
	a := record.Arm{Metrics: []record.Metric{{Name: "p99", Samples: []record.Sample{{Round: 0, Value: 5}, {Round: 1, Value: 50, Censored: true}}}}}
	b := record.Arm{Metrics: []record.Metric{{Name: "p99", Samples: []record.Sample{{Round: 0, Value: 5}, {Round: 1, Value: 6}}}}}
	if q := Ratio(&a, &b, "p99"); q != nil {
		t.Errorf("%+v", q)
	}
	if q := Ratio(&b, &a, "p99"); q != nil {
		t.Errorf("%+v", q)
	}
	if q := Ratio(&b, &b, "p99"); q == nil || q.Value != 1 {
		t.Errorf("%+v", q)
	}
}

func TestCorrectness(t *testing.T) {
	stored := int64(7)
	one, two := roundOf(0, 10, 0), roundOf(1, 10, 0)
	one.Intervals = []Interval{{Counts: load.Counts{Sent: 4, Completed: 3}}, {Counts: load.Counts{Sent: 6, Completed: 7}}}
	one.Load.Wrong, one.Load.Stale, one.Load.WarmupCounts.Duplicated = 1, 2, 3
	one.Correctness, two.Correctness = correctness(&one), correctness(&two)
	one.Correctness.Stored, two.Correctness.Stored = &stored, &stored
	r := &Result{Config: Config{Targets: []Target{{Name: "a"}}}, Rounds: []Round{one, two}}
	c := r.correctness(0)
	if c.Sent != 10 || c.Acked != 10 || c.Duplicated != 3 || c.StaleRoutes != 2 || *c.Stored != 14 || stored != 7 {
		t.Errorf("%+v", c)
	}
	if len(c.Violations) != 3 || c.Violations[0] != "round 1: 1 replies had the wrong content" {
		t.Errorf("%q", c.Violations)
	}
}
