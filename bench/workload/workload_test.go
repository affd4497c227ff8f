package workload

import (
	"errors"
	"testing"

	"lars/bench/load"
	"lars/reactor/frame"
	"lars/system/wire"
)

var small = Routes{Modules: 20, Hosts: 3}

func TestRoutes(t *testing.T) {
	for _, r := range []Routes{small, {ModulesMax, 3}, {300, HostsMax}} {
		hosts := map[wire.HostInfo]bool{}
		for i := range r.Modules {
			modid, cmdid := r.Module(i)
			if at, ok := wire.PortFor(modid, cmdid); !ok || at != 0 {
				t.Fatalf("module %d,%d belongs to port %d", modid, cmdid, at)
			}
			if got, ok := r.Index(modid, cmdid); !ok || got != i {
				t.Fatalf("module %d: index %d, %v", i, got, ok)
			}
			for j := range r.Hosts {
				h := r.Host(i, j)
				if hosts[h] || !r.Has(i, h) || r.Has(i+1, h) {
					t.Fatalf("host %d of module %d: %+v", j, i, h)
				}
				hosts[h] = true
			}
			if r.Has(i, r.Host(i, r.Hosts)) {
				t.Fatalf("module %d has a host too many", i)
			}
		}
		if first, last := r.Answer(0), r.Answer(r.Modules-1); first.Size() != last.Size() {
			t.Errorf("answers of %d and %d bytes", first.Size(), last.Size())
		}
	}
	for _, ids := range [][2]int32{{999, 201}, {1020, 200}, {1000, 201}, {-1, 0}} {
		if i, ok := small.Index(ids[0], ids[1]); ok {
			t.Errorf("module %v is %d", ids, i)
		}
	}
}

