package storetest

import (
	"math"
	"time"

	"lars/system/store"
)

func reportCases() []Case {
	return []Case{
		{Name: "LatestOverwrites", Check: latestOverwrites},
		{Name: "MinutesAddUp", Check: minutesAddUp},
		{Name: "TimesOfReports", Check: timesOfReports},
		{Name: "MarkedReportsCountOnce", Check: markedOnce},
		{Name: "ReportGarbageIsSkipped", Check: reportGarbage},
		{Name: "LargeSave", Check: largeSave},
		{Name: "CountsAtTheEdge", Check: countsAtTheEdge},
		{Name: "LatestPages", Check: latestPages},
		{Name: "MinutesSelect", Check: minutesSelect},
		{Name: "MinutesPages", Check: minutesPages},
		{Name: "StatGarbageIsSkipped", Check: statGarbage, SQL: true},
	}
}

// report says 1 success on host (1, port 80) of module (modID, cmdID).
func report(mark store.Mark, modID, cmdID int32) store.Report {
	return store.Report{
		Mark: mark, Module: module(modID, cmdID), Caller: 0x7F000001, At: epoch,
		Results: []store.Result{{Host: host(1, 80), Succ: 1, AddSucc: 1}},
	}
}

func mustSave(t T, st store.Store, reports ...store.Report) store.Saved {
	t.Helper()
	saved, err := st.SaveReports(t.Context(), reports)
	if err != nil {
		t.Fatalf("SaveReports: %v", err)
	}
	return saved
}

func mustLatest(t T, st store.Store, q store.LatestQuery) []store.CallStat {
	t.Helper()
	stats, err := st.Latest(t.Context(), q)
	if err != nil {
		t.Fatalf("Latest: %v", err)
	}
	for i := range stats {
		stats[i].At = stats[i].At.UTC()
	}
	return stats
}

func mustMinutes(t T, st store.Store, q store.MinuteQuery) []store.MinuteStat {
	t.Helper()
	stats, err := st.Minutes(t.Context(), q)
	if err != nil {
		t.Fatalf("Minutes: %v", err)
	}
	for i := range stats {
		stats[i].Minute = stats[i].Minute.UTC()
	}
	return stats
}

func latestOverwrites(t T, b *Backend) {
	r := report(store.Mark{}, 1, 1)
	r.Results = []store.Result{{Host: host(1, 80), Succ: 10, Err: 2, Overload: true}, {Host: host(2, 80), Succ: 5}}
	later := r
	later.At = epoch.Add(-time.Hour) // a clock that stepped back does not matter
	later.Results = []store.Result{{Host: host(1, 80), Succ: 3, Err: 4}}
	other := later
	other.Caller = 0xFFFFFFFF
	wantEqual(t, "saved", mustSave(t, b.Store, r, later), store.Saved{Reports: 2})
	mustSave(t, b.Store, other)
	at := func(r store.Report) time.Time { return r.At }
	wantEqual(t, "latest", mustLatest(t, b.Store, store.LatestQuery{}), []store.CallStat{
		{Module: module(1, 1), Host: host(1, 80), Caller: r.Caller, Succ: 3, Err: 4, At: at(later)},
		{Module: module(1, 1), Host: host(1, 80), Caller: other.Caller, Succ: 3, Err: 4, At: at(other)},
		{Module: module(1, 1), Host: host(2, 80), Caller: r.Caller, Succ: 5, At: at(r)},
	})
}

func minutesAddUp(t T, b *Backend) {
	r := report(store.Mark{}, 1, 1)
	r.Results[0].AddErr = 2
	failing := r
	failing.Caller = 9
	failing.Results = []store.Result{{Host: host(1, 80), AddErr: 5, Overload: true}}
	next := r
	next.At = epoch.Add(time.Minute)
	mustSave(t, b.Store, r, r, failing)
	mustSave(t, b.Store, next, r)
	minute := epoch.Truncate(time.Minute)
	wantEqual(t, "minutes", mustMinutes(t, b.Store, store.MinuteQuery{Module: module(1, 1)}), []store.MinuteStat{
		{Minute: minute, Module: module(1, 1), Host: host(1, 80), Succ: 3, Err: 11, Overload: 1},
		{Minute: minute.Add(time.Minute), Module: module(1, 1), Host: host(1, 80), Succ: 1, Err: 2},
	})
}

// The minute is that of At; the column ts is Sent, whatever it says.
func timesOfReports(t T, b *Backend) {
	var reports []store.Report
	for i, sent := range []time.Time{{}, time.Unix(0, 0), epoch.Add(-time.Hour), time.Unix(math.MaxUint32, 0)} {
		r := report(store.Mark{}, 1, 1)
		r.Caller, r.Sent = uint32(i), sent
		reports = append(reports, r)
	}
	mustSave(t, b.Store, reports...)
	reports[0].Sent = epoch
	latest := mustLatest(t, b.Store, store.LatestQuery{})
	wantEqual(t, "rows", len(latest), len(reports))
	for i, stat := range latest {
		wantEqual(t, "ts", stat.At, reports[i].Sent.UTC())
	}
	wantEqual(t, "minutes", mustMinutes(t, b.Store, store.MinuteQuery{Module: module(1, 1)}), []store.MinuteStat{
		{Minute: epoch.Truncate(time.Minute), Module: module(1, 1), Host: host(1, 80), Succ: int64(len(reports))},
	})
}

