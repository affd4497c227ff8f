package load

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestChurn: a connection for each request, closed and open, the books balanced.
func TestChurn(t *testing.T) {
	s := startFloor(t, nil)
	for name, c := range map[string]Config{
		"closed": {Conns: 5}, "open": {Conns: 20, Rate: 1000}, "two workers": {Conns: 6, Workers: 2}, "more than free": {Conns: 1, Rate: 200},
	} {
		t.Run(name, func(t *testing.T) {
			c.Addr, c.PIDs, c.Churn, c.Warmup, c.Duration, c.Every = s.addr, []int{s.pid}, true, 20*time.Millisecond, 150*time.Millisecond, 40*time.Millisecond
			r := checkBooks(t, c)
			all := r.Counts
			all.Add(&r.WarmupCounts)
			// Each connection serves one request, the first of each slot is there before.
			if all.Connects == 0 || all.Sent > all.Connects+uint64(c.Conns) || all.Blocked != 0 {
				t.Errorf("%d connections, %d requests: %+v", all.Connects, all.Sent, all)
			}
		})
	}
}

// TestChurnFaults: servers that are wrong in a way that only a new connection
// shows.
func TestChurnFaults(t *testing.T) {
	addr := serveTCP(t, func(int, []byte) [][]byte { return nil }) // closes without a reply
	r := runLoad(t, Config{Addr: addr, Conns: 2, Churn: true, Duration: 5 * time.Second})
	if r.Disconnected == 0 || Worst(r.Judge()) != Invalid {
		t.Errorf("closed without a reply: %+v", r.Counts)
	}
	r = runLoad(t, Config{Addr: acceptOnly(t, 3), Conns: 2, Churn: true, Duration: 5 * time.Second})
	if r.Disconnected != 2 || !r.Cut || Worst(r.Judge()) != Invalid {
		t.Errorf("refused later: %+v", r.Counts)
	}
	for _, c := range []Config{{Network: "udp"}, {Depth: 2}, {Rate: 5, Workload: oneWay{}}} {
		c.Addr, c.Churn, c.Duration = addr, true, time.Second
		if err := c.Validate(); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// acceptOnly echoes on the first n connections and then listens no more.
func acceptOnly(t *testing.T, n int) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for range n {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveConn(c, echoAnswer)
		}
		l.Close()
	}()
	return netip.MustParseAddrPort(l.Addr().String())
}

// everyThird has a reply to two of three requests.
type everyThird struct{ Echo }

func (everyThird) Answered(_ int, seq uint64) bool { return seq%3 != 0 }

// thirds is the server of it: request n has the number n, so far.
func thirds(n int, r []byte) [][]byte {
	if n%3 == 0 {
		return [][]byte{}
	}
	return [][]byte{r}
}

func TestPartly(t *testing.T) {
	tcp := serveTCP(t, thirds)
	for name, c := range map[string]Config{
		"closed": {Conns: 3}, "deep": {Depth: 7}, "open": {Conns: 2, Rate: 900},
		"udp": {Network: "udp"}, "udp deep": {Network: "udp", Depth: 8}, "udp open": {Network: "udp", Rate: 900},
	} {
		t.Run(name, func(t *testing.T) {
			c.Addr = tcp
			c.Workload, c.Timeout = everyThird{}, time.Minute
			var all Counts // with what a late generator sends while draining
			c.OnInterval = func(v *Interval) { all.Add(&v.Counts) }
			r := inTime(t, func(k time.Duration) Config {
				c.Duration, all = k*150*time.Millisecond, Counts{}
				if c.udp() { // which counts the requests of a run
					c.Addr = serveUDP(t, thirds)
				}
				return c
			}, func(r *Result) bool { return r.Completed > 2 })
			if r.Wrong+r.Lost+r.Duplicated+r.Reordered+r.TimedOut != 0 || r.OneWay == 0 || r.OneWay > r.Completed/2+1 {
				t.Errorf("%+v", r.Counts)
			}
			if n := uint64(r.Response.Count()); n > all.Sent-all.OneWay || n+uint64(c.Depth) < r.Completed-r.OneWay {
				t.Errorf("%d responses: %+v", n, r.Counts)
			}
		})
	}
	r := runLoad(t, Config{Addr: serveTCP(t, echoAnswer), Workload: everyThird{}, Duration: 100 * time.Millisecond})
	if r.Duplicated == 0 || Worst(r.Judge()) != Invalid {
		t.Errorf("a reply where none may be: %+v", r.Counts)
	}
}

func TestViolations(t *testing.T) {
	r := goodResult(func(r *Result) { r.Stale, r.Lost, r.Faults = 2, 1, []string{"the server grew"} })
	if got := strings.Join(r.Violations(), "; "); got != "2 routes were older than one before; 1 requests were never answered; the server grew" {
		t.Errorf("%q", got)
	}
	r.Config.Network = "udp" // a datagram may be lost
	if got := r.Violations(); len(got) != 2 || Worst(r.Judge()) != Invalid {
		t.Errorf("%q", got)
	}
}

// TestOneWayLag: of what has no reply the send lag is judged by itself.
func TestOneWayLag(t *testing.T) {
	for lag, want := range map[time.Duration]Verdict{time.Millisecond: Valid, 20 * time.Millisecond: Degraded, 200 * time.Millisecond: Invalid} {
		r := goodResult(func(r *Result) {
			r.Config.Workload, r.Config.Depth = oneWay{}, 256
			lags(r, int64(lag))
			r.Response.Reset()
		})
		if got := Worst(r.Judge()); got != want {
			t.Errorf("%v: %v, %v", lag, got, r.Judge())
		}
	}
}

// TestChurnSent: connecting is part of the service, not a lateness of the
// generator; a request on a connection that stood before is sent when it is sent.
func TestChurnSent(t *testing.T) {
	for _, c := range []struct{ began, want int64 }{{0, 900}, {600, 600}} {
		w := &worker{open: true, group: newGroup(1), queued: 1}
		request := &conn{began: c.began, fd: -1}
		request.push(500)
		w.sent(request, 1, 900)
		lag := w.group.arms[0].SendLag
		if got := request.at(0).sent; got != c.want || lag.Count() != 1 || lag.Max() != c.want-500 {
			t.Errorf("began at %d: sent at %d, lag %v", c.began, got, lag.Max())
		}
		if request.hangUp(); request.began != 0 {
			t.Error("the next connection has begun")
		}
	}
}
