package study

import "time"

// slice is how long calls of a host are counted together to see its rate.
const slice = 100 * time.Millisecond

// flyingMax bounds the calls in flight at one host that are told apart.
const flyingMax = 4096

// load is what hosts have to do: calls in flight, and how evenly they come.
type load struct {
	flying []int // calls of each host that somebody waits for
	most   int
	seen   []int // slices begun, by calls in flight; of all hosts together
	rates  []rate
	next   time.Duration // when this slice ends
	slices int
}

// rate is of one host: its calls in this slice, and what all of them came to.
type rate struct{ now, sum, squares int }

func newLoad(hosts int, from time.Duration) load {
	return load{flying: make([]int, hosts), seen: make([]int, flyingMax), rates: make([]rate, hosts), next: from + slice}
}

// pass ends the slices that are over at a time, all hosts of the route first in
// the list.
func (l *load) pass(at time.Duration, hosts int) {
	for ; l.next <= at; l.next += slice {
		l.slices++
		for h := range hosts {
			r := &l.rates[h]
			r.sum, r.squares, r.now = r.sum+r.now, r.squares+r.now*r.now, 0
			l.seen[min(l.flying[h], flyingMax-1)]++
		}
	}
}

// flight is the mean of the calls in flight at a host, and their 99 % quantile
// over hosts and slices.
func (l *load) flight() (mean, p99 float64) {
	all, sum := 0, 0
	for n, times := range l.seen {
		all, sum = all+times, sum+n*times
	}
	below := 0
	for n, times := range l.seen {
		if below += times; below > 0 && 100*below >= 99*all {
			return share(sum, all), float64(n)
		}
	}
	return 0, 0
}

// herd is the variance of a host's calls in a slice, over their mean; the mean of
// the hosts that count. Chance alone makes it 1.
func (l *load) herd(counts func(h int) bool, hosts int) float64 {
	sum, n := 0.0, 0
	for h, r := range l.rates[:hosts] {
		if r.sum == 0 || !counts(h) {
			continue
		}
		mean := float64(r.sum) / float64(l.slices)
		variance := max(0, float64(r.squares)/float64(l.slices)-float64(mean*mean))
		sum, n = sum+variance/mean, n+1
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}
