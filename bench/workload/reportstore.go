package workload

import (
	"cmp"
	"math"

	"lars/bench/load"
	"lars/reactor/frame"
	"lars/system/wire"
)

// ReportStore is agents that send call statistics to a reporter: each connection
// is an agent of its own, which tells of agentModules modules in turn, and of
// all hosts of one at a time. There are no replies: what arrived, and what is
// stored, the reporter and its store tell. Every result adds CallsPerResult
// calls to the totals. Make it with NewReportStore.
type ReportStore struct {
	routes  Routes
	boot    uint64 // of connection 0
	request int    // bytes of the longest frame
}

var _ load.Workload = ReportStore{}

const (
	agentModules = 10 // of one agent, or all when there are fewer
	callerFirst  = 10<<24 + 200<<16
	bootFirst    = 1 << 40
	reportTS     = 1_700_000_000 // a second like any other
)

// CallsPerResult is what each result adds to the totals of its host.
const CallsPerResult = 1

// NewReportStore returns the workload. Reports of one boot of an agent count
// once: whoever uses a store again needs another boot, which may be any number;
// those that follow it are the boots of the other connections. The error is
// ErrRoutes.
func NewReportStore(routes Routes, boot uint64) (ReportStore, error) {
	if err := routes.Check(); err != nil {
		return ReportStore{}, err
	}
	w := ReportStore{routes: routes, boot: cmp.Or(boot, bootFirst)}
	w.request = frame.HeadBytes + w.size()
	return w, nil
}

// size is that of the longest body.
func (w ReportStore) size() int {
	m := wire.ReportStatusRequest{Caller: callerFirst, TS: reportTS, Boot: bootFirst, Number: math.MaxUint64}
	m.ModID, m.CmdID = w.routes.Module(0)
	for j := range w.routes.Hosts {
		h := w.routes.Host(0, j)
		m.Results = append(m.Results, wire.HostCallResult{IP: h.IP, Port: h.Port, Succ: math.MaxUint32, SuccAdd: CallsPerResult})
	}
	return m.Size()
}

// FrameBytesMax is the size of the longest request; there is no reply.
func (w ReportStore) FrameBytesMax() (request, reply int) { return w.request, 0 }

// MakeRequest appends report seq of an agent.
func (w ReportStore) MakeRequest(dst []byte, conn int, seq uint64) []byte {
	at := len(dst)
	var results [HostsMax]wire.HostCallResult
	m := wire.ReportStatusRequest{
		Caller: int32(callerFirst + conn), TS: reportTS, Results: results[:w.routes.Hosts],
		Boot: w.boot + uint64(conn), Number: seq + 1,
	}
	modules := min(agentModules, w.routes.Modules)
	turn := seq / uint64(modules)
	i := (conn*modules + int(seq%uint64(modules))) % w.routes.Modules
	m.ModID, m.CmdID = w.routes.Module(i)
	for j := range m.Results {
		h := w.routes.Host(i, j)
		m.Results[j] = wire.HostCallResult{IP: h.IP, Port: h.Port, Succ: uint32(turn+1) * CallsPerResult, SuccAdd: CallsPerResult}
	}
	return finish(m.AppendTo(begin(dst)), at, wire.IDReportStatusRequest)
}

// CheckReply takes nothing: nothing is to come.
func (ReportStore) CheckReply([]byte, int, uint64) (uint64, load.Content) { return 0, load.Wrong }

// OneWay is true.
func (ReportStore) OneWay() bool { return true }
