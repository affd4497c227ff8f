package run

import (
	"slices"
	"strings"
	"testing"

	"lars/bench/hist"
	"lars/bench/load"
)

// TestRotation: every target stands in every place equally often, and never
// always behind the same other one.
func TestRotation(t *testing.T) {
	for n := 1; n <= 5; n++ {
		places := make([][]int, n)
		follows := map[[2]int]int{}
		for i := range places {
			places[i] = make([]int, n)
		}
		for round := range 2 * n {
			order := rotation(n, round)
			if sorted := slices.Sorted(slices.Values(order)); sorted[0] != 0 || sorted[n-1] != n-1 || len(slices.Compact(sorted)) != n {
				t.Fatalf("n=%d round %d: %v is no order", n, round, order)
			}
			for place, target := range order {
				places[target][place]++
				if place > 0 {
					follows[[2]int{order[place-1], target}]++
				}
			}
		}
		for target, counts := range places {
			for place, c := range counts {
				if c != 2 {
					t.Errorf("n=%d: target %d stands %d times at %d, want 2", n, target, c, place)
				}
			}
		}
		for pair := range follows {
			if follows[pair] == 2*n {
				t.Errorf("n=%d: %d always follows %d", n, pair[1], pair[0])
			}
		}
	}
}

func TestParsePin(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Pin
		ok   bool
	}{
		{"", Pin{}, true},
		{"auto", Pin{}, true},
		{"off", Pin{Off: true}, true},
		{"0:1", Pin{Server: []int{0}, Generator: []int{1}}, true},
		{"0,2-3:1", Pin{Server: []int{0, 2, 3}, Generator: []int{1}}, true},
		{"0", Pin{}, false},
		{"0:", Pin{}, false},
		{":1", Pin{}, false},
		{"a:b", Pin{}, false},
		{"0:-1", Pin{}, false},
		{"0:99999", Pin{}, false},
	} {
		got, err := ParsePin(c.in)
		if (err == nil) != c.ok {
			t.Errorf("%q: error %v", c.in, err)
			continue
		}
		if c.ok && (got.Off != c.want.Off || !slices.Equal(got.Server, c.want.Server) || !slices.Equal(got.Generator, c.want.Generator)) {
			t.Errorf("%q: %+v, want %+v", c.in, got, c.want)
		}
	}
}

func TestDivide(t *testing.T) {
	for _, c := range []struct {
		order          []int
		loops, workers int
		want           string
		noted          bool
	}{
		{[]int{0, 1}, 1, 1, "0:1", false},
		{[]int{0, 1}, 4, 1, "0:1", true},
		{[]int{0, 1}, 1, 2, "0:1", true},
		{[]int{0, 2, 1, 3}, 1, 1, "0:2", false},
		{[]int{0, 2, 1, 3}, 2, 2, "0,2:1,3", false},
		{[]int{4, 5, 6}, 2, 5, "4,5:6", true},
	} {
		p, note := divide(c.order, c.loops, c.workers)
		if p.String() != c.want || (note != "") != c.noted {
			t.Errorf("%v, %d loops, %d workers: %s %q, want %s", c.order, c.loops, c.workers, p, note, c.want)
		}
	}
}

func TestAtShare(t *testing.T) {
	h := hist.New()
	var buckets []hist.Bucket
	for v := int64(1); v <= 1000; v++ {
		h.Record(v * 1000)
	}
	for b := range h.Buckets {
		buckets = append(buckets, b)
	}
	for _, p := range []float64{1, 50, 99, 99.9} {
		if got, want := atShare(buckets, h.Count(), p/100), h.Percentile(p, 0.95).Value; int64(got) != want {
			t.Errorf("p%v: %d, want %d", p, got, want)
		}
	}
	if got := atShare(nil, 0, 0.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func FuzzParsePin(f *testing.F) {
	f.Add("0,2-3:1")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePin(s)
		if err == nil && !p.Off && len(p.Server) == 0 != (len(p.Generator) == 0) {
			t.Errorf("%q gives one side only: %+v", s, p)
		}
	})
}

