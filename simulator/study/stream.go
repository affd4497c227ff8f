package study

import (
	"math"
	"time"

	"lars/simulator/workload"
)

// request is a call with all that chance decides about it.
type request struct {
	at     time.Duration
	work   float32 // in mean service times
	luck   float32 // fails on a host whose share of errors is above
	key    uint32
	agent  uint16
	caller uint8
	poison bool
}

// stream draws the requests of a scenario; the same for every policy.
func (s *Scenario) stream(seed uint64) []request {
	r := workload.NewRandom(seed, "study "+s.ID)
	total := s.Rate * float64(s.Agents)
	end := s.Before + s.Window + s.After
	list := make([]request, 0, int(total*float64(end)/1e9*(1+s.Crowd)/2)+1000)
	for at := time.Duration(0); ; {
		rate := total
		if at >= s.Before && at < s.Before+s.Window {
			rate *= s.Crowd
		}
		at += time.Duration(-math.Log(1-r.Float())/rate*1e6+.5) * time.Microsecond
		if at >= end {
			return list
		}
		q := request{
			at: at, work: float32(.3 - float64(.7*math.Log(1-r.Float()))), luck: float32(r.Float()),
			agent: uint16(r.Intn(s.Agents)), caller: uint8(r.Intn(s.Callers)), key: uint32(r.Uint64()>>33) + 1,
		}
		q.poison = int(q.caller) < s.Poison
		if s.Keys > 0 {
			q.key = q.key%uint32(s.Keys) + 1
		}
		list = append(list, q)
	}
}
