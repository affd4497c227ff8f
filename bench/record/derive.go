package record

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"time"

	"lars/bench/hist"
	"lars/bench/plot"
)

// Derive makes files of a result from its raw ones, by name.
type Derive func(*Folder) (map[string][]byte, error)

// derive makes the derived files: those of this package, and others'.
func derive(f *Folder, more []Derive) (map[string][]byte, error) {
	files := map[string][]byte{BenchFile: benchText(f.Run)}
	for _, a := range f.Run.Arms {
		for _, l := range a.Latency {
			if l.HGrm == "" {
				continue
			}
			r := f.Hist(a.Name, l.Stage)
			if r == nil {
				return nil, fmt.Errorf("%w: arm %s has no hdr_v2 beside %s: repeat the run", ErrBroken, a.Name, l.HGrm)
			}
			content, err := percentileFile(r, nsPerMS)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", l.HGrm, err)
			}
			files[l.HGrm] = content
		}
	}
	for name, r := range f.stages {
		content, err := percentileFile(r, nsPerUS)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files[name] = content
	}
	picture, err := f.picture()
	if err != nil {
		return nil, err
	}
	if picture != nil {
		files[PictureFile] = picture
	}
	for _, make := range more {
		made, err := make(f)
		if err != nil {
			return nil, err
		}
		for name, content := range made {
			files[name] = content
		}
	}
	return files, nil
}

// picture is nil when there is too little to draw.
func (f *Folder) picture() ([]byte, error) {
	var out bytes.Buffer
	err := f.chart().WriteSVG(&out)
	if errors.Is(err, plot.ErrEmpty) || errors.Is(err, plot.ErrTooMany) {
		return nil, nil
	}
	return out.Bytes(), err
}

const (
	ticksPerHalf = 5   // of the percentile file, as other tools write it
	nsPerMS      = 1e6 // the unit of its values
	nsPerUS      = 1e3 // and of those of a stage, which may take less than a microsecond
)

// percentileFile is the merged distribution as HdrHistogram prints it, in a unit
// of so many nanoseconds.
func percentileFile(r *hist.Recorder, unit float64) ([]byte, error) {
	var out bytes.Buffer
	_, err := r.Histogram().PercentilesPrint(&out, ticksPerHalf, unit)
	return out.Bytes(), err
}

// chart draws the response of every arm.
func (f *Folder) chart() plot.Percentiles {
	s := f.Run.Scenario
	c := plot.Percentiles{Title: "Response time, " + s.Name + " over " + s.Network, Subtitle: s.Describe() + ", " + f.Run.Status}
	for _, a := range f.Run.Arms {
		if r := f.Hist(a.Name, StageResponse); r != nil {
			c.Series = append(c.Series, plot.Series{Name: a.Name, Note: note(r), Points: Curve(r)})
		}
	}
	return c
}

// Describe is the load in one line, for people.
func (s *Scenario) Describe() string {
	load := fmt.Sprintf("depth %d", s.Depth)
	if s.Mode == "open" {
		load = fmt.Sprintf("%g requests a second (%s)", s.RateRPS, s.Arrivals)
	}
	return fmt.Sprintf("%d connections, %s, %d-byte frames, %v measured", s.Conns, load, s.RequestBytes, time.Duration(s.DurationNS))
}

// note is the p50 and p99 of the merged rounds.
func note(r *hist.Recorder) string {
	const confidence = 0.95 // of bounds that are not shown
	q := r.Percentiles(confidence, 50, 99)
	return fmt.Sprintf("p50 %s  p99 %s", plot.Duration(float64(q[0].Value)), plot.Duration(float64(q[1].Value)))
}

// curveStep is the grid of the curve, in nines: the same for every series, so
// that curves can be compared point by point.
const curveStep = 0.02

// Curve resamples a distribution on the grid, up to the last percentile that
// has ten samples above it. Censored observations rank above all others.
func Curve(r *hist.Recorder) []plot.Point {
	total := float64(r.Count() + r.Censored())
	end := math.Log10(max(total, 1) / 10)
	var points []plot.Point
	seen, step := 0.0, 0
	for b := range r.Buckets {
		seen += float64(b.Count)
		for ; float64(step)*curveStep <= end; step++ {
			p := 1 - math.Pow(10, -float64(step)*curveStep)
			if p*total > seen {
				break
			}
			points = append(points, plot.Point{P: p, NS: float64(b.High)})
		}
	}
	return points
}
