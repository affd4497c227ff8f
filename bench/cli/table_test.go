package cli

import (
	"bytes"
	"flag"
	"os"
	"testing"
	"time"

	"lars/bench/record"
	"lars/bench/run"
)

var rewrite = flag.Bool("rewrite", false, "rewrite testdata")

func metric(name string, value, mad float64, ratio *record.Ratio) record.Metric {
	return record.Metric{Name: name, Unit: "ns", Value: value, MAD: mad, Ratio: ratio}
}

func near(v, low, high float64) *record.Ratio {
	return &record.Ratio{Value: v, Low: &low, High: &high, Rounds: 7}
}

// compared is a made-up comparison of three arms.
func compared() *record.Run {
	arm := func(name string, scale float64, r func(float64) *record.Ratio) record.Arm {
		return record.Arm{Name: name, Idle: &record.Idle{BytesPerConn: 430 * scale}, Rounds: []record.RoundInfo{{Counts: map[string]int64{"completed": 5}}}, Metrics: []record.Metric{
			metric(run.MetricThroughput, 123456/scale, 800, r(1/scale)),
			metric(run.MetricP50, 612000*scale, 4000, r(scale)),
			metric("p90", 913000*scale, 4000, nil),
			metric(run.MetricP99, 2410000*scale, 90000, r(scale*1.1)),
			metric("p99.9", 23100000*scale, 90000, nil),
			metric(run.MetricMax, 43100000*scale, 90000, nil),
			metric(run.MetricServerCPU, 5730*scale, 20, r(scale)),
			metric(run.MetricSwitches, 0.021*scale, 0.001, nil),
			metric(run.MetricRSS, 7.4e6*scale, 1e4, nil),
			metric(run.MetricGenerator, 6210, 20, nil),
		}}
	}
	none := func(float64) *record.Ratio { return nil }
	some := func(v float64) *record.Ratio { return near(v, v*0.97, v*1.02) }
	r := &record.Run{
		Status: "invalid", Reasons: []record.Reason{{Status: "invalid", Text: "netpoll: 3 replies had the wrong content (2 of 7 rounds)"}, {Status: "degraded", Text: "other processes used 0.30 processors"}},
		Scenario: record.Scenario{Name: "echo", Network: "tcp", Mode: "closed", Depth: 1, Conns: 1000, RequestBytes: 28, Seed: 1, DurationNS: 2e9},
		Machine:  record.Machine{OS: "linux", Arch: "amd64", CPUs: 2, CPU: "AMD EPYC", Kernel: "6.18"}, Tool: record.Tool{Commit: "0123456789ab"},
		Design: record.Design{Rounds: 7, Baseline: "floor", Confidence: 0.95},
		Arms:   []record.Arm{arm("floor", 1, none), arm("epoll", 1.06, some), arm("netpoll", 1.42, some)},
	}
	r.Arms[2].StandIns = []string{"UDP by std", "dial by std"}
	r.Arms[2].Rounds[0].Counts["wrong"] = 1234
	r.Arms[2].Metrics = r.Arms[2].Metrics[:8] // no memory was read
	return r
}

func TestGolden(t *testing.T) {
	single := compared()
	single.Arms, single.Status, single.Reasons, single.Design.Baseline = single.Arms[:1], "valid", nil, ""
	slow := compared()
	slow.Design.Rounds = 2
	for i := range slow.Arms {
		for j := range slow.Arms[i].Metrics {
			m := &slow.Arms[i].Metrics[j]
			m.Value *= 1000
			if m.Ratio != nil {
				m.Ratio.Low, m.Ratio.High = nil, nil
			}
		}
	}
	given := compared() // with intervals, and a p99.9 above which nothing is known
	given.Scenario.TimeoutNS = int64(time.Second)
	for i := range given.Arms {
		for j := range given.Arms[i].Metrics {
			m := &given.Arms[i].Metrics[j]
			low, high := m.Value*0.98, m.Value*1.03
			if m.Low = &low; m.Name != run.MetricP99 {
				m.High = &high
			}
			if m.Censored = m.Name == "p99.9" || m.Name == run.MetricMax; m.Censored {
				m.Value, m.Low, m.High = 1e9, nil, nil
			}
		}
		given.Arms[i].Metrics = append(given.Arms[i].Metrics, metric(run.MetricGivenUp, 0.0123, 0.0001, nil))
	}
	for name, r := range map[string]*record.Run{"compare": compared(), "single": single, "slow": slow, "given-up": given} {
		t.Run(name, func(t *testing.T) {
			var text, markdown bytes.Buffer
			printResult(&text, r)
			resultMarkdown(&markdown, r)
			golden(t, "testdata/"+name+".txt", text)
			golden(t, "testdata/"+name+".md", markdown)
		})
	}
}

// golden compares out with a file.
func golden(t *testing.T, file string, out bytes.Buffer) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s\nif it is better, run go test ./bench/cli -rewrite", out.String(), want)
	}
}

func TestFormats(t *testing.T) {
	for _, c := range []struct {
		v    float64
		want string
	}{
		{0, "0"},
		{0.004, "0.00"},
		{0.021, "0.02"},
		{5.734, "5.73"},
		{9.996, "10.0"},
		{56.78, "56.8"},
		{99.96, "100"},
		{999.6, "1,000"},
		{1234567.8, "1,234,568"},
		{-1234, "-1,234"},
	} {
		if got := significant(c.v); got != c.want {
			t.Errorf("significant(%v) = %s, want %s", c.v, got, c.want)
		}
	}
	for d, want := range map[time.Duration]string{812 * time.Microsecond: "812µs", 1240 * time.Microsecond: "1.24ms", 90: "90ns", 3 * time.Second: "3.00s"} {
		if got := short(d); got != want {
			t.Errorf("short(%d) = %s, want %s", d, got, want)
		}
	}
}
