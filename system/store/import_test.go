package store

import (
	"context"
	"errors"
	"reflect"
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

func routesOf(n int, last error) func(func(Item, error) bool) {
	return func(yield func(Item, error) bool) {
		for i := range n {
			if !yield(Item{Route: Route{Module{ModID: int32(i), CmdID: 1}, Host{IP: 1, Port: 1}}}, nil) {
				return
			}
		}
		if last != nil {
			yield(Item{}, last)
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
	bad := func(yield func(Item, error) bool) {
		yield(Item{Route: Route{Module{ModID: -1, CmdID: 1}, Host{IP: 1, Port: 1}}}, nil)
	}
	if _, err := Import(t.Context(), &refusing{takes: 1}, ImportOptions{Actor: "a"}, bad); !errors.Is(err, ErrInvalid) {
		t.Errorf("Import = %v, want ErrInvalid", err)
	}
}

// A module is in an edit once, with hosts of which the same is said; settings
// come first.
func TestImportGroups(t *testing.T) {
	three, yes, text := uint32(3), true, "algorithm=rr"
	st := &refusing{takes: 9}
	item := func(modid int32, ip uint32, tune Tune) Item {
		return Item{Route: Route{Module{ModID: modid, CmdID: 1}, Host{IP: ip, Port: 1}}, Tune: tune}
	}
	items := []Item{
		item(2, 1, Tune{}), item(1, 2, Tune{}), item(2, 1, Tune{}), item(1, 1, Tune{}),
		item(1, 4, Tune{Weight: &three}), item(1, 3, Tune{Weight: &three}), item(2, 5, Tune{Draining: &yes}),
		{Route: Route{Module: Module{ModID: 1, CmdID: 1}}, Settings: &text},
	}
	sequence := func(yield func(Item, error) bool) {
		for _, it := range items {
			if !yield(it, nil) {
				return
			}
		}
	}
	if _, err := Import(t.Context(), st, ImportOptions{Actor: "a"}, sequence); err != nil {
		t.Fatal(err)
	}
	one, two := Module{ModID: 1, CmdID: 1}, Module{ModID: 2, CmdID: 1}
	want := [][]ModuleEdit{
		{{Module: one, Op: OpSettings, Settings: text}, {Module: two, Op: OpEnsure, Hosts: []Host{{IP: 1, Port: 1}}}},
		{{Module: one, Op: OpEnsure, Hosts: []Host{{IP: 1, Port: 1}, {IP: 2, Port: 1}}}, {Module: two, Op: OpEnsure, Hosts: []Host{{IP: 5, Port: 1}}, Tune: Tune{Draining: &yes}}},
		{{Module: one, Op: OpEnsure, Hosts: []Host{{IP: 3, Port: 1}, {IP: 4, Port: 1}}, Tune: Tune{Weight: &three}}},
	}
	if len(st.got) != len(want) {
		t.Fatalf("%d edits: %+v", len(st.got), st.got)
	}
	for i, e := range st.got {
		if !reflect.DeepEqual(e.Modules, want[i]) {
			t.Errorf("edit %d: %+v, want %+v", i, e.Modules, want[i])
		}
	}
}
