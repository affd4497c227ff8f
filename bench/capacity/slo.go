package capacity

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"lars/bench/hist"
	"lars/bench/load"
)

// SLO is an objective: that share of the responses, counted from the time at
// which each request was due, comes within the limit. Requests that were given
// up count as slower than any limit.
type SLO struct {
	Percentile float64 // in percent: 99.9
	Limit      time.Duration
}

// Limits of an objective.
const (
	percentileMin = 50
	percentileMax = 99.999
	limitMin      = time.Microsecond
	limitMax      = time.Duration(hist.ValueMax)
)

// ErrSLO is an objective that cannot be read or measured; the text says what to
// write instead.
var ErrSLO = errors.New("objective")

// ParseSLO reads "p99:5ms", "p99.9:800us".
func ParseSLO(text string) (SLO, error) {
	share, limit, ok := strings.Cut(text, ":")
	digits, p := strings.CutPrefix(share, "p")
	if !ok || !p {
		return SLO{}, fmt.Errorf("%w %q: write a percentile and the longest response, such as p99:5ms", ErrSLO, text)
	}
	var s SLO
	var err error
	if s.Percentile, err = strconv.ParseFloat(digits, 64); err != nil || !(s.Percentile >= percentileMin && s.Percentile <= percentileMax) {
		return SLO{}, fmt.Errorf("%w %q: the percentile is a number from %v to %v, such as p99.9", ErrSLO, text, percentileMin, percentileMax)
	}
	if s.Limit, err = time.ParseDuration(limit); err != nil || s.Limit < limitMin || s.Limit > limitMax {
		return SLO{}, fmt.Errorf("%w %q: the limit is a time from %v to %v, such as 5ms", ErrSLO, text, limitMin, limitMax)
	}
	return s, nil
}

// String is the notation of ParseSLO.
func (s SLO) String() string {
	return fmt.Sprintf("p%v:%v", s.Percentile, s.Limit)
}

// requestsMin is how many requests a window needs: ten have to be slower than
// the percentile, and as arrivals are random half as many again.
func (s SLO) requestsMin() float64 {
	const above, spare = 10, 1.5
	return math.Round(above * spare / (1 - s.Percentile/100))
}

// RateMin is the lowest rate at which windows of the given length support the
// percentile.
func (s SLO) RateMin(window time.Duration) float64 {
	return math.Ceil(s.requestsMin() / window.Seconds())
}

// Check refuses windows that have too few requests at every rate below to.
func (s SLO) Check(window time.Duration, to float64) error {
	least := s.RateMin(window)
	if least < to {
		return nil
	}
	enough := time.Duration(math.Ceil(2*s.requestsMin()/to)) * time.Second
	return fmt.Errorf("%w %v cannot be measured: windows of %v would have to have %.0f requests, at least %.0f a second, and the search ends at %.0f: measure windows of %v, or ask for a lower percentile",
		ErrSLO, s, window, s.requestsMin(), least, to, enough)
}

// achievedMin is the share of the offered requests that a window has to answer.
const achievedMin = 0.99

// generatorLateMax is the share of the limit that the generator's own p99 of
// lateness may take up before a failed window is said to be its own fault.
const generatorLateMax = 0.5

// workerShareMax is the share of its processor that a worker of the generator
// may use, as in package load.
const workerShareMax = 0.85

// ErrFault is a server that answers wrongly: no rate makes that right.
var ErrFault = errors.New("the server's replies are wrong")

// Judge says whether a window met the objective.
func (s SLO) Judge(r *load.Result) (Outcome, error) {
	all := r.Counts
	all.Add(&r.WarmupCounts)
	if all.Wrong > 0 || all.Duplicated > 0 && !r.Config.MayDouble() || all.Reordered > 0 && r.Config.Network != "udp" {
		return Failed, fmt.Errorf("%w: %d of wrong content, %d doubled, %d out of order",
			ErrFault, all.Wrong, all.Duplicated, all.Reordered)
	}
	at := r.Response.Percentile(s.Percentile, 0.95)
	answered := float64(r.Completed) >= achievedMin*float64(r.Arrivals)
	switch {
	case answered && at.Reportable && !at.Censored && time.Duration(at.Value) <= s.Limit && all.Disconnected+all.Dropped == 0:
		return Passed, nil
	case s.generatorsFault(r):
		return Void, nil
	}
	return Failed, nil
}

// generatorsFault is true when the generator had no time for its own part:
// requests that left late although no socket held them up.
func (s SLO) generatorsFault(r *load.Result) bool {
	if r.Audit.WorkerShare > workerShareMax {
		return true
	}
	lag := time.Duration(r.SendLag.Percentile(99, 0.95).Value)
	return r.Blocked == 0 && float64(lag) > generatorLateMax*float64(s.Limit)
}
