package agree

import "math"

// The tolerances, in shares. Of calls: callers that are held up by a busy machine
// move calls over the border of a fault, and have more of them under way when it
// begins. Of agents: some decide near the end of a fault.
const (
	CallsTolerance  = 0.001
	AgentsTolerance = 0.1
)

// Verdicts.
const (
	Inside    = "inside"
	Tolerated = "within the tolerance"
	Outside   = "outside"
)

// Finding is one figure of one plan.
type Finding struct {
	Plan    string    `json:"plan"`
	Figure  string    `json:"figure"`
	Virtual []float64 `json:"virtual"` // of each seed, in their order
	Live    []float64 `json:"live"`    // the same
	// Low and High are the 99 % prediction interval of the mean of the live runs,
	// if these are as the virtual ones (Student).
	Low       float64 `json:"low"`
	High      float64 `json:"high"`
	Tolerance float64 `json:"tolerance"`
	Mean      float64 `json:"mean"` // of the live runs
	Verdict   string  `json:"verdict"`
}

func (f *Finding) judge() {
	n, k := float64(len(f.Virtual)), float64(len(f.Live))
	center, deviation := spread(f.Virtual)
	half := student(len(f.Virtual)-1) * deviation * math.Sqrt(1/n+1/k)
	f.Low, f.High = max(0, center-half), min(1, center+half)
	f.Mean, _ = spread(f.Live)
	const rounding = 1e-12
	switch away := max(f.Low-f.Mean, f.Mean-f.High); {
	case away <= rounding:
		f.Verdict = Inside
	case away <= f.Tolerance+rounding:
		f.Verdict = Tolerated
	default:
		f.Verdict = Outside
	}
}

// spread is the mean and the standard deviation.
func spread(x []float64) (mean, deviation float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		deviation += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(deviation / float64(max(len(x)-1, 1)))
}

// student is the 99.5 % quantile of Student's t: by table, above it by the
// expansion around the normal quantile (Abramowitz and Stegun, 26.7.5).
func student(freedom int) float64 {
	table := [...]float64{63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169}
	if freedom <= len(table) {
		return table[freedom-1]
	}
	const z = 2.575829
	n := float64(freedom)
	return z + (z*z*z+z)/(4*n) + (5*z*z*z*z*z+16*z*z*z+3*z)/(96*n*n)
}
