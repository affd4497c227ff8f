package storetest

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"lars/system/store"
)

// Benchmark runs the shared benchmarks:
//
//	SaveReports/rows=N    host results a second, marked reports of 10 hosts in
//	                      batches of N results: latest figures, totals per minute
//	                      and marks
//	SaveReports/writers=4 the same from four goroutines
//	SaveReports/new       the same where every (module, host, caller) is new
//	Version               the poll
//	Edit                  one host added
//	Load                  a full load; loadRoutes rows are stored first
//	Changes               an edit of one host in each of 100 modules among that
//	                      many routes, and what a reader then asks for
//	Trim                  rows of per-minute totals deleted a second
func Benchmark(b *testing.B, open Open, loadRoutes int) {
	for _, rows := range []int{200, 1000} {
		b.Run(fmt.Sprintf("SaveReports/rows=%d", rows), func(b *testing.B) {
			benchSave(b, open(b).Store, saveLoad{rows: rows, writers: 1, callers: 1})
		})
	}
	b.Run("SaveReports/writers=4", func(b *testing.B) {
		benchSave(b, open(b).Store, saveLoad{rows: 1000, writers: 4, callers: 1})
	})
	b.Run("SaveReports/new", func(b *testing.B) {
		benchSave(b, open(b).Store, saveLoad{rows: 1000, writers: 1, callers: 1 << 30})
	})
	b.Run("Version", func(b *testing.B) { benchVersion(b, open(b).Store) })
	b.Run("Edit", func(b *testing.B) { benchEdit(b, open(b).Store) })
	b.Run(fmt.Sprintf("Load/routes=%d", loadRoutes), func(b *testing.B) { benchLoad(b, open(b), loadRoutes) })
	b.Run(fmt.Sprintf("Changes/modules=%d", benchModules), func(b *testing.B) { benchChanges(b, open(b), loadRoutes) })
	b.Run("Trim", func(b *testing.B) { benchTrim(b, open(b).Store) })
}

const (
	benchModules        = 100
	benchHostsPerModule = 10
)

// saveLoad is what a benchmark of SaveReports saves: batches of rows results.
type saveLoad struct{ rows, writers, callers int }

// reports is the batch that begins with report number first.
func (l saveLoad) reports(boot uint64, first int) []store.Report {
	reports := make([]store.Report, l.rows/benchHostsPerModule)
	for i := range reports {
		number := first + i
		results := make([]store.Result, benchHostsPerModule)
		for h := range results {
			results[h] = store.Result{
				Host: store.Host{IP: uint32(0x0A000001 + h), Port: 8080},
				Succ: uint32(number), AddSucc: 3, AddErr: 1,
			}
		}
		reports[i] = store.Report{
			Mark: store.Mark{Boot: boot, Number: uint64(number)}, Module: module(int32(number%benchModules), 1),
			Caller: uint32(boot<<30) + uint32(number%l.callers), At: epoch.Add(time.Duration(number) * time.Millisecond), Results: results,
		}
	}
	return reports
}

func benchSave(b *testing.B, st store.Store, l saveLoad) {
	b.ReportAllocs()
	var batches atomic.Int64
	ctx := context.Background()
	b.ResetTimer()
	err := parallel(l.writers, func(w int) error {
		for n := 0; batches.Add(1) <= int64(b.N); n++ {
			reports := l.reports(uint64(w+1), n*l.rows/benchHostsPerModule)
			saved, err := st.SaveReports(ctx, reports)
			if err != nil || saved.Reports != len(reports) || saved.Repeated+saved.Skipped > 0 {
				return fmt.Errorf("saved %+v, %w", saved, err)
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N*l.rows)/b.Elapsed().Seconds(), "results/s")
}

func benchVersion(b *testing.B, st store.Store) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := st.Version(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

func benchEdit(b *testing.B, st store.Store) {
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e := one(store.OpAdd, module(int32(i), 1), hosts(1)...)
		if _, err := st.Edit(context.Background(), e); err != nil {
			b.Fatal(err)
		}
	}
}

// benchLoad also reports the garbage of a load per route, and the live memory
// that grew during it.
func benchLoad(b *testing.B, backend *Backend, routes int) {
	fill(b, backend, routes)
	b.ReportAllocs()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	for b.Loop() {
		loaded, err := backend.Store.Load(context.Background(), func(store.Route) error { return nil })
		if err != nil || loaded.Routes != routes {
			b.Fatalf("loaded %+v, %v", loaded, err)
		}
	}
	runtime.ReadMemStats(&after)
	total := float64(b.N) * float64(routes)
	b.ReportMetric(total/b.Elapsed().Seconds(), "routes/s")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/total, "garbage-B/route")
}

func benchChanges(b *testing.B, backend *Backend, routes int) {
	fill(b, backend, routes)
	st := backend.Store
	e := store.Edit{Actor: "bench"}
	for i := range benchModules {
		e.Modules = append(e.Modules, store.ModuleEdit{Module: module(int32(i*routes/benchHostsPerModule/benchModules), 1)})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		for m := range e.Modules {
			e.Modules[m].Op, e.Modules[m].Hosts = store.OpAdd, []store.Host{{IP: uint32(i + 1), Port: 1}}
		}
		edited, err := st.Edit(context.Background(), e)
		if err != nil {
			b.Fatal(err)
		}
		changes, err := st.Changes(context.Background(), edited.Version-1)
		if err != nil || len(changes.Modules) != benchModules {
			b.Fatalf("%d modules changed, %v", len(changes.Modules), err)
		}
	}
}

func benchTrim(b *testing.B, st store.Store) {
	const rows = 20_000
	deleted := 0
	for b.Loop() {
		b.StopTimer()
		for first := range rows / 1000 {
			r := store.Report{Module: module(int32(first), 1), At: epoch}
			for h := range 1000 {
				r.Results = append(r.Results, store.Result{Host: store.Host{IP: uint32(h + 1), Port: 1}, AddErr: 1})
			}
			if _, err := st.SaveReports(context.Background(), []store.Report{r}); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		trimmed, err := st.Trim(context.Background(), store.TrimLimits{Minutes: epoch.Add(time.Hour)})
		if err != nil || trimmed.Minutes != rows {
			b.Fatalf("trimmed %+v, %v", trimmed, err)
		}
		deleted += rows
	}
	b.ReportMetric(float64(deleted)/b.Elapsed().Seconds(), "rows/s")
}

// fill stores routes past the store's edits, which would take longer than the
// benchmark: 10 hosts to a module.
func fill(b *testing.B, backend *Backend, routes int) {
	b.Helper()
	tx, err := backend.Raw.Begin()
	if err != nil {
		b.Fatal(err)
	}
	const rows = 1000
	for start := 0; start < routes; start += rows {
		text := []byte("INSERT INTO RouteData (modid, cmdid, serverip, serverport) VALUES ")
		for i := start; i < min(start+rows, routes); i++ {
			if i > start {
				text = append(text, ',')
			}
			text = fmt.Appendf(text, "(%d,1,%d,8080)", i/benchHostsPerModule, 0xC0A80000+i%benchHostsPerModule)
		}
		if _, err := tx.Exec(string(text)); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
}
