package route

import (
	"slices"
	"testing"
)

func TestPoliciesOfSnapshots(t *testing.T) {
	a, b, c, d := Module{1, 1}, Module{1, 2}, Module{1, 3}, Module{1, 4}
	h := Host{1, 80}
	var build Builder
	for _, m := range []Module{a, b, c} {
		if err := build.Add(m, h); err != nil {
			t.Fatal(err)
		}
	}
	first := build.Build(1)
	if first.Policies() != nil || (*Snapshot)(nil).Policies() != nil {
		t.Error("policies from nowhere")
	}
	rr := &Policy{Settings: "algorithm=rr", Version: 2}
	heavy := func(weight uint32) *Policy { return &Policy{Hosts: []HostPolicy{{Host: h, Weight: weight}}} }
	second := first.Apply(2, nil).WithPolicies(Policies{a: rr, b: heavy(2), d: rr})
	third := second.Apply(3, []Route{{b, []Host{h, {2, 80}}}, {c, nil}}).WithPolicies(Policies{a: rr, b: heavy(3)})
	if first.Policies() != nil || second.Policies()[b].Hosts[0].Weight != 2 || second.Apply(9, nil).Policies()[a] != rr {
		t.Error("a snapshot's policies changed, or were lost")
	}
	for _, x := range []struct {
		before, after *Snapshot
		want          []Module
	}{
		{first, second, []Module{a, b, d}},
		{second, first, []Module{a, b, d}},
		{second, third, []Module{b, c, d}},
		{third, third.WithPolicies(Policies{a: {Settings: "algorithm=rr", Version: 2}, b: heavy(3)}), nil},
		{third, third.WithPolicies(Policies{a: {Settings: "algorithm=rr", Version: 4}, b: heavy(3)}), []Module{a}},
		{nil, second, []Module{a, b, c, d}},
	} {
		got := Diff(x.before, x.after)
		slices.SortFunc(got, Module.Compare)
		if !slices.Equal(got, x.want) {
			t.Errorf("differ: %v, want %v", got, x.want)
		}
	}
}
