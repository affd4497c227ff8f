package sim

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestQueue sets, moves and unsets events at random; they come out by time,
// then in the order in which they were set last.
func TestQueue(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	type setting struct {
		at  time.Duration
		seq int
		ev  *event
	}
	for range 200 {
		var q queue
		events := make([]event, 1+random.IntN(60))
		model := map[*event]setting{}
		for seq := range 300 {
			ev := &events[random.IntN(len(events))]
			switch random.IntN(5) {
			case 0:
				q.unset(ev)
				delete(model, ev)
			default:
				at := time.Duration(random.IntN(20))
				q.set(ev, at)
				model[ev] = setting{at, seq, ev}
			}
			if at, queued := q.at(ev); queued != (model[ev].ev != nil) || at != model[ev].at {
				t.Fatalf("at says %v, %v; want %+v", at, queued, model[ev])
			}
		}
		var want []setting
		for _, s := range model {
			want = append(want, s)
		}
		slices.SortFunc(want, func(a, b setting) int {
			if a.at != b.at {
				return int(a.at - b.at)
			}
			return a.seq - b.seq
		})
		for i, s := range want {
			if ev, at := q.pop(); ev != s.ev || at != s.at {
				t.Fatalf("event %d of %d came at %v, want %v", i, len(want), at, s.at)
			}
		}
		if len(q.heap) != 0 {
			t.Fatalf("%d events are left", len(q.heap))
		}
	}
}
