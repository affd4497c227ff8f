package workload

import (
	"bytes"
	"fmt"
	"slices"

	"lars/bench/load"
	"lars/system/wire"
)

// GetRoute is agents that pull routes from a dns. Make it with NewGetRoute.
//
// A GetRouteRequest has no number: the module stands for it, and of two requests
// in flight on a connection no two are about the same module as long as fewer
// than DepthMax are.
type GetRoute struct {
	routes  Routes
	first   int      // module that is asked for
	replies [][]byte // whole frames, by module, with the hosts in order
	request int      // bytes of a frame
}

var _ load.Workload = (*GetRoute)(nil)

// NewGetRoute returns the workload for a dns that knows routes. With edited,
// module 0 is left to somebody who edits it. The error is ErrRoutes.
func NewGetRoute(routes Routes, edited bool) (*GetRoute, error) {
	if err := routes.Check(); err != nil {
		return nil, err
	}
	g := &GetRoute{routes: routes}
	if edited {
		g.first = 1
	}
	if routes.Modules == g.first {
		return nil, fmt.Errorf("%w: one module, and that is edited: choose 2 or more", ErrRoutes)
	}
	for a := range routes.All() {
		g.replies = append(g.replies, finish(a.AppendTo(begin(nil)), 0, wire.IDGetRouteResponse))
	}
	g.request = len(g.MakeRequest(nil, 0, 0))
	return g, nil
}

// DepthMax is how many requests may be in flight on a connection and still be
// told apart.
func (g *GetRoute) DepthMax() int { return max(1, g.asked()/2) }

// asked is how many modules are asked for.
func (g *GetRoute) asked() int { return g.routes.Modules - g.first }

// module is the one that request seq of a connection is about: all in turn, each
// connection from another one on.
func (g *GetRoute) module(conn int, seq uint64) int {
	return g.first + int((uint64(conn)+seq)%uint64(g.asked()))
}

// FrameBytesMax is the size of every frame.
func (g *GetRoute) FrameBytesMax() (request, reply int) { return g.request, len(g.replies[0]) }

// MakeRequest appends request seq: each connection asks for all modules in turn.
func (g *GetRoute) MakeRequest(dst []byte, conn int, seq uint64) []byte {
	at := len(dst)
	var q wire.GetRouteRequest
	q.ModID, q.CmdID = g.routes.Module(g.module(conn, seq))
	return finish(q.AppendTo(begin(dst)), at, wire.IDGetRouteRequest)
}

// CheckReply wants a module that was asked for, and exactly its hosts. Replies
// nearly always come in order and with sorted hosts, and then a comparison of
// bytes is all.
func (g *GetRoute) CheckReply(reply []byte, conn int, oldest uint64) (uint64, load.Content) {
	if bytes.Equal(reply, g.replies[g.module(conn, oldest)]) {
		return oldest, load.Answer
	}
	i, ok := g.routes.whole(body(reply, wire.IDGetRouteResponse))
	if !ok || i < g.first {
		return 0, load.Wrong
	}
	n := uint64(g.asked())
	turn := (uint64(i-g.first) + n - uint64(conn)%n) % n
	return nearest(oldest, turn, n), load.Answer
}

// whole reads a GetRouteResponse, whose hosts may stand in any order: the number
// of its module; false unless the hosts are exactly its own.
func (r Routes) whole(b []byte) (i int, ok bool) {
	var a wire.GetRouteResponse
	if b == nil || a.Decode(b) != nil {
		return 0, false
	}
	if i, ok = r.Index(a.ModID, a.CmdID); !ok || a.Truncated {
		return 0, false
	}
	slices.SortFunc(a.Hosts, func(x, y wire.HostInfo) int { return int(x.IP) - int(y.IP) })
	return i, slices.Equal(a.Hosts, r.Answer(i).Hosts)
}

// OneWay is false: every request is answered.
func (*GetRoute) OneWay() bool { return false }
