package record

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"lars/bench/hist"
)

// Stages of a latency, as run.json names them.
const (
	StageResponse = "response"
	StageService  = "service"
	StageSendLag  = "send_lag"
)

// Phases of a Slice that are logged: the measured time, and what was still due
// at its end, which is where the slowest requests are.
const (
	MeasuredPhase = "measured"
	DrainingPhase = "draining"
)

func (s *Slice) logged() bool {
	return s.Phase == MeasuredPhase || s.Phase == DrainingPhase && len(s.Response) > 0
}

// A log keeps every interval with three digits. A compact one, for results
// that are committed, keeps two digits (1 %) and longer intervals.
const compactInterval = 5 * time.Second

// intervalLog is a V2 histogram log of the intervals of one arm, in
// ns, without tags (readers leave tagged intervals out unless told not to).
func intervalLog(all []Slice, arm string, compact bool) ([]byte, error) {
	digits := hist.Digits
	if compact {
		all, digits = join(all, compactInterval), 2
	}
	var out bytes.Buffer
	w := hdrhistogram.NewHistogramLogWriter(&out)
	first := true
	for _, s := range all {
		if s.Arm != arm || !s.logged() {
			continue
		}
		if first {
			if err := logHead(w, s.Start); err != nil {
				return nil, err
			}
			first = false
		}
		h, err := histogram(s.Response, digits)
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

// join adds up adjacent logged slices of the same arm and round, up to a
// length; others it leaves out.
func join(all []Slice, length time.Duration) []Slice {
	var out []Slice
	last := map[string]int{} // of each arm, in out
	for _, s := range all {
		if !s.logged() {
			continue
		}
		i, begun := last[s.Arm]
		if begun && out[i].Round == s.Round && s.End.Sub(out[i].Start) <= length+length/100 {
			out[i].End = s.End
			out[i].Response = append(out[i].Response, s.Response...)
			continue
		}
		s.Response = slices.Clone(s.Response)
		last[s.Arm], out = len(out), append(out, s)
	}
	return out
}

// histogram has the range of a hist.Recorder.
func histogram(buckets []hist.Bucket, digits int) (*hdrhistogram.Histogram, error) {
	h := hdrhistogram.New(1, hist.ValueMax, digits)
	for _, b := range buckets {
		if err := h.RecordValues(b.Low, b.Count); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// LogInterval is one interval of a histogram log.
type LogInterval struct {
	Start, End time.Time
	Response   []hist.Bucket // without the empty ones
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
		out = append(out, LogInterval{time.UnixMilli(h.StartTimeMs()), time.UnixMilli(h.EndTimeMs()), buckets(h)})
	}
	if len(out) != want {
		return nil, fmt.Errorf("%d of %d intervals are readable", len(out), want)
	}
	return out, nil
}

func buckets(h *hdrhistogram.Histogram) []hist.Bucket {
	var out []hist.Bucket
	for _, b := range h.Distribution() {
		if b.Count > 0 {
			out = append(out, hist.Bucket{Low: b.From, High: b.To, Count: b.Count})
		}
	}
	return out
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
