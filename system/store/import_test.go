package store

import (
	"context"
	"errors"
	"testing"
)

// refusing is a store that takes a number of edits and then no more.
type refusing struct {
	RouteReader
	RouteEditor
	takes int
	got   []Edit
}

func (r *refusing) Edit(_ context.Context, e Edit) (Edited, error) {
	if err := e.Check(); err != nil {
		return Edited{}, err
	}
	if len(r.got) == r.takes {
		return Edited{}, ErrUnavailable
	}
	r.got = append(r.got, e)
	return Edited{Version: int64(len(r.got)), Added: len(e.Modules)}, nil
}

func routesOf(n int, last error) func(func(Route, error) bool) {
	return func(yield func(Route, error) bool) {
		for i := range n {
			if !yield(Route{Module{int32(i), 1}, Host{1, 1}}, nil) {
				return
			}
		}
		if last != nil {
			yield(Route{}, last)
		}
	}
}

func TestImportStopsAtTheFirstError(t *testing.T) {
	unreadable := errors.New("line 7 is unreadable")
	tests := []struct {
		name  string
		takes int
		last  error
		want  error
		done  Imported
	}{
		{"all goes well", 9, nil, nil, Imported{Version: 3, Read: 2500, Added: 2500}},
		{"the store gives up", 1, nil, ErrUnavailable, Imported{Version: 1, Read: 2000, Added: 1000}},
		{"the routes are unreadable", 9, unreadable, unreadable, Imported{Version: 2, Read: 2500, Added: 2000}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			done, err := Import(t.Context(), &refusing{takes: test.takes}, ImportOptions{Actor: "a"}, routesOf(2500, test.last))
			if !errors.Is(err, test.want) || done != test.done {
				t.Errorf("Import = %+v, %v; want %+v, %v", done, err, test.done, test.want)
			}
		})
	}
}

func TestImportRefusesGarbage(t *testing.T) {
	bad := func(yield func(Route, error) bool) { yield(Route{Module{-1, 1}, Host{1, 1}}, nil) }
	if _, err := Import(t.Context(), &refusing{takes: 1}, ImportOptions{Actor: "a"}, bad); !errors.Is(err, ErrInvalid) {
		t.Errorf("Import = %v, want ErrInvalid", err)
	}
}

func TestImportGroupsByModule(t *testing.T) {
	st := &refusing{takes: 1}
	mixed := func(yield func(Route, error) bool) {
		for _, r := range []Route{
			{Module{2, 1}, Host{1, 1}},
			{Module{1, 1}, Host{2, 1}},
			{Module{2, 1}, Host{1, 1}},
			{Module{1, 1}, Host{1, 1}},
		} {
			if !yield(r, nil) {
				return
			}
		}
	}
	if _, err := Import(t.Context(), st, ImportOptions{Actor: "a"}, mixed); err != nil {
		t.Fatal(err)
	}
	got := st.got[0].Modules
	if len(got) != 2 || got[0].Module != (Module{1, 1}) || len(got[0].Hosts) != 2 || len(got[1].Hosts) != 1 {
		t.Errorf("edits %+v", got)
	}
}
