// Package stats holds the few estimates that the lab prints: medians, their
// spread, and the ratio of two arms over paired rounds with an exact interval.
//
// It is pure: numbers in, numbers out, inputs unchanged. It is for reports and
// comparisons. What it will not do: assume a normal law, pool samples of
// different rounds, average percentiles, or print an interval that the number
// of rounds cannot support.
package stats

import (
	"cmp"
	"math"
	"slices"
)

// Median is the middle of xs, or the mean of the two middle ones. NaN for none.
func Median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(xs))
	return middle(s)
}

// middle is the median of sorted values.
func middle(s []float64) float64 {
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}

// MAD is the median absolute deviation from the median, in the unit of xs, not
// scaled to a standard deviation. NaN for none, 0 for one.
func MAD(xs []float64) float64 {
	m := Median(xs)
	deviations := make([]float64, len(xs))
	for i, x := range xs {
		deviations[i] = math.Abs(x - m)
	}
	return Median(deviations)
}

// Limits at which a value lies far from the others: so many median deviations
// from the median of all, and by at least that share of it. Of two values the
// deviations are always the same, so these are compared with each other: the
// larger is so many times the smaller.
const (
	farMADs  = 5
	farShare = 0.05
	farTwo   = 1.5
)

// Far are the indices of the values that lie far from the others; of two that
// differ both, as neither is the right one. None is negative, and of two a zero
// is one that is not known.
func Far(xs []float64) []int {
	if len(xs) == 2 {
		if least := min(xs[0], xs[1]); least > 0 && max(xs[0], xs[1]) > farTwo*least {
			return []int{0, 1}
		}
		return nil
	}
	var out []int
	middle, mad := Median(xs), MAD(xs)
	for i, x := range xs {
		if off := math.Abs(x - middle); off > farMADs*mad && off > farShare*middle {
			out = append(out, i)
		}
	}
	return out
}

// MedianRanks gives the order statistics, from 0, of n independent samples
// between which their median lies with at least the given confidence; false when
// n is too small (below 6 for 0.95). The law of the lower one is binomial.
func MedianRanks(n int, confidence float64) (low, high int, ok bool) {
	tail := math.Pow(0.5, float64(n)) // P(B(n, 1/2) = k), k from 0
	sum := 0.0
	for k := 0; k < n/2; k++ {
		if sum += tail; sum > (1-confidence)/2 {
			return k - 1, n - k, k > 0
		}
		tail *= float64(n-k) / float64(k+1)
	}
	return 0, n - 1, false
}

// HodgesLehmann is the median of the Walsh averages of xs: the centre that the
// signed-rank test estimates. As robust as one needs here, and 95 % as precise
// as the mean where the mean is best (Hodges and Lehmann 1963). NaN for none.
func HodgesLehmann(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	return middle(walsh(xs))
}

// walsh is the sorted averages (x_i + x_j)/2 for i <= j.
func walsh(xs []float64) []float64 {
	out := make([]float64, 0, len(xs)*(len(xs)+1)/2)
	for i, x := range xs {
		for _, y := range xs[i:] {
			out = append(out, x/2+y/2)
		}
	}
	slices.Sort(out)
	return out
}

// ascending is the order of the indices of xs by value.
func ascending(xs []float64) []int {
	order := make([]int, len(xs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(xs[a], xs[b]) })
	return order
}
