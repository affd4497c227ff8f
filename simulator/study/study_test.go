package study

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "rewrite testdata")

func pick(t *testing.T, ids, names string) ([]Scenario, []Policy) {
	t.Helper()
	s, err := PickScenarios(strings.Split(ids, ","))
	if err != nil {
		t.Fatal(err)
	}
	p, err := PickPolicies(strings.Split(names, ","))
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

func table(t *testing.T, seeds, workers int, s []Scenario, p []Policy) *Table {
	t.Helper()
	tab, err := Run(t.Context(), Plan{Scenarios: s, Policies: p, Seeds: seeds, Workers: workers})
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// The targets of the default policy hold. The whole table is made by lars sim
// study; its targets are these, with more seeds.
func TestTargets(t *testing.T) {
	s, p := pick(t, "S2,S3,S4,S6,S7b,S8", Default)
	for _, miss := range table(t, seedsOfATest, 0, s, p).Missed() {
		t.Error(miss)
	}
	s, p = pick(t, "S2", "classic")
	tab := table(t, 1, 0, s, p)
	tab.Policies[0].Name = Default
	if missed := tab.Missed(); len(missed) != 1 {
		t.Errorf("classic as the default: %q", missed)
	}
}

// Few calls per agent are what hints are for; whoever lies by them costs
// nobody a host.
func TestHints(t *testing.T) {
	s, p := pick(t, "S9", "ewma+outlier,ewma+hints")
	tab := table(t, 5, 0, s, p)
	if with, without := tab.Cell("S9", Default).Values[Errors], tab.Cell("S9", "ewma+outlier").Values[Errors]; with.Mean > 2 || with.Mean > without.Mean/3 {
		t.Errorf("S9: %+v with hints, %+v without", with, without)
	}
	s, p = pick(t, "S17h", "ewma+outlier,ewma+hints")
	tab = table(t, 1, 0, s, p)
	with, without := tab.Cell("S17h", Default).Values, tab.Cell("S17h", "ewma+outlier").Values
	if with[Errors].Mean > without[Errors].Mean+.1 || with[FalsePositives].Mean > 10 {
		t.Errorf("S17h: %+v with hints, %+v without", with, without)
	}
}

// The same plan gives the same bytes, whatever runs beside what.
func TestSameBytes(t *testing.T) {
	s, p := pick(t, "S9,S12", "ewma+outlier,ewma+hints,classic,chash+outlier")
	s = append(s, Scenario{
		ID: "T", Name: "all at once", Agents: 3, Hosts: 4, Rate: 60, Crowd: 2, Before: 2 * second, Window: 5 * second, After: 3 * second, Timeout: second / 5,
		Callers: 2, Poison: 1, Keys: 20, Zones: 2, Ragged: true, Spares: 1, Liars: 1, Clock: time.Hour,
		Faults: []Fault{{Count: 1, Refuse: true, To: second}, {First: 1, Count: 1, Silent: true, From: second, To: 2 * second}, {First: 2, Count: 1, Slow: 9, Errors: .1, To: 3 * second}},
		Edits:  []Edit{{At: second, Host: 3, Drain: true}, {At: 2 * second, Host: 3, Back: true}, {At: 2 * second, Host: 0, Spare: 4}},
		Show:   []Metric{Errors, P50, Moved, Remapped, CrossZone, FalsePositives},
	})
	s[1].Agents = 100
	files := func(workers int) []File {
		f, err := table(t, 2, workers, s, p).Files()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	one := files(1)
	if !reflect.DeepEqual(one, files(3)) {
		t.Error("three workers give other bytes than one")
	}
	var b bytes.Buffer
	if err := table(t, 2, 0, s, p).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/small.md"
	if *rewrite {
		if err := os.WriteFile(golden, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("other figures than those of %s; if they should be, run go test ./simulator/study -rewrite\n%s", golden, b.String())
	}
}

// Monotonic time does not step: with the clocks of two agents an hour off,
// everything is as without. The original's algorithms see their wall clocks.
func TestClockSteps(t *testing.T) {
	s, _ := pick(t, "S19", Default)
	stepped := s[0]
	still := stepped
	still.Clock = 0
	requests := stepped.stream(1)
	for _, c := range []struct {
		policy string
		same   bool
	}{{Default, true}, {"rr+outlier", true}, {"classic", false}} {
		_, p := pick(t, "S19", c.policy)
		a, err := run(&stepped, p[0], 1, requests)
		if err != nil {
			t.Fatal(err)
		}
		b, err := run(&still, p[0], 1, requests)
		if err != nil {
			t.Fatal(err)
		}
		if same := a.latency == b.latency && a.failed == b.failed && a.longest == b.longest && reflect.DeepEqual(a.seconds, b.seconds); same != c.same {
			t.Errorf("%s: the same as without steps: %v", c.policy, same)
		}
	}
}

func TestQueue(t *testing.T) {
	var q queue
	var want []event
	for i := range uint32(1000) {
		q.push(time.Duration(i*7919%97), served, i)
	}
	for len(q.heap) > 0 {
		want = append(want, q.pop())
	}
	if !slices.IsSortedFunc(want, func(a, b event) int {
		if a.before(&b) {
			return -1
		}
		return 1
	}) || len(want) != 1000 {
		t.Error("not in the order of time and of making")
	}
}

// A host serves four calls at once, the others in turn, and none that nobody
// waits for.
func TestHostServesInTurn(t *testing.T) {
	s := &Scenario{ID: "T", Agents: 1, Hosts: 1, Window: 10 * second, Timeout: 50 * time.Millisecond, Callers: 1, Show: []Metric{Errors}}
	var requests []request
	for range 13 {
		requests = append(requests, request{work: 1, luck: 1})
	}
	requests = append(requests, request{at: second, work: 1, luck: 1})
	_, p := pick(t, "S0", "rr")
	m, err := run(s, p[0], 1, requests)
	if err != nil {
		t.Fatal(err)
	}
	// Four after 20 ms, four after 40; four are begun and come too late, the
	// last is dropped. A second later the host is idle.
	if m.failed != 5 || m.calls != 14 || m.latency.at(.35) > 22 || m.latency.at(.6) < 39 || m.latency.at(.6) > 43 {
		t.Errorf("%d of %d failed, latencies %v %v", m.failed, m.calls, m.latency.at(.35), m.latency.at(.6))
	}
	// Nobody waits for any when the tenths of a second end.
	if m.load.most != 13 || m.values[FlightMean] != 0 || m.load.slices != 10 || slices.ContainsFunc(m.load.flying, func(n int) bool { return n != 0 }) {
		t.Errorf("load %d, %v, %d slices, %v", m.load.most, m.values[FlightMean], m.load.slices, m.load.flying)
	}
}

// Two hosts, four slices: one gets two calls in each, the other eight and none
// in turn; of the latter three are still under way at the end of the last.
func TestLoad(t *testing.T) {
	l := newLoad(2, second)
	for i := range 4 {
		l.rates[0].now, l.rates[1].now = 2, 8*(i%2)
		if i == 3 {
			l.flying[1] = 3
		}
		l.pass(second+time.Duration(i+1)*slice, 2)
	}
	all := func(int) bool { return true }
	if h := l.herd(all, 2); h != 2 { // 0 and 16/4
		t.Errorf("herd %v", h)
	}
	if h := l.herd(func(h int) bool { return h == 0 }, 2); h != 0 {
		t.Errorf("herd of the even one %v", h)
	}
	if mean, p99 := l.flight(); mean != 3./8 || p99 != 3 {
		t.Errorf("in flight %v, %v", mean, p99)
	}
}

// A host refuses all: a handful of failures put it out; without ejection they
// go on. Only hints take messages.
func TestCosts(t *testing.T) {
	s, p := pick(t, "S2", "rr,rr+outlier,classic,ewma+hints")
	s[0].Agents, s[0].Rate = 2, 100
	tab := table(t, 1, 0, s, p)
	value := func(policy string, m Metric) float64 { return tab.Cell("S2", policy).Values[m].Mean }
	if x := value("rr+outlier", ErrorsToEject); x < 1 || x > 8 {
		t.Errorf("rr+outlier: %v errors until out", x)
	}
	if x := value("rr", ErrorsToEject); x < 400 {
		t.Errorf("rr: %v errors until out", x)
	}
	if x := value("classic", Probes); x < 8 || x > 100./11 {
		t.Errorf("classic: %v %% probes", x)
	}
	if a, b := value("classic", Messages), value("ewma+hints", Messages); a != 0 || b == 0 {
		t.Errorf("messages: %v without hints, %v with", a, b)
	}
}

// Every scenario shows what it says, and its list is whole.
func TestScenarios(t *testing.T) {
	var ids []string
	for _, s := range Scenarios() {
		ids = append(ids, s.ID)
		if len(s.Show) == 0 || s.Name == "" || s.Expected == "" && s.ID != "S1w" || s.Rate <= 0 || s.Window%second != 0 {
			t.Errorf("%+v", s)
		}
	}
	for n := range 21 {
		if !slices.ContainsFunc(ids, func(id string) bool { return strings.TrimRight(id, "abhw") == fmt.Sprintf("S%d", n) }) {
			t.Errorf("no S%d", n)
		}
	}
	if _, err := PickScenarios([]string{"S99"}); err == nil || !strings.Contains(err.Error(), "S7b") {
		t.Errorf("S99: %v", err)
	}
	if _, err := PickPolicies([]string{"algorithm=none"}); err == nil {
		t.Error("an algorithm that is none")
	}
	for _, c := range claims() {
		s, p := pick(t, c.scenario, c.better+","+c.worse)
		if len(s) != 1 || len(p) != 2 {
			t.Errorf("%+v", c)
		}
	}
}

// The schema names all that study.json has, and nothing else; also the one that
// is committed.
func TestSchema(t *testing.T) {
	raw, err := os.ReadFile("../../results/schema/study.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema, data map[string]any
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	s, p := pick(t, "S9", Default)
	var b bytes.Buffer
	if err := table(t, 1, 0, s, p).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b.Bytes(), &data); err != nil {
		t.Fatal(err)
	}
	if data["schema"] != schema["$id"] || schema["$id"] != Schema {
		t.Errorf("schema %v of %v", data["schema"], schema["$id"])
	}
	conform(t, "study", schema, data)
	committed, err := os.ReadFile("../../results/balancing/study.json")
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if err := json.Unmarshal(committed, &data); err != nil || data["schema"] != Schema {
		t.Fatalf("the committed result: %v, schema %v", err, data["schema"])
	}
	conform(t, "committed", schema, data)
}

func conform(t *testing.T, at string, rule map[string]any, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		properties, _ := rule["properties"].(map[string]any)
		for name, x := range v {
			sub, ok := properties[name].(map[string]any)
			if !ok {
				t.Errorf("%s.%s is not in the schema", at, name)
				continue
			}
			conform(t, at+"."+name, sub, x)
		}
		required, _ := rule["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				t.Errorf("%s has no %s", at, name)
			}
		}
	case []any:
		items, _ := rule["items"].(map[string]any)
		for _, x := range v {
			conform(t, at+"[]", items, x)
		}
	}
}

func TestStudent(t *testing.T) {
	for freedom, want := range map[int]float64{1: 12.706, 9: 2.262, 19: 2.093, 30: 2.042, 1000: 1.962} {
		if got := student(freedom); got < want-.001 || got > want+.001 {
			t.Errorf("%d: %v, want %v", freedom, got, want)
		}
	}
	if e := estimate([]float64{1, 2, 3}); e.Mean != 2 || e.Half < 2.484 || e.Half > 2.485 {
		t.Errorf("%+v", e)
	}
}
