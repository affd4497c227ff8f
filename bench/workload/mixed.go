package workload

import (
	"errors"
	"fmt"

	"lars/bench/load"
	"lars/reactor/frame"
	"lars/system/wire"
)

// Mix is how many requests of each kind there are in a turn of a connection.
type Mix struct {
	GetHost, Report, GetRoute int
}

// MixMax is the longest turn.
const MixMax = 3000

// ErrMix says that a Mix asks for nothing, or too much.
var ErrMix = errors.New("workload: mix")

func (m Mix) turn() int { return m.GetHost + m.Report + m.GetRoute }

func (m Mix) check() error {
	if m.GetHost < 0 || m.Report < 0 || m.GetRoute < 0 || m.GetHost+m.GetRoute < 1 || m.turn() > MixMax {
		return fmt.Errorf("%w: %+v: at least one request with a reply, and at most %d in all", ErrMix, m, MixMax)
	}
	return nil
}

// order spreads the kinds evenly over a turn: each place goes to the kind that
// is furthest behind its share.
func (m Mix) order() []kind {
	want := [kindsMixed]int{getHost: m.GetHost, report: m.Report, getRoute: m.GetRoute}
	var had [kindsMixed]int
	out := make([]kind, 0, m.turn())
	for place := 1; place <= m.turn(); place++ {
		best, behind := kind(0), -1<<31
		for k := range kindsMixed {
			// want/turn is the share: compared without fractions.
			if b := want[k]*place - had[k]*m.turn(); b > behind && had[k] < want[k] {
				best, behind = k, b
			}
		}
		had[best]++
		out = append(out, best)
	}
	return out
}

type kind uint8

const (
	getHost kind = iota
	report
	getRoute
	kindsMixed
)

// Mixed is the callers of one machine at its agent: they ask for hosts, tell how
// their calls went, and ask for whole routes. Make it with NewMixed.
//
// A whole route has no number: it is told apart by its module, and those of a
// connection are all different for as many questions as there are modules.
type Mixed struct {
	routes  Routes
	hosts   GetHost
	reports Report
	order   []kind
	before  []uint64 // getroutes of a turn before each place
	places  []uint64 // of the getroutes in a turn
	request int
	reply   int
}

var _ load.Partly = (*Mixed)(nil)

// NewMixed returns the workload for an agent that knows routes. The error is
// ErrRoutes or ErrMix.
func NewMixed(routes Routes, m Mix) (*Mixed, error) {
	hosts, err := NewGetHost(routes)
	if err != nil {
		return nil, err
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	reports, err := NewReport(routes)
	if err != nil {
		return nil, err
	}
	w := &Mixed{routes: routes, hosts: hosts, reports: reports, order: m.order(), request: max(hosts.request, reports.request), reply: hosts.reply}
	for place, k := range w.order {
		w.before = append(w.before, uint64(len(w.places)))
		if k == getRoute {
			w.places = append(w.places, uint64(place))
		}
	}
	if m.GetRoute > 0 {
		a := routes.Answer(0)
		w.reply = max(w.reply, frame.HeadBytes+a.Size())
	}
	return w, nil
}

// at is the kind of a request, and how many getroutes of the connection's row
// come before it. Each connection begins at another place of the turn.
func (w *Mixed) at(conn int, seq uint64) (k kind, routes uint64) {
	row := seq + uint64(conn)
	turn, place := row/uint64(len(w.order)), row%uint64(len(w.order))
	return w.order[place], turn*uint64(len(w.places)) + w.before[place]
}

// DepthMax is how many requests may be in flight on a connection and still be
// told apart.
func (w *Mixed) DepthMax() int {
	if len(w.places) == 0 {
		return load.DepthMax
	}
	return min(load.DepthMax, max(1, w.routes.Modules/2/len(w.places)*len(w.order)))
}

// Answered is false for reports.
func (w *Mixed) Answered(conn int, seq uint64) bool {
	k, _ := w.at(conn, seq)
	return k != report
}

// OneWay is false: some requests are answered.
func (*Mixed) OneWay() bool { return false }

// FrameBytesMax is the size of the longest.
func (w *Mixed) FrameBytesMax() (request, reply int) { return w.request, w.reply }

// MakeRequest appends request seq.
func (w *Mixed) MakeRequest(dst []byte, conn int, seq uint64) []byte {
	switch k, n := w.at(conn, seq); k {
	case getHost:
		return w.hosts.MakeRequest(dst, conn, seq)
	case report:
		return w.reports.MakeRequest(dst, conn, seq)
	default:
		at := len(dst)
		var q wire.GetRouteRequest
		q.ModID, q.CmdID = w.routes.Module(w.routes.asks(conn, n))
		return finish(q.AppendTo(begin(dst)), at, wire.IDAPIGetRouteRequest)
	}
}

// CheckReply wants what GetHost wants of a host, and of a route exactly its
// hosts.
func (w *Mixed) CheckReply(reply []byte, conn int, oldest uint64) (uint64, load.Content) {
	var seq uint64
	var asked kind
	if b := body(reply, wire.IDAPIGetRouteResponse); b != nil {
		i, ok := w.routes.whole(b)
		if !ok || len(w.places) == 0 {
			return 0, load.Wrong
		}
		modules, routes := uint64(w.routes.Modules), uint64(len(w.places))
		_, had := w.at(conn, oldest)
		n := nearest(had, (uint64(i)+modules-uint64(conn)%modules)%modules, modules)
		row := n/routes*uint64(len(w.order)) + w.places[n%routes]
		if row < uint64(conn) {
			return 0, load.Wrong // before its first
		}
		seq, asked = row-uint64(conn), getRoute
	} else {
		var is load.Content
		if seq, is = w.hosts.CheckReply(reply, conn, oldest); is != load.Answer {
			return 0, is
		}
	}
	if k, _ := w.at(conn, seq); k != asked {
		return 0, load.Wrong
	}
	return seq, load.Answer
}