func markedOnce(t T, b *Backend) {
	first := report(store.Mark{Boot: math.MaxUint64, Number: math.MaxUint64}, 1, 1)
	second := report(store.Mark{Boot: math.MaxUint64, Number: 0}, 1, 1)
	third := report(store.Mark{Boot: 1, Number: 0}, 1, 1)
	wantEqual(t, "saved", mustSave(t, b.Store, first, second, first), store.Saved{Reports: 3, Repeated: 1})
	// What comes again does not overwrite what came since.
	stale := first
	stale.Results = []store.Result{{Host: host(1, 80), Succ: 77, AddSucc: 77}}
	wantEqual(t, "saved again", mustSave(t, b.Again(), third, stale, second), store.Saved{Reports: 3, Repeated: 2})
	latest := mustLatest(t, b.Store, store.LatestQuery{})
	minutes := mustMinutes(t, b.Store, store.MinuteQuery{Module: module(1, 1)})
	if len(latest) != 1 || latest[0].Succ != 1 || len(minutes) != 1 || minutes[0].Succ != 3 {
		t.Errorf("latest %+v, minutes %+v; want 1 and 3 successes", latest, minutes)
	}
}

func reportGarbage(t T, b *Backend) {
	good := report(store.Mark{Boot: 1, Number: 1}, 1, 1)
	negative := report(store.Mark{}, -1, 1)
	timeless := report(store.Mark{Boot: 1, Number: 2}, 1, 1)
	timeless.At = time.Time{}
	half := report(store.Mark{}, 1, 2)
	half.Results = append(half.Results, store.Result{Host: store.Host{IP: 0, Port: 1}}, store.Result{Host: store.Host{IP: 1}})
	empty := report(store.Mark{}, 1, 3)
	empty.Results = nil
	saved := mustSave(t, b.Store, negative, good, timeless, half, empty)
	wantEqual(t, "saved", saved, store.Saved{Reports: 5, Skipped: 4})
	wantEqual(t, "rows", len(mustLatest(t, b.Store, store.LatestQuery{})), 2)
	wantEqual(t, "saved nothing", mustSave(t, b.Store), store.Saved{})
}

func largeSave(t T, b *Backend) {
	big := report(store.Mark{Boot: 3, Number: 1}, 1, 1)
	big.Results = nil
	for i := range 3*store.SaveRowsMax + 17 {
		big.Results = append(big.Results, store.Result{Host: store.Host{IP: uint32(i + 1), Port: 80}, Succ: 1, AddSucc: 2})
	}
	reports := []store.Report{big}
	for i := range store.SaveRowsMax + 5 {
		reports = append(reports, report(store.Mark{Boot: 4, Number: uint64(i)}, 2, int32(i)))
	}
	wantEqual(t, "saved", mustSave(t, b.Store, reports...), store.Saved{Reports: len(reports)})
	wantEqual(t, "saved again", mustSave(t, b.Store, reports...), store.Saved{Reports: len(reports), Repeated: len(reports)})
	rows := len(big.Results) + len(reports) - 1
	wantEqual(t, "rows", len(mustLatest(t, b.Store, store.LatestQuery{})), rows)
	minutes := mustMinutes(t, b.Store, store.MinuteQuery{Module: module(1, 1)})
	wantEqual(t, "minutes", len(minutes), len(big.Results))
	for _, m := range minutes {
		if m.Succ != 2 {
			t.Fatalf("%+v, want 2 successes", m)
		}
	}
}

func countsAtTheEdge(t T, b *Backend) {
	r := report(store.Mark{}, math.MaxInt32, math.MaxInt32)
	r.Caller = math.MaxUint32
	r.Results[0] = store.Result{
		Host: store.Host{IP: math.MaxUint32, Port: math.MaxUint16},
		Succ: math.MaxUint32, Err: math.MaxInt32, AddSucc: math.MaxUint32, AddErr: math.MaxUint32,
	}
	mustSave(t, b.Store, r)
	mustSave(t, b.Store, r)
	latest := mustLatest(t, b.Store, store.LatestQuery{})
	if len(latest) != 1 || latest[0].Succ != math.MaxInt32 || latest[0].Err != math.MaxInt32 || latest[0].Caller != r.Caller {
		t.Errorf("latest %+v", latest)
	}
	minutes := mustMinutes(t, b.Store, store.MinuteQuery{Module: r.Module})
	if len(minutes) != 1 || minutes[0].Succ != 2*math.MaxUint32 || minutes[0].Err != 2*math.MaxUint32 {
		t.Errorf("minutes %+v", minutes)
	}
}

