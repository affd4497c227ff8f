package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"testing"
)

// golden holds a picture against the one in testdata.
func golden(t *testing.T, file string, draw func(io.Writer) error) {
	t.Helper()
	var b bytes.Buffer
	if err := draw(&b); err != nil {
		t.Fatal(err)
	}
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
	for d := xml.NewDecoder(&b); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestHeat(t *testing.T) {
	golden(t, "testdata/heat.svg", Heat{
		Title: "Errors <made-up>", Rows: []string{"first & last", "second"}, Columns: []string{"A", "B", "C"},
		Values: [][]float64{{0, .2, 4}, {100, math.NaN()}}, Bounds: []float64{.1, .3, 1, 3, 10, 30}, Unit: "%",
	}.WriteSVG)
	if err := (Heat{}).WriteSVG(io.Discard); !errors.Is(err, ErrEmpty) {
		t.Errorf("nothing to draw: %v", err)
	}
	one := Heat{Rows: []string{""}, Columns: []string{""}, Values: [][]float64{nil}, Bounds: make([]float64, HeatMax+1)}
	if err := one.WriteSVG(io.Discard); !errors.Is(err, ErrTooMany) {
		t.Errorf("too many bounds: %v", err)
	}
}

func TestForest(t *testing.T) {
	golden(t, "testdata/forest.svg", Forest{
		Title: "Errors", Axis: "errors, %", Goal: 2, GoalName: "aim: 2 %",
		Rows: []Estimate{{"with", 1.5, 1, 2.1, true}, {"without", 9, 8, 9.7, false}, {"unknown", math.NaN(), 0, 0, false}},
	}.WriteSVG)
	if err := (Forest{Rows: []Estimate{{Mean: math.Inf(1)}}}).WriteSVG(io.Discard); !errors.Is(err, ErrEmpty) {
		t.Errorf("nothing to draw: %v", err)
	}
}
