package plot

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Nines is the position of a percentile on the x axis: 0 at 0, 1 at 90 %, 2 at
// 99 %.
func Nines(p float64) float64 { return -math.Log10(1 - p) }

// Tick is a mark on an axis.
type Tick struct {
	At    float64
	Label string
}

// PercentTicks are 0, 50, 90, 99 ... up to the end of the axis, in nines.
func PercentTicks(end float64) []Tick {
	ticks := []Tick{{0, "0%"}, {Nines(0.5), "50%"}}
	for n := 1; float64(n) <= end+1e-9; n++ {
		label := "90%"
		if n >= 2 {
			label = "99%"
		}
		if n > 2 {
			label = "99." + strings.Repeat("9", n-2) + "%"
		}
		ticks = append(ticks, Tick{float64(n), label})
	}
	return ticks
}

// steps of a decade on a logarithmic axis, from coarse to fine.
var steps = [...][]float64{{1}, {1, 3}, {1, 2, 5}, {1, 1.5, 2, 3, 5, 7}, {1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9}}

const (
	ticksWanted = 5
	ticksMost   = 12
)

// TimeTicks are the finest marks between low and high ns that are not too many,
// and the bounds of the axis: the marks just outside.
func TimeTicks(low, high float64) (ticks []Tick, from, to float64) {
	for _, step := range steps {
		marks, lo, hi := marksOf(step, low, high)
		if ticks != nil && len(marks) > ticksMost {
			break
		}
		ticks, from, to = label(marks), lo, hi
		if len(ticks) >= ticksWanted {
			break
		}
	}
	return ticks, from, to
}

// marksOf lists the multiples of the steps that enclose low to high.
func marksOf(step []float64, low, high float64) (marks []float64, from, to float64) {
	first := math.Floor(math.Log10(low))
	for decade := first; ; decade++ {
		for _, s := range step {
			v := s * math.Pow(10, decade)
			if v <= low*(1+1e-9) {
				marks = marks[:0]
			}
			marks = append(marks, v)
			if v >= high*(1-1e-9) && len(marks) > 1 {
				return marks, marks[0], v
			}
		}
	}
}

func label(marks []float64) []Tick {
	ticks := make([]Tick, len(marks))
	for i, v := range marks {
		ticks[i] = Tick{v, Duration(v)}
	}
	return ticks
}

// Duration writes ns with three digits and its unit, as the axes do.
func Duration(ns float64) string {
	units := []struct {
		size float64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}}
	for _, u := range units {
		if ns >= u.size*0.9995 {
			return threeDigits(ns/u.size) + " " + u.name
		}
	}
	return threeDigits(ns) + " ns"
}

func threeDigits(v float64) string {
	if v >= 999.5 {
		return fmt.Sprintf("%.0f", v)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
