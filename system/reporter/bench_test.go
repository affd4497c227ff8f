package reporter_test

import (
	"testing"
	"time"

	"lars/backends/epoll"
	"lars/reactor/frame"
	"lars/system/reporter"
	"lars/system/wire"
)

// BenchmarkResultsIntoSQLite is the way from the socket to the disk, with the
// intervals of production: reports of 10 hosts about 500 modules.
func BenchmarkResultsIntoSQLite(b *testing.B) {
	const modules, hosts, reports = 500, 10, 5000
	for _, kind := range []string{"ours", "original"} {
		b.Run(kind, func(b *testing.B) {
			st := newStore(b)
			s, _ := start(b, epoll.Driver{}, reporter.Config{}, st)
			c := connect(b, s)
			number, sent := uint64(0), uint64(0)
			for b.Loop() {
				var bytes []byte
				for range reports {
					number++
					r := &wire.ReportStatusRequest{ModID: 1, CmdID: int32(number % modules), Caller: caller, TS: 1}
					if kind == "ours" {
						r.Boot, r.Number = 77, number
					}
					for h := range int32(hosts) {
						r.Results = append(r.Results, wire.HostCallResult{IP: h + 1, Port: 80, Succ: uint32(number), SuccAdd: 1})
					}
					bytes = frame.Append(bytes, wire.IDReportStatusRequest, r.AppendTo(nil))
				}
				if _, err := c.Write(bytes); err != nil {
					b.Fatal(err)
				}
				sent += reports
				for s.Stats().Reports < sent || s.Stats().Waiting > 0 {
					time.Sleep(time.Millisecond)
				}
			}
			perSecond := float64(sent*hosts) / b.Elapsed().Seconds()
			b.ReportMetric(perSecond, "results/s")
			if n := s.Stats(); n.Dropped+n.Refused+n.Failures > 0 {
				b.Errorf("%+v", n)
			}
		})
	}
}
