package stats

import "math"

// Drift is the two-sided p-value that none of several series, each in its order
// of time, has a trend in common with the others: the seasonal form of Mann's
// and Kendall's test (Hirsch, Slack and Smith 1982), by its normal law with the
// correction for ties. Series share nothing but the direction in which they
// move. It is 1 for fewer than ten values in all series together, where that law
// does not hold yet. A NaN is left out of its series.
func Drift(series ...[]float64) float64 {
	s, variance, values := 0.0, 0.0, 0
	for _, xs := range series {
		xs = finite(xs)
		values += len(xs)
		sum, v := kendall(xs)
		s, variance = s+sum, variance+v
	}
	if values < driftValuesMin || variance <= 0 {
		return 1
	}
	z := max(math.Abs(s)-1, 0) / math.Sqrt(variance)
	return math.Erfc(z / math.Sqrt2)
}

const driftValuesMin = 10

// kendall is the number of pairs that rise less those that fall, and the
// variance of that where there is no trend.
func kendall(xs []float64) (s, variance float64) {
	same := map[float64]float64{}
	for i, x := range xs {
		same[x]++
		for _, y := range xs[i+1:] {
			switch {
			case y > x:
				s++
			case y < x:
				s--
			}
		}
	}
	spread := func(n float64) float64 { return n * (n - 1) * (2*n + 5) / 18 }
	variance = spread(float64(len(xs)))
	for _, n := range same {
		variance -= spread(n)
	}
	return s, variance
}