func latestPages(t T, b *Backend) {
	var reports []store.Report
	for i := range int32(10) {
		r := report(store.Mark{}, i%3, i%2)
		r.Caller = uint32(i)
		r.Results = append(r.Results, store.Result{Host: host(byte(2+i%4), 90)})
		reports = append(reports, r)
	}
	mustSave(t, b.Store, reports...)
	all := mustLatest(t, b.Store, store.LatestQuery{})
	wantEqual(t, "rows", len(all), 20)
	var paged []store.CallStat
	for q := (store.LatestQuery{Limit: 3}); ; {
		page := mustLatest(t, b.Store, q)
		paged = append(paged, page...)
		if len(page) < q.Limit || len(paged) > len(all) {
			break
		}
		q.After = &page[len(page)-1]
	}
	wantEqual(t, "pages", paged, all)
	for i := 1; i < len(all); i++ {
		if all[i-1].CompareKey(all[i]) >= 0 {
			t.Errorf("row %d is out of order: %+v, %+v", i, all[i-1], all[i])
		}
	}
	m := module(1, 1)
	for _, stat := range mustLatest(t, b.Store, store.LatestQuery{Module: &m}) {
		wantEqual(t, "module", stat.Module, m)
	}
	h := host(3, 90)
	ofHost := mustLatest(t, b.Store, store.LatestQuery{Host: &h})
	wantEqual(t, "of a host", len(ofHost), 3) // the reports 1, 5 and 9
	wantEqual(t, "of a host of a module", mustLatest(t, b.Store, store.LatestQuery{Module: &ofHost[1].Module, Host: &h}), ofHost[1:2])
}

func minutesSelect(t T, b *Backend) {
	start := epoch.Truncate(time.Minute)
	for i := range 5 {
		r := report(store.Mark{}, 1, 1)
		r.At = start.Add(time.Duration(i) * time.Minute)
		r.Results = append(r.Results, store.Result{Host: host(2, 80), AddErr: 1})
		mustSave(t, b.Store, r)
	}
	m, h := module(1, 1), host(2, 80)
	wantEqual(t, "all", len(mustMinutes(t, b.Store, store.MinuteQuery{Module: m})), 10)
	wantEqual(t, "of a host", len(mustMinutes(t, b.Store, store.MinuteQuery{Module: m, Host: &h})), 5)
	wantEqual(t, "limited", len(mustMinutes(t, b.Store, store.MinuteQuery{Module: m, Limit: 3})), 3)
	wantEqual(t, "of nobody", len(mustMinutes(t, b.Store, store.MinuteQuery{Module: module(1, 2)})), 0)
	some := mustMinutes(t, b.Store, store.MinuteQuery{
		Module: m, Host: &h, From: start.Add(time.Minute), To: start.Add(3 * time.Minute),
	})
	if len(some) != 2 || !some[0].Minute.Equal(start.Add(time.Minute)) || some[1].Err != 1 {
		t.Errorf("from minute 1 before minute 3: %+v", some)
	}
}

func minutesPages(t T, b *Backend) {
	for i := range 4 {
		r := report(store.Mark{}, 1, 1)
		r.At = epoch.Add(time.Duration(i) * time.Minute)
		r.Results = append(r.Results, store.Result{Host: host(2, 80), AddErr: 1}, store.Result{Host: host(2, 81), AddErr: 1})
		mustSave(t, b.Store, r)
	}
	all := mustMinutes(t, b.Store, store.MinuteQuery{Module: module(1, 1)})
	wantEqual(t, "rows", len(all), 12)
	var paged []store.MinuteStat
	for q := (store.MinuteQuery{Module: module(1, 1), Limit: 5}); ; {
		page := mustMinutes(t, b.Store, q)
		paged = append(paged, page...)
		if len(page) < q.Limit || len(paged) > len(all) {
			break
		}
		q.After = &page[len(page)-1]
	}
	wantEqual(t, "pages", paged, all)
}

func statGarbage(t T, b *Backend) {
	const insert = "INSERT INTO ServerCallStatus (modid, cmdid, ip, port, caller, succ_cnt, err_cnt, ts, overload) VALUES (?, ?, ?, ?, 1, ?, ?, 0, ?)"
	mustExec(t, b, insert, 1, 1, 0, 80, 1, 1, "0")
	mustExec(t, b, insert, 1, 1, 5, 65536, 1, 1, "0")
	mustExec(t, b, insert, -1, 1, 5, 80, 1, 1, "0")
	mustExec(t, b, insert, 1, 1, 5, 80, -3, 7, "x")
	stats := mustLatest(t, b.Store, store.LatestQuery{Limit: 1})
	wantEqual(t, "latest", stats, []store.CallStat{
		{Module: module(1, 1), Host: store.Host{IP: 5, Port: 80}, Caller: 1, Err: 7, At: time.Unix(0, 0).UTC()},
	})
}
