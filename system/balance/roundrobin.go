package balance

// roundRobin picks hosts in turn. With weights it is the static stride
// scheduler of gRPC (its proposal A58): going round, a host is passed over in
// as many of 65535 rounds as its weight is below the largest, each host at
// other rounds. Picks are smooth as with nginx's smooth weighted round robin,
// at constant cost. Weights above ten times the mean count as that, and
// after 64 hosts passed over the next is taken.
//
// It starts anywhere, so agents do not march in step; there is one place for
// each zone.
type roundRobin struct{}

func (roundRobin) choose(p *pool, set *candidates, _ Ask) int32 {
	n := len(set.list)
	for tries := 0; ; tries++ {
		if set.next++; set.next >= n {
			set.next %= n
			set.turn++
		}
		i := set.list[set.next]
		if p.uniform || tries >= triesMax {
			return i
		}
		stride := uint64(p.slots[i].stride)
		if (stride*uint64(set.turn)+uint64(set.next)*32767)%65535 >= 65535-stride {
			return i
		}
	}
}

func (roundRobin) rebuilt(*pool, bool) {}

// random picks any host, each by its share: no state, no steps in common.
type random struct{}

func (random) choose(p *pool, set *candidates, _ Ask) int32 { return p.sample(set.list) }
func (random) rebuilt(*pool, bool)                          {}
