package stats

import "math"

// RoundsMax is the largest number of rounds that the exact interval is
// computed for. Above it the exact tail is still exact but slow to no purpose.
const RoundsMax = 1000

// Interval is a range that holds the true centre with at least Confidence.
type Interval struct {
	Low, High  float64
	Confidence float64 // what the ranks really give, at least what was asked for
}

// SignedRankInterval is the exact Wilcoxon signed-rank interval for the centre
// of xs (Hollander and Wolfe, Nonparametric Statistical Methods, 3.4): no
// assumption but independent rounds and a symmetric law. ok is false when there
// are too few rounds for that confidence (six are needed for 0.95), or more
// than RoundsMax.
func SignedRankInterval(xs []float64, confidence float64) (Interval, bool) {
	if len(xs) > RoundsMax {
		return Interval{}, false
	}
	return signedRankInterval(walsh(xs), len(xs), confidence)
}

// signedRankInterval works on the sorted Walsh averages of n values.
func signedRankInterval(w []float64, n int, confidence float64) (Interval, bool) {
	if n == 0 || !(confidence > 0 && confidence < 1) {
		return Interval{}, false
	}
	c, tail := criticalRank(n, (1-confidence)/2)
	if c < 0 {
		return Interval{}, false
	}
	return Interval{Low: w[c], High: w[len(w)-1-c], Confidence: 1 - 2*tail}, true
}

// criticalRank is the largest c with P(W+ <= c) <= alpha for n rounds, and that
// probability; -1 when even P(W+ <= 0) is larger.
func criticalRank(n int, alpha float64) (c int, tail float64) {
	// The last digit of (1-confidence)/2 must not decide at an exact tie.
	alpha *= 1 + 1e-9
	c = -1
	sum := 0.0
	for w, p := range signedRankLaw(n) {
		if sum+p > alpha {
			break
		}
		sum += p
		c = w
	}
	return c, sum
}

// signedRankLaw is P(W+ = w) for w = 0 to n(n+1)/2: each rank is in the sum or
// not, with probability one half.
func signedRankLaw(n int) []float64 {
	law := make([]float64, n*(n+1)/2+1)
	law[0] = 1
	top := 0
	for rank := 1; rank <= n; rank++ {
		top += rank
		for w := top; w >= 0; w-- {
			law[w] /= 2
			if w >= rank {
				law[w] += law[w-rank] / 2
			}
		}
	}
	return law
}

// Ratio is how one arm compares with another over paired rounds.
type Ratio struct {
	Value  float64 // Hodges-Lehmann centre of a/b, on the log scale; NaN without rounds
	Rounds int     // pairs that were used
	// Interval of Value; meaningful only if Known.
	Interval
	Known bool
}

// PairedRatio compares a[i] with b[i], taken in the same round, as a/b. Pairs
// in which either is not a positive number are left out. The interval is exact
// (SignedRankInterval) on the logarithms.
func PairedRatio(a, b []float64, confidence float64) Ratio {
	logs := make([]float64, 0, len(a))
	for i := range min(len(a), len(b)) {
		if d := math.Log(a[i] / b[i]); a[i] > 0 && b[i] > 0 && !math.IsInf(d, 0) && !math.IsNaN(d) {
			logs = append(logs, d)
		}
	}
	r := Ratio{Value: math.Exp(HodgesLehmann(logs)), Rounds: len(logs)}
	in, ok := SignedRankInterval(logs, confidence)
	if ok {
		r.Known = true
		r.Interval = Interval{math.Exp(in.Low), math.Exp(in.High), in.Confidence}
	}
	return r
}
