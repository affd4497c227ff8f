package stages

import (
	"context"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lars/backends"
	"lars/bench/load"
	"lars/bench/record"
	"lars/bench/server"
)

// serve runs "lars serve echo" in this process until the test ends.
func serve(t *testing.T, args ...string) netip.AddrPort {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- server.Commands(backends.Open, backends.Names()).Run(ctx, w, io.Discard, append([]string{"echo", "--listen", "127.0.0.1:0", "--stamps"}, args...))
	}()
	t.Cleanup(func() {
		cancel()
		go func() { _, _ = io.Copy(io.Discard, r) }()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	buf := make([]byte, 100)
	n, err := r.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return netip.MustParseAddrPort(strings.TrimSpace(strings.TrimPrefix(string(buf[:n]), "listening on ")))
}

// TestStages: every backend tells its times, they are in order, and the stages
// of a request sum up to its response.
func TestStages(t *testing.T) {
	for _, backend := range backends.Names() {
		for _, network := range []string{"tcp", "udp"} {
			t.Run(backend+" "+network, func(t *testing.T) {
				args := []string{"--backend", backend}
				if network == "udp" {
					args = append(args, "--udp")
				}
				w := New()
				c := load.Config{
					Network: network, Addr: serve(t, args...), Workload: w, Conns: 4, Rate: 1000, Warmup: 100 * time.Millisecond, Duration: 200 * time.Millisecond,
				}
				r, err := load.Run(t.Context(), c)
				if err != nil {
					t.Fatal(err)
				}
				if r.Wrong+r.Disconnected != 0 || w.Backwards() != 0 {
					t.Errorf("%d wrong, %d out of order", r.Wrong, w.Backwards())
				}
				got, err := w.Record("arm")
				if err != nil || len(got) != len(names) {
					t.Fatalf("%d stages: %+v, %v", len(got), got, err)
				}
				var sum int64
				for i, s := range got {
					if s.Stage != names[i] || s.Count != r.Response.Count() {
						t.Errorf("stage %d: %+v of %d responses", i, s, r.Response.Count())
					}
					if s.Stage != record.StageResponse {
						sum += w.hists[i].Sum()
					}
				}
				all := w.hists[len(names)-1].Sum()
				// A stage that the two clocks' error made negative counts as 0.
				if most := all + int64(slack)*r.Response.Count(); sum < all || sum > most || all != r.Response.Sum() {
					t.Errorf("stages sum up to %d, responses to %d and %d", sum, all, r.Response.Sum())
				}
			})
		}
	}
}

// TestWhere: a slow stage is found where it is.
func TestWhere(t *testing.T) {
	w := New()
	reply := w.MakeRequest(nil, 0, 0)
	body := reply[len(reply)-server.StampBytes:]
	copy(body, []byte{200, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0}) // 200, 256, 512
	for range 2000 {
		w.Times(reply, 10, 50, 1000)
	}
	want := []int64{40, 150, 56, 256, 488, 990}
	got, err := w.Record("arm")
	if err != nil || len(got) != len(want) {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, s := range got {
		if s.HGrm != "stage.arm."+s.Stage+".hgrm" || s.HDR == "" || s.P50NS != want[i] || s.P50LowNS != want[i] || s.P50HighNS != want[i] || s.P99NS != want[i] || s.P99LowNS != want[i] || s.P99HighNS != want[i] || s.P999NS != 0 || s.Count != 2000 {
			t.Errorf("%+v, want %d ns", s, want[i])
		}
	}
	w.Times(reply, 10, time.Second, 2*time.Second)
	if w.Backwards() != 1 {
		t.Error("a server that read before it was sent anything goes unnoticed")
	}
}

func TestCheckReply(t *testing.T) {
	w := New()
	good := w.MakeRequest(nil, 3, 77)
	if _, is := w.CheckReply(good, 3, 0); is != load.Wrong {
		t.Error("a reply without stamps is taken")
	}
	good[len(good)-server.StampBytes] = 1
	if seq, is := w.CheckReply(good, 3, 0); seq != 77 || is != load.Answer {
		t.Errorf("a good reply is %v of %d", is, seq)
	}
	other := append([]byte(nil), good...)
	other[0]++
	for name, bad := range map[string][]byte{"short": good[:len(good)-1], "another message": other, "empty": nil} {
		if _, is := w.CheckReply(bad, 3, 0); is != load.Wrong {
			t.Errorf("%s: %v", name, is)
		}
	}
	if _, is := w.CheckReply(good, 4, 0); is != load.Wrong {
		t.Error("another connection's reply is taken")
	}
}

// TestNoAllocations: it runs on the generator's own thread.
func TestNoAllocations(t *testing.T) {
	w, buf := New(), make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() {
		reply := w.MakeRequest(buf, 1, 2)
		reply[len(reply)-server.StampBytes] = 1
		if _, is := w.CheckReply(reply, 1, 0); is == load.Answer {
			w.Times(reply, 1, 2, 3)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a request", n)
	}
}