func TestRoutesCheck(t *testing.T) {
	for _, r := range []Routes{{}, {0, 1}, {ModulesMax + 1, 1}, {1, 0}, {1, HostsMax + 1}} {
		_, e1 := NewGetHost(r)
		_, e2 := NewGetRoute(r, false)
		_, e3 := NewReport(r)
		for _, err := range []error{r.Check(), e1, e2, e3} {
			if !errors.Is(err, ErrRoutes) {
				t.Errorf("%+v: %v", r, err)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	for _, c := range []struct{ oldest, remainder, modulus, want uint64 }{
		{0, 0, 10, 0}, {0, 4, 10, 4}, {0, 7, 10, 7}, {100, 7, 10, 97}, {100, 4, 10, 104}, {99, 9, 10, 99}, {99, 0, 10, 100}, {5, 0, 1, 5},
	} {
		if got := nearest(c.oldest, c.remainder, c.modulus); got != c.want {
			t.Errorf("nearest(%d, %d, %d) = %d, want %d", c.oldest, c.remainder, c.modulus, got, c.want)
		}
	}
}

// answer is what a right agent or dns says to a request.
func answer(t *testing.T, request []byte, spoil func(*wire.GetHostResponse, *wire.GetRouteResponse)) []byte {
	t.Helper()
	id, size, err := frame.Next(request, frame.BodyBytesMax)
	if err != nil || size != len(request) {
		t.Fatalf("no frame: %x, %v", request, err)
	}
	var host wire.GetHostRequest
	var route wire.GetRouteRequest
	if id == wire.IDGetHostRequest {
		if err := host.Decode(request[frame.HeadBytes:]); err != nil {
			t.Fatal(err)
		}
		i, _ := small.Index(host.ModID, host.CmdID)
		a := wire.GetHostResponse{Seq: host.Seq, ModID: host.ModID, CmdID: host.CmdID, HasHost: true, Host: small.Host(i, 1)}
		spoil(&a, nil)
		return frame.Append(nil, wire.IDGetHostResponse, a.AppendTo(nil))
	}
	if err := route.Decode(request[frame.HeadBytes:]); err != nil {
		t.Fatal(err)
	}
	i, _ := small.Index(route.ModID, route.CmdID)
	a := small.Answer(i)
	spoil(nil, &a)
	return frame.Append(nil, wire.IDGetRouteResponse, a.AppendTo(nil))
}

func asIs(*wire.GetHostResponse, *wire.GetRouteResponse) {}

// TestRightReplies: a right reply is that to its own request, also behind and
// ahead of the oldest that waits, and at the turn of the numbers.
func TestRightReplies(t *testing.T) {
	host, _ := NewGetHost(small)
	route, _ := NewGetRoute(small, false)
	edited, _ := NewGetRoute(small, true)
	for _, w := range []load.Workload{host, route, edited} {
		requestMax, replyMax := w.FrameBytesMax()
		for _, seq := range []uint64{0, 1, 19, 20, 21, 1000, seqs - 1, seqs, seqs + 1, 3*seqs + 7} {
			for _, conn := range []int{0, 7, 99} {
				request := w.MakeRequest(nil, conn, seq)
				reply := answer(t, request, asIs)
				if len(request) != requestMax || len(reply) != replyMax {
					t.Fatalf("%T: frames of %d and %d bytes, said %d and %d", w, len(request), len(reply), requestMax, replyMax)
				}
				for _, oldest := range []uint64{seq, seq - min(seq, 5), seq + 5} {
					if got, is := w.CheckReply(reply, conn, oldest); is != load.Answer || got != seq {
						t.Errorf("%T: reply to %d of connection %d, oldest %d: %d, %v", w, seq, conn, oldest, got, is)
					}
				}
			}
		}
	}
}

func TestRouteInAnyOrder(t *testing.T) {
	w, _ := NewGetRoute(small, false)
	reply := answer(t, w.MakeRequest(nil, 3, 8), func(_ *wire.GetHostResponse, a *wire.GetRouteResponse) {
		a.Hosts[0], a.Hosts[2] = a.Hosts[2], a.Hosts[0]
	})
	if seq, is := w.CheckReply(reply, 3, 8); is != load.Answer || seq != 8 {
		t.Errorf("%d, %v", seq, is)
	}
}

// TestEditedIsLeftOut: nobody asks for module 0 while it is edited, and an answer
// about it is wrong.
func TestEditedIsLeftOut(t *testing.T) {
	w, _ := NewGetRoute(small, true)
	for seq := range uint64(60) {
		if w.module(3, seq) == 0 {
			t.Fatalf("request %d is about module 0", seq)
		}
	}
	a := small.Answer(0)
	if _, is := w.CheckReply(frame.Append(nil, wire.IDGetRouteResponse, a.AppendTo(nil)), 3, 0); is != load.Wrong {
		t.Error("a route that was not asked for")
	}
	if _, err := NewGetRoute(Routes{1, 1}, true); !errors.Is(err, ErrRoutes) {
		t.Errorf("nothing left to ask for: %v", err)
	}
}

func TestWrongHosts(t *testing.T) {
	w, _ := NewGetHost(small)
	for name, spoil := range map[string]func(*wire.GetHostResponse){
		"module":          func(a *wire.GetHostResponse) { a.ModID++ },
		"other module":    func(a *wire.GetHostResponse) { a.ModID, a.CmdID = small.Module(17) },
		"number":          func(a *wire.GetHostResponse) { a.Seq++ },
		"number too low":  func(a *wire.GetHostResponse) { a.Seq = 5 },
		"number too high": func(a *wire.GetHostResponse) { a.Seq = 1 << 28 },
		"overload":        func(a *wire.GetHostResponse) { a.Retcode = wire.RetOverload },
		"no host":         func(a *wire.GetHostResponse) { a.HasHost = false },
		"port":            func(a *wire.GetHostResponse) { a.Host.Port++ },
		"another's host":  func(a *wire.GetHostResponse) { a.Host = small.Host(11, 1) },
		"host too many":   func(a *wire.GetHostResponse) { a.Host = small.Host(4, small.Hosts) },
	} {
		reply := answer(t, w.MakeRequest(nil, 0, 4), func(a *wire.GetHostResponse, _ *wire.GetRouteResponse) { spoil(a) })
		if seq, is := w.CheckReply(reply, 0, 4); is != load.Wrong {
			t.Errorf("%s: %d, %v", name, seq, is)
		}
	}
}

func TestWrongRoutes(t *testing.T) {
	w, _ := NewGetRoute(small, false)
	for name, spoil := range map[string]func(*wire.GetRouteResponse){
		"module":        func(a *wire.GetRouteResponse) { a.ModID = 1 },
		"other's hosts": func(a *wire.GetRouteResponse) { a.ModID, a.CmdID = small.Module(17) },
		"one less":      func(a *wire.GetRouteResponse) { a.Hosts = a.Hosts[1:] },
		"one more":      func(a *wire.GetRouteResponse) { a.Hosts = append(a.Hosts, small.Host(0, 9)) },
		"one twice":     func(a *wire.GetRouteResponse) { a.Hosts[1] = a.Hosts[0] },
		"empty":         func(a *wire.GetRouteResponse) { a.Hosts = nil },
		"cut":           func(a *wire.GetRouteResponse) { a.Truncated = true },
		"port":          func(a *wire.GetRouteResponse) { a.Hosts[2].Port++ },
	} {
		reply := answer(t, w.MakeRequest(nil, 0, 4), func(_ *wire.GetHostResponse, a *wire.GetRouteResponse) { spoil(a) })
		if seq, is := w.CheckReply(reply, 0, 4); is != load.Wrong {
			t.Errorf("%s: %d, %v", name, seq, is)
		}
	}
}

// TestReports: what is reported decodes, is about a host of the route, and
// fails seldom, but does, for every host.
func TestReports(t *testing.T) {
	w, _ := NewReport(small)
	calls, failures := map[wire.HostInfo]int{}, map[wire.HostInfo]int{}
	const n = 60_000
	for seq := range uint64(n) {
		b := w.MakeRequest(nil, 2, seq)
		var q wire.ReportRequest
		if err := q.Decode(body(b, wire.IDReportRequest)); err != nil {
			t.Fatal(err)
		}
		i, ok := small.Index(q.ModID, q.CmdID)
		if most, _ := w.FrameBytesMax(); !ok || !small.Has(i, q.Host) || len(b) > most {
			t.Fatalf("report %d: %+v", seq, q)
		}
		calls[q.Host]++
		if q.Retcode != wire.RetSucc {
			failures[q.Host]++
		}
	}
	for h, all := range calls {
		if want := n / small.Modules / small.Hosts; all != want || failures[h] == 0 || failures[h] > all/20 {
			t.Errorf("%+v: %d calls of %d, %d of them failed", h, all, want, failures[h])
		}
	}
	if !w.OneWay() {
		t.Error("a report has no reply")
	}
}

// TestStatusReports: each agent's reports are numbered from 1, cumulative, and
// about its own modules.
func TestStatusReports(t *testing.T) {
	w, err := NewReportStore(small, 0)
	if err != nil {
		t.Fatal(err)
	}
	most, _ := w.FrameBytesMax()
	buf := make([]byte, 0, most)
	for seq := range uint64(100) {
		b := w.MakeRequest(buf, 1, seq)
		var m wire.ReportStatusRequest
		if err := m.Decode(body(b, wire.IDReportStatusRequest)); err != nil {
			t.Fatal(err)
		}
		i, ok := small.Index(m.ModID, m.CmdID)
		if !ok || i < agentModules || m.Number != seq+1 || m.Boot != bootFirst+1 || m.Caller != callerFirst+1 || len(m.Results) != small.Hosts {
			t.Fatalf("report %d: %+v", seq, m)
		}
		for j, got := range m.Results {
			h := small.Host(i, j)
			want := wire.HostCallResult{IP: h.IP, Port: h.Port, Succ: uint32(seq/agentModules + 1), SuccAdd: CallsPerResult}
			if got != want {
				t.Fatalf("report %d, host %d: %+v, want %+v", seq, j, got, want)
			}
		}
	}
	if n := testing.AllocsPerRun(10, func() { w.MakeRequest(buf, 99, 1<<40) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if _, err := NewReportStore(Routes{}, 0); !errors.Is(err, ErrRoutes) {
		t.Errorf("without routes: %v", err)
	}
}

// FuzzCheckReply: any bytes are judged.
func FuzzCheckReply(f *testing.F) {
	host, _ := NewGetHost(small)
	route, _ := NewGetRoute(small, false)
	t := &testing.T{}
	f.Add(answer(t, host.MakeRequest(nil, 1, 4), asIs), uint64(4))
	f.Add(answer(t, route.MakeRequest(nil, 1, 4), asIs), uint64(4))
	f.Add([]byte{2, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f}, uint64(0))
	f.Fuzz(func(t *testing.T, reply []byte, oldest uint64) {
		host.CheckReply(reply, 1, oldest)
		route.CheckReply(reply, 1, oldest)
	})
}

func BenchmarkRequestAndReply(b *testing.B) {
	host, _ := NewGetHost(small)
	route, _ := NewGetRoute(small, false)
	for name, w := range map[string]load.Workload{"gethost": host, "getroute": route} {
		b.Run(name, func(b *testing.B) {
			t := &testing.T{}
			reply := answer(t, w.MakeRequest(nil, 0, 4), asIs)
			buf := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				buf = w.MakeRequest(buf[:0], 0, 4)
				if _, is := w.CheckReply(reply, 0, 4); is != load.Answer {
					b.Fatal("wrong")
				}
			}
		})
	}
}

func TestEdits(t *testing.T) {
	plain := small.Answer(3)
	if n, ok := small.EditOf(3, &plain); n != 0 || !ok {
		t.Errorf("unedited: %d, %v", n, ok)
	}
	for _, n := range []int{1, 7, EditsMax} {
		a := small.Edited(3, n)
		if got, ok := small.EditOf(3, &a); got != n || !ok {
			t.Errorf("edit %d: %d, %v", n, got, ok)
		}
		if _, ok := small.EditOf(4, &a); ok {
			t.Error("a route of another module")
		}
		a.Hosts = a.Hosts[1:]
		if _, ok := small.EditOf(3, &a); ok {
			t.Error("a route without its first host")
		}
	}
	twice := small.Edited(3, 5)
	twice.Hosts = append(twice.Hosts, small.Edited(3, 6).Hosts[small.Hosts])
	if n, ok := small.EditOf(3, &twice); ok {
		t.Errorf("two edits in one route: %d", n)
	}
}
