package load

import (
	"sync"
	"testing"
	"time"
)

// witness is an echo that remembers every request it was asked to make.
type witness struct {
	Echo
	mu   *sync.Mutex
	made map[[2]uint64]int
}

func (w witness) MakeRequest(dst []byte, conn int, seq uint64) []byte {
	w.mu.Lock()
	w.made[[2]uint64{uint64(conn), seq}]++
	w.mu.Unlock()
	return w.Echo.MakeRequest(dst, conn, seq)
}

// TestDuet: both servers get the same requests, and each one's books balance.
func TestDuet(t *testing.T) {
	a, b := startFloor(t, nil), startFloor(t, nil)
	for name, c := range map[string]Config{
		"open":              {Conns: 7, Rate: 3000, Seed: 5},
		"open, two workers": {Conns: 7, Rate: 3000, Seed: 5, Workers: 2},
		"closed":            {Conns: 4, Depth: 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := witness{Echo{}, new(sync.Mutex), map[[2]uint64]int{}}
			var sums [2]Counts
			c.Addr, c.Rival, c.PIDs = a.addr, b.addr, []int{a.pid, b.pid}
			c.Warmup, c.Duration, c.Every = 50*time.Millisecond, 300*time.Millisecond, 50*time.Millisecond
			c.OnInterval = func(v *Interval) {
				for i := range v.Arms {
					sums[i].Add(&v.Arms[i].Counts)
				}
			}
			d := c.Duration
			r := inTime(t, func(k time.Duration) Config {
				sums, w.made, c.Duration = [2]Counts{}, map[[2]uint64]int{}, k*d
				c.Workload = w
				return c
			}, func(r *Result) bool { return min(r.Arms[0].Completed, r.Arms[1].Completed) > 0 })
			if len(r.Arms) != 2 || len(r.Server) != 2 {
				t.Fatalf("%d arms, %d servers", len(r.Arms), len(r.Server))
			}
			for i, arm := range r.Arms {
				if s := sums[i]; s.Arrivals != s.Completed || s.Completed == 0 || s.BytesIn != s.BytesOut {
					t.Errorf("arm %d: %+v", i, s)
				}
				if arm.Response.Count() == 0 || arm.Lost+arm.Wrong+arm.Disconnected != 0 {
					t.Errorf("arm %d: %d responses, %+v", i, arm.Response.Count(), arm.Counts)
				}
				if r.Server[i].Err != nil || r.Server[i].Used <= 0 {
					t.Errorf("arm %d: server %+v", i, r.Server[i])
				}
			}
			if r.Completed != r.Arms[0].Completed+r.Arms[1].Completed || r.Response.Count() != r.Arms[0].Response.Count()+r.Arms[1].Response.Count() {
				t.Errorf("the sums are not those of the arms: %+v", r.Counts)
			}
			if !c.Open() {
				return
			}
			for request, n := range w.made {
				if n != 2 {
					t.Errorf("request %v was made %d times", request, n)
				}
			}
			x, y := r.Arms[0], r.Arms[1]
			if x.Arrivals != y.Arrivals || x.First+y.First != x.Arrivals || x.First < x.Arrivals/3 || y.First < y.Arrivals/3 {
				t.Errorf("arrivals %d and %d, first %d and %d", x.Arrivals, y.Arrivals, x.First, y.First)
			}
		})
	}
}

// TestDuetTellsArmsApart: what one server does is not counted for the other.
func TestDuetTellsArmsApart(t *testing.T) {
	const delay = 20 * time.Millisecond
	good := serveTCP(t, echoAnswer)
	slow := serveTCP(t, func(_ int, request []byte) [][]byte {
		time.Sleep(delay)
		return [][]byte{request}
	})
	twice := serveTCP(t, func(_ int, request []byte) [][]byte { return [][]byte{request, request} })
	c := Config{Conns: 4, Rate: 100, Duration: 300 * time.Millisecond, Addr: good, Rival: slow}
	r := runLoad(t, c)
	if least := time.Duration(r.Arms[1].Response.Min()); least < delay {
		t.Errorf("the slow server answered in %v", least)
	}
	if x, y := r.Arms[0].Response, r.Arms[1].Response; x.Count() != y.Count() || x.Percentile(50, 0.9).Value >= y.Percentile(50, 0.9).Value {
		t.Errorf("%d and %d responses, medians %d and %d", x.Count(), y.Count(), x.Percentile(50, 0.9).Value, y.Percentile(50, 0.9).Value)
	}
	c.Addr, c.Rival = twice, good
	r = runLoad(t, c)
	if r.Arms[0].Duplicated == 0 || r.Arms[1].Duplicated != 0 || Worst(r.Judge()) != Invalid {
		t.Errorf("duplicated %d and %d, %v", r.Arms[0].Duplicated, r.Arms[1].Duplicated, r.Judge())
	}
}

// TestDuetEndsWithAnArm: one server alone is another load than both.
func TestDuetEndsWithAnArm(t *testing.T) {
	good := serveTCP(t, echoAnswer)
	dying := serveTCP(t, func(n int, request []byte) [][]byte {
		if n > 10 {
			return nil
		}
		return [][]byte{request}
	})
	for name, c := range map[string]Config{"open": {Rate: 500}, "closed": {}} {
		c.Conns, c.Addr, c.Rival, c.Duration = 2, good, dying, time.Hour
		r := runLoad(t, c)
		if !r.Cut || r.Arms[1].Disconnected != 2 || r.Arms[0].Disconnected != 0 || Worst(r.Judge()) != Invalid {
			t.Errorf("%s: cut %v, disconnected %d and %d, %v", name, r.Cut, r.Arms[0].Disconnected, r.Arms[1].Disconnected, r.Judge())
		}
	}
}
