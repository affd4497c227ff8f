package memory

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"lars/system/store"
)

// statKey and minuteKey are the keys of the two tables of statistics.
type statKey struct {
	route  store.Route
	caller uint32
}

type minuteKey struct {
	route  store.Route
	minute int64 // Unix seconds
}

func compareMinutes(a, b minuteKey) int {
	return cmp.Or(cmp.Compare(a.minute, b.minute), a.route.Compare(b.route))
}

func keyOf(m *store.MinuteStat) minuteKey {
	return minuteKey{store.Route{Module: m.Module, Host: m.Host}, m.Minute.Unix()}
}

const minuteSeconds = 60

// SaveReports implements store.ReportWriter.
func (s *Store) SaveReports(ctx context.Context, reports []store.Report) (store.Saved, error) {
	var saved store.Saved
	err := s.do(ctx, "SaveReports", func(d *data) error {
		now := s.db.now().Unix()
		for i := range reports {
			d.save(&reports[i], now, &saved)
		}
		return nil
	})
	if err != nil {
		return store.Saved{}, err
	}
	saved.Reports = len(reports)
	return saved, nil
}

func (d *data) save(r *store.Report, now int64, saved *store.Saved) {
	if r.Mark.Boot != 0 {
		if _, known := d.marks[r.Mark]; known {
			saved.Repeated++
			return
		}
		d.marks[r.Mark] = now
	}
	at := r.At.Unix()
	if !r.Module.Valid() || at < 0 {
		saved.Skipped++
		return
	}
	d.saveHints(r, at)
	sent := r.Sent
	if sent.IsZero() {
		sent = r.At
	}
	for i := range r.Results {
		x := &r.Results[i]
		if !x.Host.Valid() {
			saved.Skipped++
			continue
		}
		route := store.Route{Module: r.Module, Host: x.Host}
		d.latest[statKey{route, r.Caller}] = store.CallStat{
			Module: r.Module, Host: x.Host, Caller: r.Caller, At: time.Unix(sent.Unix(), 0), Overload: x.Overload,
			Succ: min(x.Succ, math.MaxInt32), Err: min(x.Err, math.MaxInt32), // as the columns of the others
		}
		d.count(minuteKey{route, at - at%minuteSeconds}, x)
	}
}

func (d *data) count(key minuteKey, x *store.Result) {
	if x.AddSucc|x.AddErr == 0 && !x.Overload {
		return
	}
	m := d.minutes[key]
	m.Minute, m.Module, m.Host = time.Unix(key.minute, 0), key.route.Module, key.route.Host
	m.Succ += int64(x.AddSucc)
	m.Err += int64(x.AddErr)
	if x.Overload {
		m.Overload++
	}
	d.minutes[key] = m
}

// Latest implements store.StatReader.
func (s *Store) Latest(ctx context.Context, q store.LatestQuery) (stats []store.CallStat, err error) {
	err = s.do(ctx, "Latest", func(d *data) error {
		for _, x := range slices.SortedFunc(maps.Values(d.latest), store.CallStat.CompareKey) {
			if len(stats) == limitRows(q.Limit) {
				break
			}
			if (q.Module == nil || x.Module == *q.Module) && (q.Host == nil || x.Host == *q.Host) && (q.After == nil || x.CompareKey(*q.After) > 0) {
				stats = append(stats, x)
			}
		}
		return nil
	})
	return stats, err
}

// Minutes implements store.StatReader.
func (s *Store) Minutes(ctx context.Context, q store.MinuteQuery) (stats []store.MinuteStat, err error) {
	err = s.do(ctx, "Minutes", func(d *data) error {
		for _, key := range slices.SortedFunc(maps.Keys(d.minutes), compareMinutes) {
			x := d.minutes[key]
			if len(stats) == limitRows(q.Limit) {
				break
			}
			if x.Module == q.Module && (q.Host == nil || x.Host == *q.Host) && (q.After == nil || compareMinutes(key, keyOf(q.After)) > 0) &&
				(q.From.IsZero() || key.minute >= q.From.Unix()) && (q.To.IsZero() || key.minute < q.To.Unix()) {
				stats = append(stats, x)
			}
		}
		return nil
	})
	return stats, err
}
