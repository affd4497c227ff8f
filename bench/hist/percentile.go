package hist

import "math"

// Percentile is one point of a distribution with what may be said of it.
type Percentile struct {
	P     float64 // the percentile, in percent: 99.9
	Value int64   // ns: the highest value equivalent to the sample of that rank
	// Low and High bound the true percentile at the confidence asked for, in
	// ns, by order statistics: they assume independent samples, so they are
	// the least that repetition would show.
	Low, High int64
	// Reportable is false when fewer than 10 samples lie above: Value is then
	// an anecdote.
	Reportable bool
	// Censored is true when the rank falls among the observations given up:
	// the percentile is above Value, by an unknown amount.
	Censored bool
	// HighOpen is true when the upper bound falls among those: High is then
	// only the largest value seen.
	HighOpen bool
}

// samplesAboveMin is how many samples must lie above a percentile for it to be
// reported: n(1-p) >= 10.
const samplesAboveMin = 10

// Percentile returns the p-th percentile (0 < p <= 100) with its interval at
// the given confidence (0.99, say). Ranks are over recorded and censored
// observations together. An empty recorder gives zeros, not reportable.
func (r *Recorder) Percentile(p, confidence float64) Percentile {
	total := r.n + r.censored
	out := Percentile{P: p}
	if total == 0 {
		return out
	}
	q := min(max(p/100, 0), 1)
	rank := rankOf(q, total)
	out.Value, out.Censored = r.atRank(rank)
	lo, hi := rankInterval(total, q, confidence)
	out.Low, _ = r.atRank(lo)
	out.High, out.HighOpen = r.atRank(hi)
	out.Reportable = samplesAbove(total, q) >= samplesAboveMin
	return out
}

// Percentiles is Percentile for each of ps, in order.
func (r *Recorder) Percentiles(confidence float64, ps ...float64) []Percentile {
	out := make([]Percentile, len(ps))
	for i, p := range ps {
		out[i] = r.Percentile(p, confidence)
	}
	return out
}

// HighestReportable is the highest percentile, in percent, that has at least
// ten observations above it; 0 when there are fewer than ten in all.
func (r *Recorder) HighestReportable() float64 {
	total := r.n + r.censored
	if total < samplesAboveMin {
		return 0
	}
	return 100 * (1 - samplesAboveMin/float64(total))
}

// samplesAbove is n(1-p), without the error of 1-0.999 that would refuse p99.9
// of exactly ten thousand.
func samplesAbove(n int64, q float64) float64 {
	return math.Round(float64(n)*(1-q)*1e6) / 1e6
}

// rankOf is the rank, from 1, that HdrHistogram takes for the quantile q.
func rankOf(q float64, n int64) int64 {
	return min(max(int64(q*float64(n)+0.5), 1), n)
}

// atRank is the highest equivalent value of the sample of that rank, capped at
// the exact maximum; beyond the recorded ones it is that maximum, and open.
func (r *Recorder) atRank(rank int64) (v int64, open bool) {
	if rank > r.n {
		return r.max, true
	}
	lo, hi := r.span()
	seen := int64(0)
	for i := lo; i < hi; i++ {
		if seen += r.counts[i]; seen >= rank {
			low, step := valueAt(i)
			return min(low+step-1, r.max), false
		}
	}
	return r.max, false
}

// rankInterval is the pair of ranks between which the true quantile q of n
// independent samples lies with the given confidence: l and u+1 where l and u
// are the binomial quantiles of alpha/2 and 1-alpha/2.
func rankInterval(n int64, q, confidence float64) (lo, hi int64) {
	alpha := 1 - min(max(confidence, 0), 1-1e-9)
	lo = binomialQuantile(alpha/2, n, q)
	hi = binomialQuantile(1-alpha/2, n, q) + 1
	return min(max(lo, 1), n), min(max(hi, 1), n)
}

// varianceNormal is the variance of the binomial from which its quantiles are
// taken from the normal law with a correction for skew: the error is then well
// under one rank. Below it the probabilities are summed.
const varianceNormal = 1000

// binomialQuantile is the smallest k with P(B(n,p) <= k) >= prob.
func binomialQuantile(prob float64, n int64, p float64) int64 {
	if p <= 0 {
		return 0
	}
	if p >= 1 {
		return n
	}
	mean, variance := float64(n)*p, float64(n)*p*(1-p)
	if variance <= varianceNormal {
		return binomialSum(prob, n, p)
	}
	sd := math.Sqrt(variance)
	z := math.Sqrt2 * math.Erfinv(2*prob-1)
	skew := (1 - 2*p) / sd
	k := math.Ceil(mean + sd*(z+skew*(z*z-1)/6) - 0.5)
	return int64(min(max(k, 0), float64(n)))
}

// binomialSum is binomialQuantile by adding probabilities, from twelve standard
// deviations below the mean where nothing is lost that matters here.
func binomialSum(prob float64, n int64, p float64) int64 {
	mean, sd := float64(n)*p, math.Sqrt(float64(n)*p*(1-p))
	k := int64(max(0, math.Floor(mean-12*sd-12)))
	term := binomialTerm(k, n, p)
	odds := p / (1 - p)
	for sum := term; sum < prob && k < n; sum += term {
		term *= odds * float64(n-k) / float64(k+1)
		k++
		if float64(k) > mean+12*sd+12 {
			break
		}
	}
	return k
}

func binomialTerm(k, n int64, p float64) float64 {
	lg := func(x int64) float64 { v, _ := math.Lgamma(float64(x + 1)); return v }
	return math.Exp(lg(n) - lg(k) - lg(n-k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
}
