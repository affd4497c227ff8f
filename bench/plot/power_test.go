package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"
)

func powerChart() Power {
	var s PowerSeries
	for _, e := range []float64{0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1} {
		found := 1 / (1 + math.Exp(-(e-0.03)*250))
		s.Points = append(s.Points, PowerPoint{e, found, max(0, found-0.02), min(1, found+0.02)})
	}
	other := PowerSeries{Name: "p99 & <std>", Points: []PowerPoint{{0, 0, 0, 0.01}, {0.1, 0.5, 0.4, 0.6}}}
	s.Name = "CPU per request, epoll"
	return Power{Title: "What the gate finds", Subtitle: "made-up", Goal: 0.95, Series: []PowerSeries{s, {Name: "none"}, other}}
}

func TestPower(t *testing.T) {
	var b bytes.Buffer
	if err := powerChart().WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	const file = "testdata/power.svg"
	if *rewrite {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the picture changed; look at it, then run go test ./bench/plot -rewrite")
	}
	d := xml.NewDecoder(strings.NewReader(b.String()))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestPowerRefuses(t *testing.T) {
	bad := PowerSeries{Points: []PowerPoint{{0.5, 2, 0, 1}, {math.NaN(), 0, 0, 0}, {0.1, 0.5, 0.6, 0.4}, {-1, 0, 0, 0}, {0, 0, 0, 0}}}
	if err := (Power{Series: []PowerSeries{bad}}).WriteSVG(io.Discard); !errors.Is(err, ErrEmpty) {
		t.Errorf("nothing to draw: %v", err)
	}
	if err := (Power{Series: make([]PowerSeries, SeriesMax+1)}).WriteSVG(io.Discard); !errors.Is(err, ErrTooMany) {
		t.Errorf("too many: %v", err)
	}
}
