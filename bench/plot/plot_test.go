package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "rewrite testdata")

// curve is a made-up distribution with a tail.
func curve(name string, base, tail float64) Series {
	s := Series{Name: name, Note: "p50 57.5 µs  p99 116 µs"}
	for x := 0.0; x <= 4.0001; x += 0.05 {
		s.Points = append(s.Points, Point{1 - math.Pow(10, -x), base * (1 + 0.3*x + math.Pow(x/4, 6)*tail)})
	}
	return s
}

func chart() Percentiles {
	return Percentiles{
		Title: "Latency of echo, 100 connections", Subtitle: "closed loop, depth 1, 20 B, <made-up> & sons",
		Series: []Series{curve("epoll", 31e3, 10), curve("std", 45e3, 9), curve("evio", 38e3, 10.5), curve("netpoll", 52e3, 40), curve("floor", 30e3, 10)},
	}
}

func draw(t *testing.T, c Percentiles) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	const file = "testdata/percentiles.svg"
	got := draw(t, chart())
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the picture changed; look at it, then run go test ./bench/plot -rewrite")
	}
}

func TestWellFormed(t *testing.T) {
	c := chart()
	c.Series[0].Name = "a<b>&\"c\"\x00"
	svg := draw(t, c)
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"prefers-color-scheme:dark", "99.99%", "µs", "p99 "} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %q in the picture", want)
		}
	}
}

func TestRefuses(t *testing.T) {
	nothing := Percentiles{Series: []Series{{Name: "x", Points: []Point{{0.5, 0}, {1, 5}, {math.NaN(), 1}}}}}
	if err := nothing.WriteSVG(io.Discard); !errors.Is(err, ErrEmpty) {
		t.Errorf("no points: %v", err)
	}
	many := Percentiles{Series: make([]Series, SeriesMax+1)}
	if err := many.WriteSVG(io.Discard); !errors.Is(err, ErrTooMany) {
		t.Errorf("too many: %v", err)
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct{ in, want []float64 }{
		{[]float64{50}, []float64{50}},
		{[]float64{10, 50, 90}, []float64{10, 50, 90}},
		{[]float64{50, 50, 50}, []float64{50, 60, 70}},
		{[]float64{99, 95, 98}, []float64{100, 80, 90}},
		{[]float64{-5, 200}, []float64{0, 100}},
	} {
		if got := spread(c.in, 10, 0, 100); !slices.Equal(got, c.want) {
			t.Errorf("spread(%v) = %v, want %v", c.in, got, c.want)
		}
	}
	crowd := spread(make([]float64, 21), 10, 0, 100)
	for i := 1; i < len(crowd); i++ {
		if d := crowd[i] - crowd[i-1]; math.Abs(d-5) > 1e-9 {
			t.Fatalf("a crowd is not even: %v", crowd)
		}
	}
}

func TestTimeTicks(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		want      string
	}{
		{31e3, 400e3, "20 µs, 50 µs, 100 µs, 200 µs, 500 µs"},
		{30e3, 33e3, "30 µs, 35 µs"},
		{900, 2e9, "100 ns, 1 µs, 10 µs, 100 µs, 1 ms, 10 ms, 100 ms, 1 s, 10 s"},
		{5e3, 5e3, "5 µs, 6 µs"},
	} {
		ticks, from, to := TimeTicks(c.low, c.high)
		var labels []string
		for _, k := range ticks {
			labels = append(labels, k.Label)
		}
		if got := strings.Join(labels, ", "); got != c.want {
			t.Errorf("%v to %v: %s, want %s", c.low, c.high, got, c.want)
		}
		if from > c.low*(1+1e-6) || to < c.high*(1-1e-6) || from >= to {
			t.Errorf("%v to %v: axis %v to %v", c.low, c.high, from, to)
		}
	}
}

func FuzzWriteSVG(f *testing.F) {
	f.Add("epoll", 0.5, 1e3, 0.99, 1e6)
	f.Add("x", 0.0, 5e-324, 0.5, 1e308)
	f.Fuzz(func(t *testing.T, name string, p1, v1, p2, v2 float64) {
		c := Percentiles{Title: name, Series: []Series{{name, name, []Point{{p1, v1}, {p2, v2}}}}}
		var b bytes.Buffer
		if err := c.WriteSVG(&b); err == nil && (strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf")) && !strings.Contains(name, "NaN") && !strings.Contains(name, "Inf") {
			t.Errorf("not a number in the picture of %v %v %v %v", p1, v1, p2, v2)
		}
	})
}
