package reporter

import (
	"testing"
	"time"

	"lars/system/store"
	"lars/system/wire"
)

// However late a report is written, its minute is that in which it came. The
// column ts of an original agent's report is what it says, of ours that minute.
func TestTimesOfAReport(t *testing.T) {
	came := time.Unix(1_700_000_000, 0)
	l := newLane(&Service{cfg: Default()}, 0, nil)
	var d decoder
	for _, boot := range []uint64{0, 7} {
		q := wire.ReportStatusRequest{ModID: 1, CmdID: 1, TS: 99, Boot: boot, Results: []wire.HostCallResult{{IP: 1, Port: 1, Succ: 1}}}
		d.report(came, q.AppendTo(nil), l.put)
	}
	l.convert(l.take())
	if len(l.reports) != 2 {
		t.Fatalf("%d reports", len(l.reports))
	}
	theirs, ours := l.reports[0], l.reports[1]
	if !theirs.At.Equal(came) || !theirs.Sent.Equal(time.Unix(99, 0)) || theirs.Mark.Boot == 0 {
		t.Errorf("theirs: %+v", theirs)
	}
	if !ours.At.Equal(came) || !ours.Sent.IsZero() || ours.Mark != (store.Mark{Boot: 7}) {
		t.Errorf("ours: %+v", ours)
	}
}

// What has merged for long is written in parts, each under a mark of its own.
func TestMergedReportsAreWrittenInParts(t *testing.T) {
	l := newLane(&Service{cfg: Default()}, 0, nil)
	var d decoder
	const hosts = 3*store.SaveRowsMax - 1
	for h := range int32(hosts) {
		q := wire.ReportStatusRequest{ModID: 1, CmdID: 1, Results: []wire.HostCallResult{{IP: h + 1, Port: 1, Succ: 1}}}
		d.report(time.Unix(1_700_000_000, 0), q.AppendTo(nil), l.put)
	}
	batch := l.take()
	l.convert(batch)
	marks, rows := map[store.Mark]bool{}, 0
	for _, r := range l.reports {
		marks[r.Mark] = true
		rows += len(r.Results)
	}
	if len(batch) != 1 || len(l.reports) != 3 || len(marks) != 3 || rows != hosts {
		t.Errorf("%d reports to store %d, under %d marks, %d rows", len(batch), len(l.reports), len(marks), rows)
	}
}
