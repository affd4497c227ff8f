package balance

// rng is splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
// Generators, 2014): good enough to choose hosts, cheap enough for each pick.
type rng uint64

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	return mix(uint64(*r))
}

// mix is the output function of splitmix64, and the hash of keys.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// below returns a number in [0, n): Lemire's multiplication, whose bias of
// n/2^32 does not matter here.
func (r *rng) below(n int) int { return int(scale(uint32(r.next()>>32), n)) }

func scale(x uint32, n int) uint32 { return uint32(uint64(x) * uint64(n) >> 32) }

// float returns a number in [0, 1).
func (r *rng) float() float32 { return float32(r.next()>>40) / (1 << 24) }
