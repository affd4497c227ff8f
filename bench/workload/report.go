package workload

import (
	"lars/bench/load"
	"lars/system/wire"
)

// Report is callers that tell an agent how their calls went. It has no replies:
// whether all arrived only the agent's counters tell. Make it with NewReport.
type Report struct {
	routes  Routes
	request int // bytes of the longest frame
}

var _ load.Workload = Report{}

// failed says which calls went wrong: one in 64, spread over modules and hosts
// as evenly as multiples of the golden ratio are, whatever their numbers; well
// below the share at which an agent takes a host for overloaded.
func failed(seq uint64) bool { return seq*0x9E3779B97F4A7C15>>58 == 0 }

// NewReport returns the workload for an agent that knows routes. The error is
// ErrRoutes.
func NewReport(routes Routes) (Report, error) {
	if err := routes.Check(); err != nil {
		return Report{}, err
	}
	r := Report{routes: routes}
	r.request = len(r.MakeRequest(nil, 0, 0)) // a failure, which is longer
	return r, nil
}

// FrameBytesMax is the size of a request; there is no reply.
func (r Report) FrameBytesMax() (request, reply int) { return r.request, 0 }

// MakeRequest appends request seq: each connection reports of all modules in
// turn, each time of another host.
func (r Report) MakeRequest(dst []byte, conn int, seq uint64) []byte {
	at := len(dst)
	i := r.routes.asks(conn, seq)
	turn := (uint64(conn) + seq) / uint64(r.routes.Modules)
	q := wire.ReportRequest{HasHost: true, Host: r.routes.Host(i, int(turn%uint64(r.routes.Hosts)))}
	q.ModID, q.CmdID = r.routes.Module(i)
	if failed(seq) {
		q.Retcode = wire.RetOverload
	}
	return finish(q.AppendTo(begin(dst)), at, wire.IDReportRequest)
}

// CheckReply takes nothing: nothing is to come.
func (Report) CheckReply([]byte, int, uint64) (uint64, load.Content) { return 0, load.Wrong }

// OneWay is true.
func (Report) OneWay() bool { return true }
