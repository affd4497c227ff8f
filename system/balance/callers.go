package balance

import "math"

// callers keeps, for each caller, how its calls fare on all hosts. A failure
// is evidence against a host only as far as it surprises: a caller that sends
// poison fails everywhere, and its failures say nothing about the host. That
// is indirect standardisation, as in epidemiology: failures are held against
// those that the same callers would have had anywhere.
//
// Callers share buckets by a hash. That blurs the picture for those that meet
// in one, on the side of caution: failures surprise less.
type callers struct {
	all     fares
	buckets [32]fares
}

// fares is how calls fared, aged.
type fares struct{ calls, fails float32 }

const (
	// prior is how many calls the expectation of a caller is worth of which
	// nothing is known yet, and priorFails the share of failures expected when
	// nothing is known of any.
	prior      = 2
	priorFails = 0.05
	// rowWeight is what a failure counts in a host's row of failures, after
	// rowFrom of them: a dead host should not make its callers look bad, for
	// then nothing would speak against it. A caller that fails everywhere looks
	// bad all the same, for it has no successes.
	rowWeight = 0.125
	rowFrom   = 3
	// hopeless is the share of failures above which a caller's word counts for
	// nothing.
	hopeless = 0.8
	// leastFails is the least share of failures that is believed of anybody.
	leastFails = 0.01
)

// expect returns the share of failures to expect of a caller.
func (c *callers) expect(caller uint32) float32 {
	b := &c.buckets[mix(uint64(caller))%32]
	everybody := float32(c.all.fails+prior*priorFails) / (c.all.calls + prior)
	return max(float32(b.fails+float32(prior*everybody))/(b.calls+prior), leastFails)
}

// add counts a call; row is how many failures the host had in a row before.
func (c *callers) add(caller uint32, failed bool, row uint32) {
	b := &c.buckets[mix(uint64(caller))%32]
	weight := float32(1)
	if failed && row >= rowFrom {
		weight = rowWeight
	}
	for _, f := range [...]*fares{b, &c.all} {
		f.calls += weight
		if failed {
			f.fails += weight
		}
	}
}

func (c *callers) age(keep float32) {
	c.all.age(keep)
	for i := range c.buckets {
		c.buckets[i].age(keep)
	}
}

func (f *fares) age(keep float32) {
	f.calls *= keep
	f.fails *= keep
}

// surprise is -log2(p), to about a tenth: the exponent and the mantissa of p
// read as a line between powers of two (Mitchell 1962).
func surprise(p float32) float32 {
	return 127 - float32(math.Float32bits(p))/(1<<23)
}