func TestOutput(t *testing.T) {
	o := newOutput()
	for _, part := range []string{"listen", "ing on 127.0.0.1:5\nmore", " text\n", strings.Repeat("x", 3*tailBytesMax), "\n{\"a\":1}\n"} {
		if n, err := o.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	if got := <-o.first; got != "listening on 127.0.0.1:5" {
		t.Errorf("first line %q", got)
	}
	if len(o.tail()) > tailBytesMax {
		t.Errorf("keeps %d bytes", len(o.tail()))
	}
	p := &process{stdout: o}
	if got := p.report(); got["a"] != 1.0 {
		t.Errorf("report %v", got)
	}
	endless := newOutput()
	_, _ = endless.Write([]byte(strings.Repeat("y", 2*lineBytesMax)))
	if got := <-endless.first; len(got) != lineBytesMax {
		t.Errorf("a first line of %d bytes is handed over", len(got))
	}
}

func TestReasonsGroup(t *testing.T) {
	late := load.Reason{Verdict: load.Degraded, Text: "the generator was late: 5ms"}
	later := load.Reason{Verdict: load.Degraded, Text: "the generator was late: 980µs"}
	wrong := load.Reason{Verdict: load.Invalid, Text: "12 replies had the wrong content"}
	r := Result{Config: Config{Targets: []Target{{Name: "x"}, {Name: "y"}}, Rounds: 2, Pin: Pin{Off: true}}, Rounds: []Round{
		{Reasons: []load.Reason{late}}, {Target: 1, Reasons: []load.Reason{later, wrong}}, {Machine: Machine{Known: true, Steal: 0.5, Others: 0.3}},
	}}
	var got []string
	for _, reason := range r.Reasons() {
		got = append(got, reason.Verdict.String()+" "+reason.Text)
	}
	want := []string{
		"invalid y: 12 replies had the wrong content (1 of 3 measurements)",
		"degraded x, y: the generator was late: 5ms (2 of 3 measurements)",
		"degraded the machine was stolen from: the hypervisor took 50.0 % of processor time",
		"degraded other processes used 0.30 processors",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if r.Verdict() != load.Invalid {
		t.Errorf("verdict %v", r.Verdict())
	}
}

// TestMomentary: a median bears fewer than half of its rounds disturbed, but no
// fault of a server.
func TestMomentary(t *testing.T) {
	late := load.Reason{Verdict: load.Invalid, Text: "the generator was late: 5ms", Momentary: true}
	wrong := load.Reason{Verdict: load.Invalid, Text: "12 replies had the wrong content"}
	for _, c := range []struct {
		rounds, hit int
		reason      load.Reason
		want        load.Verdict
	}{
		{1, 1, late, load.Invalid},
		{2, 1, late, load.Invalid},
		{3, 1, late, load.Degraded},
		{7, 3, late, load.Degraded},
		{7, 4, late, load.Invalid},
		{7, 1, wrong, load.Invalid},
	} {
		r := Result{Config: Config{Targets: []Target{{Name: "x"}, {Name: "quiet"}}, Pin: Pin{Off: true}}}
		for i := range c.rounds {
			round := Round{Index: i}
			if i < c.hit {
				round.Reasons = []load.Reason{c.reason}
			}
			r.Rounds = append(r.Rounds, round, Round{Index: i, Target: 1})
		}
		if got := r.Verdict(); got != c.want {
			t.Errorf("%d of %d rounds with %q: %v, want %v", c.hit, c.rounds, c.reason.Text, got, c.want)
		}
	}
}

func TestAddressIn(t *testing.T) {
	for line, want := range map[string]string{
		"listening on 127.0.0.1:7777":                                                                        "127.0.0.1:7777",
		"lars dns: listening on 127.0.0.1:7778, backend epoll, 1 loops":                                      "127.0.0.1:7778",
		"lars agent: listening on [127.0.0.1:8888 127.0.0.1:8889 127.0.0.1:8890], backend std, dns 10.0.0.1": "127.0.0.1:8888",
		"listening on [::1]:80":                                                                              "[::1]:80",
		"listening on":                                                                                       "",
		"listening on ":                                                                                      "",
		"listening on port 7":                                                                                "",
		"not there: 127.0.0.1:7777":                                                                          "",
		"hello there":                                                                                        "",
	} {
		got, ok := addressIn(line)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%q: %v, %v", line, got, ok)
		}
	}
}

// TestFilesMost: what is not open at the same time is not added up.
func TestFilesMost(t *testing.T) {
	for _, c := range []struct{ conns, beside, idle, want int }{
		{100, 0, 0, 100 + filesSpare},
		{10, 10_000, 10_000, 10_010 + filesSpare}, // the idle scenarios
		{100, 0, 5000, 5000 + filesSpare},
	} {
		config := Config{Load: load.Config{Conns: c.conns}, Beside: c.beside, Idle: c.idle}
		if got := config.filesMost(); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

func TestPortable(t *testing.T) {
	t.Setenv("TMPDIR", "/var/scratch")
	got := portable([]string{"/var/scratch/lars", "dns", "--store", "sqlite:/var/scratch/lars-bench-1/lars.db", "--listen", "127.0.0.1:0"})
	if want := []string{"/var/scratch/lars", "dns", "--store", "sqlite:$TMPDIR/lars-bench-1/lars.db", "--listen", "127.0.0.1:0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
