package workload

import (
	"lars/bench/load"
	"lars/reactor/frame"
	"lars/system/wire"
)

// The number of a request counts from 2^21, so that its varint always takes four
// bytes; after 2^28-1 it starts again.
const (
	seqFirst = 1 << 21
	seqs     = 1<<28 - seqFirst
)

// GetHost is callers that ask an agent for a host of a module. Make it with
// NewGetHost.
type GetHost struct {
	routes  Routes
	request int // bytes of a frame
	reply   int
}

var _ load.Workload = GetHost{}

// NewGetHost returns the workload for an agent that knows routes. The error is
// ErrRoutes.
func NewGetHost(routes Routes) (GetHost, error) {
	if err := routes.Check(); err != nil {
		return GetHost{}, err
	}
	modid, cmdid := routes.Module(0)
	q := wire.GetHostRequest{Seq: seqFirst, ModID: modid, CmdID: cmdid}
	a := wire.GetHostResponse{Seq: seqFirst, ModID: modid, CmdID: cmdid, HasHost: true, Host: routes.Host(0, 0)}
	return GetHost{routes: routes, request: frame.HeadBytes + q.Size(), reply: frame.HeadBytes + a.Size()}, nil
}

// FrameBytesMax is the size of every frame.
func (g GetHost) FrameBytesMax() (request, reply int) { return g.request, g.reply }

// MakeRequest appends request seq: each connection asks for all modules in turn.
func (g GetHost) MakeRequest(dst []byte, conn int, seq uint64) []byte {
	at := len(dst)
	q := wire.GetHostRequest{Seq: uint32(seqFirst + seq%seqs)}
	q.ModID, q.CmdID = g.routes.Module(g.routes.asks(conn, seq))
	return finish(q.AppendTo(begin(dst)), at, wire.IDGetHostRequest)
}

// CheckReply wants the module that was asked for, and one of its hosts.
func (g GetHost) CheckReply(reply []byte, conn int, oldest uint64) (uint64, load.Content) {
	var a wire.GetHostResponse
	if b := body(reply, wire.IDGetHostResponse); b == nil || a.Decode(b) != nil {
		return 0, load.Wrong
	}
	if a.Seq < seqFirst || a.Seq >= seqFirst+seqs || a.Retcode != wire.RetSucc || !a.HasHost {
		return 0, load.Wrong
	}
	seq := nearest(oldest, uint64(a.Seq-seqFirst), seqs)
	i, ok := g.routes.Index(a.ModID, a.CmdID)
	if !ok || i != g.routes.asks(conn, seq) || !g.routes.Has(i, a.Host) {
		return 0, load.Wrong
	}
	return seq, load.Answer
}

// OneWay is false: every request is answered.
func (GetHost) OneWay() bool { return false }
