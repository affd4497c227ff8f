package record

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"lars/bench/hist"
	"lars/bench/plot"
)

// Stages of a latency.
const (
	StageResponse = "response"
	StageService  = "service"
	StageSendLag  = "send_lag"
)

// measuredPhase is the phase whose intervals go into the log.
const measuredPhase = "measured"

// intervalLog is a V2 histogram log of the measured intervals of one arm, in
// ns, without tags (readers leave tagged intervals out unless told not to).
func intervalLog(slices []Slice, arm string) ([]byte, error) {
	var out bytes.Buffer
	w := hdrhistogram.NewHistogramLogWriter(&out)
	first := true
	for _, s := range slices {
		if s.Arm != arm || s.Phase != measuredPhase {
			continue
		}
		if first {
			if err := logHead(w, s.Start); err != nil {
				return nil, err
			}
			first = false
		}
		h, err := histogram(s.Response)
		if err != nil {
			return nil, err
		}
		h.SetStartTimeMs(s.Start.UnixMilli())
		h.SetEndTimeMs(s.End.UnixMilli())
		if err := w.OutputIntervalHistogram(h); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// logHead begins at a whole second: the writer cuts both times to seconds but
// keeps the milliseconds of intervals, which would shift them all.
func logHead(w *hdrhistogram.HistogramLogWriter, start time.Time) error {
	ms := start.Truncate(time.Second).UnixMilli()
	w.SetBaseTime(ms)
	for _, step := range []func() error{
		w.OutputLogFormatVersion,
		func() error { return w.OutputStartTime(ms) },
		func() error { return w.OutputBaseTime(ms) },
		w.OutputLegend,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// histogram has the geometry of a hist.Recorder.
func histogram(buckets []hist.Bucket) (*hdrhistogram.Histogram, error) {
	h := hdrhistogram.New(1, hist.ValueMax, hist.Digits)
	for _, b := range buckets {
		if err := h.RecordValues(b.Low, b.Count); err != nil {
			return nil, err
		}
	}
	return h, nil
}

const (
	ticksPerHalf = 5   // of the percentile file, as other tools write it
	nsPerMS      = 1e6 // the unit of its values
)

// percentileFile is the merged distribution as HdrHistogram prints it, in ms.
func percentileFile(r *hist.Recorder) ([]byte, error) {
	var out bytes.Buffer
	_, err := r.Histogram().PercentilesPrint(&out, ticksPerHalf, nsPerMS)
	return out.Bytes(), err
}

// chart draws the response of every arm.
func (b *Bundle) chart() plot.Percentiles {
	s := b.Run.Scenario
	c := plot.Percentiles{Title: "Response time, " + s.Name + " over " + s.Network, Subtitle: s.describe() + ", " + b.Run.Status}
	for _, a := range b.Run.Arms {
		if r := b.Hists[a.Name][StageResponse]; r != nil {
			c.Series = append(c.Series, plot.Series{Name: a.Name, Note: note(r), Points: curve(r)})
		}
	}
	return c
}

func (s *Scenario) describe() string {
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

// curve resamples a distribution on the grid, up to the last percentile that
// has ten samples above it. Censored observations rank above all others.
func curve(r *hist.Recorder) []plot.Point {
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

// LogInterval is one interval of a histogram log.
type LogInterval struct {
	Start, End time.Time
	Hist       *hdrhistogram.Histogram
}

// logBytesMax bounds the size of a log that is read.
const logBytesMax = 256 << 20

// readLog reads what intervalLog writes.
func readLog(r io.Reader) ([]LogInterval, error) {
	raw, err := io.ReadAll(io.LimitReader(r, logBytesMax+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > logBytesMax {
		return nil, fmt.Errorf("larger than %d bytes", logBytesMax)
	}
	want, err := countIntervals(raw)
	if err != nil {
		return nil, err
	}
	var out []LogInterval
	reader := hdrhistogram.NewHistogramLogReader(bytes.NewReader(raw))
	for {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			return nil, fmt.Errorf("interval %d: %w", len(out)+1, err)
		}
		if h == nil {
			break
		}
		out = append(out, LogInterval{time.UnixMilli(h.StartTimeMs()), time.UnixMilli(h.EndTimeMs()), h})
	}
	if len(out) != want {
		return nil, fmt.Errorf("%d of %d intervals are readable", len(out), want)
	}
	return out, nil
}

// countIntervals counts the lines that must be intervals: the library's reader
// passes over what it does not understand.
func countIntervals(raw []byte) (int, error) {
	const head = "#[Histogram log format version 1."
	if len(raw) > 0 && !bytes.HasPrefix(raw, []byte(head)) {
		return 0, fmt.Errorf("does not begin with %q", head)
	}
	n := 0
	for line := range bytes.Lines(raw) {
		switch line[0] {
		case '#', '"':
		case '\n', '\r':
			return 0, fmt.Errorf("has an empty line")
		default:
			n++
		}
	}
	return n, nil
}
