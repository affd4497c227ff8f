package sqlstore

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"lars/system/store"
)

func testDialect() *Dialect {
	return &Dialect{
		OnConflict: func(keys []string) string { return "CONFLICT " + strings.Join(keys, "+") },
		Excluded:   func(column string) string { return "new." + column },
		Piece:      func(n int) int { return min(n, 3) },
	}
}

func TestUpsertText(t *testing.T) {
	tests := []struct {
		upsert upsert
		rows   int
		want   string
	}{
		{
			upsert{table: "T", keys: []string{"a", "b"}, set: []string{"c"}, add: []string{"d"}},
			2, "INSERT INTO T (a, b, c, d) VALUES (?, ?, ?, ?), (?, ?, ?, ?) CONFLICT a+b c = new.c, d = T.d + new.d",
		},
		{
			upsert{table: "T", keys: []string{"a"}, keep: []string{"b"}},
			1, "INSERT INTO T (a, b) VALUES (?, ?) CONFLICT a a = T.a",
		},
	}
	for _, test := range tests {
		if got := test.upsert.text(testDialect(), test.rows); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
		if got := test.upsert.width(); got != len(test.upsert.columns()) {
			t.Errorf("width %d of %v", got, test.upsert.columns())
		}
	}
	if got, want := anyOf([]string{"a", "b"}, 2), "((a = ? AND b = ?) OR (a = ? AND b = ?))"; got != want {
		t.Errorf("anyOf = %s, want %s", got, want)
	}
}

func TestPiecesCoverEverything(t *testing.T) {
	args := make([]any, 2*7)
	var sizes []int
	err := new(tx).pieces(testDialect(), 2, args, func(n int, args []any) error {
		if len(args) != 2*n {
			t.Errorf("%d values for %d rows", len(args), n)
		}
		sizes = append(sizes, n)
		return nil
	})
	if err != nil || len(sizes) != 3 || sizes[2] != 1 {
		t.Errorf("pieces %v, %v; want 3, 3, 1", sizes, err)
	}
}

func TestNumberScan(t *testing.T) {
	for _, test := range []struct {
		src  any
		want int64
	}{
		{int64(-5), -5},
		{uint64(math.MaxUint64), math.MaxInt64},
		{nil, 0},
		{[]byte("17"), 17},
		{"99999999999999999999", math.MaxInt64},
		{"-99999999999999999999", math.MinInt64},
	} {
		n := number(1)
		if err := n.Scan(test.src); err != nil || int64(n) != test.want {
			t.Errorf("Scan(%v) = %d, %v; want %d", test.src, n, err, test.want)
		}
	}
	for _, src := range []any{"words", 1.5, time.Now()} {
		var n number
		if err := n.Scan(src); !errors.Is(err, store.ErrSchema) {
			t.Errorf("Scan(%v) = %v, want ErrSchema", src, err)
		}
	}
}

func TestRowsThatMakeSense(t *testing.T) {
	for _, test := range []struct {
		row row
		ok  bool
	}{
		{row{0, 0, 1, 1}, true},
		{row{math.MaxInt32, math.MaxInt32, math.MaxUint32, math.MaxUint16}, true},
		{row{-1, 0, 1, 1}, false},
		{row{0, math.MaxInt32 + 1, 1, 1}, false},
		{row{0, 0, 0, 1}, false},
		{row{0, 0, math.MaxUint32 + 1, 1}, false},
		{row{0, 0, 1, 0}, false},
		{row{0, 0, 1, math.MaxUint16 + 1}, false},
	} {
		if _, ok := test.row.route(); ok != test.ok {
			t.Errorf("%+v makes sense: %v, want %v", test.row, ok, test.ok)
		}
	}
}

// Rows of a batch are in the order of their keys, each once: the last of the
// latest figures, the sum of the totals.
func TestBatchRows(t *testing.T) {
	at := time.Unix(125, 0)
	host := func(ip uint32) store.Host { return store.Host{IP: ip, Port: 1} }
	reports := []store.Report{
		{Caller: 1, At: at, Results: []store.Result{{Host: host(9), Succ: 1, AddSucc: 1}, {Host: host(3), Succ: 2, AddErr: 4, Overload: true}}},
		{Caller: 1, At: at, Results: []store.Result{{Host: host(9), Succ: 5, AddSucc: 7}}},
		{Caller: 0, At: at, Results: []store.Result{{Host: host(9), Succ: 8}}},
	}
	var b batch
	b.collect(reports, nil)
	if len(b.latest) != 3 || b.latest[0].route.IP != 3 || b.latest[1].succ != 8 || b.latest[2].succ != 5 {
		t.Errorf("latest %+v", b.latest)
	}
	if len(b.minutes) != 2 || b.minutes[0].overload != 1 || b.minutes[0].err != 4 || b.minutes[1].succ != 8 || b.minutes[1].minute != 120 {
		t.Errorf("minutes %+v", b.minutes)
	}
}

func TestChunksKeepReportsWhole(t *testing.T) {
	of := func(sizes ...int) []store.Report {
		var reports []store.Report
		for _, n := range sizes {
			reports = append(reports, store.Report{Results: make([]store.Result, n)})
		}
		return reports
	}
	for _, test := range []struct {
		reports []store.Report
		want    int
	}{
		{of(1), 1},
		{of(store.SaveRowsMax, 1), 1},
		{of(store.SaveRowsMax-1, 1, 1), 2},
		{of(5*store.SaveRowsMax, 1), 1},
		{of(0, 0, 0), 3},
	} {
		if got := chunkLength(test.reports); got != test.want {
			t.Errorf("chunk of %d, want %d", got, test.want)
		}
	}
}
