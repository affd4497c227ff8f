package reporter

import (
	"testing"
	"time"

	"lars/system/tally"
	"lars/system/wire"
)

// FuzzReport: whatever comes, what is queued makes sense.
func FuzzReport(f *testing.F) {
	good := wire.ReportStatusRequest{
		ModID: 1, CmdID: 2, Caller: -1, Boot: 3, Number: 4, Sharing: true,
		Results: []wire.HostCallResult{{IP: -1, Port: 80, Succ: 1, Err: 2, SuccAdd: 3, ErrAdd: 4, Overload: true, Suspect: 1}, {}, {IP: 1, Port: -5}},
	}
	f.Add(good.AppendTo(nil))
	f.Add([]byte{})
	f.Add([]byte{8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{0x22, 0, 0x22, 4, 8, 1, 16, 1})
	f.Fuzz(func(t *testing.T, body []byte) {
		var d decoder
		queue := tally.NewQueue(tally.QueueConfig{})
		d.report(time.Unix(1_700_000_000, 0), body, func(r *tally.Report) {
			if !r.Module.Valid() || len(r.Results) == 0 {
				t.Errorf("queued: %+v", r)
			}
			for _, x := range r.Results {
				if !x.Host.Valid() {
					t.Errorf("queued: %+v", x)
				}
			}
			queue.Put(r)
		})
		if n := d.counts.reports.Load(); n != 1 {
			t.Errorf("counted %d reports", n)
		}
	})
}
