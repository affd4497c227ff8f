package workload

import (
	"errors"
	"testing"

	"lars/bench/load"
	"lars/reactor/frame"
	"lars/system/wire"
)

func mustMixed(t testing.TB, m Mix) *Mixed {
	t.Helper()
	w, err := NewMixed(small, m)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// mixedAnswer is what a right agent says; nil to a report.
func mixedAnswer(t *testing.T, request []byte) []byte {
	t.Helper()
	id, _, err := frame.Next(request, frame.BodyBytesMax)
	switch {
	case err != nil:
		t.Fatal(err)
	case id == wire.IDReportRequest:
		return nil
	case id == wire.IDGetHostRequest:
		return answer(t, request, asIs)
	}
	var q wire.GetRouteRequest
	if err := q.Decode(body(request, wire.IDAPIGetRouteRequest)); err != nil {
		t.Fatal(err)
	}
	i, _ := small.Index(q.ModID, q.CmdID)
	a := small.Answer(i)
	return frame.Append(nil, wire.IDAPIGetRouteResponse, a.AppendTo(nil))
}

// TestMixed: the proportions are those of the mix, evenly spread, and each reply
// is that to its own request.
func TestMixed(t *testing.T) {
	for _, m := range []Mix{{10, 10, 1}, {1, 0, 0}, {0, 0, 1}, {3, 1, 2}, {100, 100, 1}, {0, 5, 3}} {
		w := mustMixed(t, m)
		requestMax, replyMax := w.FrameBytesMax()
		for _, conn := range []int{0, 1, 99} {
			var had [kindsMixed]int
			for seq := range uint64(10 * m.turn()) {
				k, _ := w.at(conn, seq)
				had[k]++
				request := w.MakeRequest(nil, conn, seq)
				reply := mixedAnswer(t, request)
				if len(request) > requestMax || len(reply) > replyMax || w.Answered(conn, seq) != (reply != nil) {
					t.Fatalf("%+v: request %d: %d bytes, reply of %d", m, seq, len(request), len(reply))
				}
				if reply == nil {
					continue
				}
				for _, oldest := range []uint64{seq, seq - min(seq, 5), seq + 5} {
					if got, is := w.CheckReply(reply, conn, oldest); is != load.Answer || got != seq {
						t.Fatalf("%+v: reply to %d of connection %d, oldest %d: %d, %v", m, seq, conn, oldest, got, is)
					}
				}
			}
			if had != [kindsMixed]int{10 * m.GetHost, 10 * m.Report, 10 * m.GetRoute} {
				t.Errorf("%+v of connection %d: %v", m, conn, had)
			}
		}
	}
}

func TestMixedSpread(t *testing.T) {
	order := Mix{GetHost: 50, Report: 50, GetRoute: 1}.order()
	for i := 2; i < len(order); i++ {
		if order[i] == order[i-1] && order[i] == order[i-2] {
			t.Errorf("three of kind %d in a row at %d", order[i], i)
		}
	}
}

func TestMixedWrong(t *testing.T) {
	w := mustMixed(t, Mix{1, 1, 1})
	seqOf := func(k kind) uint64 {
		for seq := uint64(30); ; seq++ {
			if got, _ := w.at(0, seq); got == k {
				return seq
			}
		}
	}
	host, rep, route := seqOf(getHost), seqOf(report), seqOf(getRoute)
	right := mixedAnswer(t, w.MakeRequest(nil, 0, route))
	short := small.Answer(0)
	short.Hosts = short.Hosts[1:]
	for name, reply := range map[string][]byte{
		"a host for a report":      answer(t, w.hosts.MakeRequest(nil, 0, rep), asIs),
		"a host for a route":       answer(t, w.hosts.MakeRequest(nil, 0, route), asIs),
		"a route of dns":           frame.Append(nil, wire.IDGetRouteResponse, body(right, wire.IDAPIGetRouteResponse)),
		"a host of another module": answer(t, w.hosts.MakeRequest(nil, 1, host), asIs),
		"a route without a host":   frame.Append(nil, wire.IDAPIGetRouteResponse, short.AppendTo(nil)),
		"garbage":                  {8, 0, 0, 0, 1, 0, 0, 0, 0xff},
	} {
		if seq, is := w.CheckReply(reply, 0, host); is != load.Wrong {
			t.Errorf("%s: %d, %v", name, seq, is)
		}
	}
	for _, m := range []Mix{{}, {Report: 5}, {GetHost: -1, GetRoute: 2}, {GetHost: MixMax, Report: 1}} {
		if _, err := NewMixed(small, m); !errors.Is(err, ErrMix) {
			t.Errorf("%+v: %v", m, err)
		}
	}
	if _, err := NewMixed(Routes{}, Mix{GetHost: 1}); !errors.Is(err, ErrRoutes) {
		t.Errorf("%v", err)
	}
}

func TestMixedAllocates(t *testing.T) {
	w := mustMixed(t, Mix{1, 1, 0})
	reply := mixedAnswer(t, w.MakeRequest(nil, 0, 0))
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { w.MakeRequest(buf, 0, 1); w.MakeRequest(buf, 0, 0); w.CheckReply(reply, 0, 0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzMixedReply(f *testing.F) {
	w := mustMixed(f, Mix{3, 3, 2})
	t := &testing.T{}
	for seq := range uint64(8) {
		if a := mixedAnswer(t, w.MakeRequest(nil, 5, seq)); a != nil {
			f.Add(a, seq)
		}
	}
	f.Fuzz(func(t *testing.T, reply []byte, oldest uint64) {
		if seq, is := w.CheckReply(reply, 5, oldest%(1<<60)); is == load.Answer && !w.Answered(5, seq) {
			t.Errorf("%x is a reply to report %d", reply, seq)
		}
	})
}

func TestSizes(t *testing.T) {
	w, err := NewSizes([]int{100, 70_000, 300})
	if err != nil {
		t.Fatal(err)
	}
	if most, _ := w.FrameBytesMax(); most != 70_017 || w.OneWay() {
		t.Errorf("the longest frame has %d bytes", most)
	}
	for _, seq := range []uint64{0, 1, 2, 3, 1000, 1<<28 - 1, 1 << 28, 3 << 28} {
		b := w.MakeRequest(nil, 0, seq)
		if got, is := w.CheckReply(b, 0, seq); is != load.Answer || got != seq {
			t.Errorf("%d: %d, %v", seq, got, is)
		}
		b[20] ^= 1
		if got, is := w.CheckReply(b, 0, seq); is != load.Wrong {
			t.Errorf("%d, spoilt: %d, %v", seq, got, is)
		}
	}
	if _, is := w.CheckReply(w.echoes[1].MakeRequest(nil, 0, 3), 0, 3); is != load.Wrong {
		t.Error("a message of the wrong length for its number")
	}
	if _, is := w.CheckReply(make([]byte, 50), 0, 3); is != load.Wrong {
		t.Error("a length that was never sent")
	}
	if _, err := NewSizes([]int{-1}); !errors.Is(err, load.ErrConfig) {
		t.Errorf("%v", err)
	}
}
