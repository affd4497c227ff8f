package reporter_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lars/reactor/driver"
	"lars/system/store"
	"lars/system/wire"
)

// suspicions is what agents suspect now, as "cmd host by/of".
func suspicions(t testing.TB, st store.Store) string {
	t.Helper()
	found, err := st.Suspicions(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, s := range found {
		text = append(text, fmt.Sprintf("%d %v %d/%d", s.Module.CmdID, s.Host, s.By, s.Of))
	}
	return strings.Join(text, "; ")
}

// What agents say of hosts is stored, as far as it means something.
func TestSuspicionsReachTheStore(t *testing.T) {
	says := func(boot, number uint64, words ...uint32) *wire.ReportStatusRequest {
		r := report(1, boot, number, make([]wire.HostCallResult, len(words))...)
		for i, w := range words {
			r.Results[i].Suspect = w
		}
		r.Sharing = true
		return r
	}
	alone := says(9, 1, wire.Suspected)
	alone.Sharing = false
	tests := []struct {
		name    string
		reports []*wire.ReportStatusRequest
		want    string
		bad     uint64
	}{
		{"of one of two", []*wire.ReportStatusRequest{says(7, 1, wire.Suspected), says(8, 1, 0, wire.Suspected)}, "1 192.168.1.1:80 1/2; 1 192.168.1.2:80 1/2", 0},
		{"cleared", []*wire.ReportStatusRequest{says(7, 1, wire.Suspected), says(7, 2, wire.Cleared), says(7, 3, 0)}, "", 0},
		{"goes on while nothing is said", []*wire.ReportStatusRequest{says(7, 1, wire.Suspected), says(7, 2, 0)}, "1 192.168.1.1:80 1/1", 0},
		{"unknown word", []*wire.ReportStatusRequest{says(7, 1, 3, wire.Suspected, 1<<32-1)}, "1 192.168.1.2:80 1/1", 2},
		{"of who does not share", []*wire.ReportStatusRequest{alone}, "", 1},
		{"of the original's agent", []*wire.ReportStatusRequest{says(0, 0, wire.Suspected)}, "", 1},
		{"too many", []*wire.ReportStatusRequest{says(7, 1, slices.Repeat([]uint32{wire.Cleared}, 130)...)}, "", 2},
	}
	onBackends(t, func(t *testing.T, d driver.Driver, _ store.Store) {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				st := newStore(t)
				s, _ := start(t, d, quick(), st)
				send(t, connect(t, s), test.reports...)
				idle(t, s, uint64(len(test.reports)))
				if got := suspicions(t, st); got != test.want {
					t.Errorf("suspicions %s\nwant       %s", got, test.want)
				}
				if got := s.Stats().BadSuspect; got != test.bad {
					t.Errorf("bad_suspect %d, want %d", got, test.bad)
				}
			})
		}
	})
}
