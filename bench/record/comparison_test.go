package record

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// paired is the sample with a second arm and a comparison, every field set.
func paired(t testing.TB) *Run {
	t.Helper()
	r := sample(t).Run
	second := r.Arms[0]
	second.Name = "std"
	second.Stages = []StageTime{{StageSending, 10, 1, 2, 3, 4, "stage.std.sending.hgrm", "x", 1, 2, 2, 4}, {StageResponse, 10, 1, 2, 3, 0, "", "", 0, 0, 0, 0}}
	r.Arms = append(r.Arms, second)
	low, high, mde := 1.1, 1.3, 0.04
	r.Comparison = &Comparison{
		A: "epoll", B: "std", Design: DesignRequestDuet, DesignReason: "open loop", Verdict: VerdictRegressed, Rule: "r1", WarmupRule: "none",
		Epochs: []Epoch{{0, "b", []PairedSlice{{map[string]float64{"requests": 5}, map[string]float64{"requests": 6}}}, map[string]float64{"allocs": 1}, map[string]float64{"allocs": 2}, "why"}},
		Metrics: []ComparedMetric{
			{"server_cpu", "ns/op", "lower", true, false, 5, 6, 1, 1.2, &low, &high, 0.98, &mde, 0.01, 0.02, 0.02, 1, VerdictRegressed, &mde, []EpochRatio{{0, 1.2}}},
			{"throughput", "req/s", "higher", false, false, 5, 10, 5, 2, nil, nil, 0, nil, 1, 1, 0.02, 1, VerdictInformative, nil, []EpochRatio{{0, 2}}},
		},
	}
	return &r
}

func TestComparison(t *testing.T) {
	r := paired(t)
	s, root := loadSchema(t)
	if bad := s.check("run", root, asJSON(t, r)); bad != nil {
		t.Errorf("not as the schema says:\n%s", strings.Join(bad, "\n"))
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Parse(raw)
	if err != nil || !reflect.DeepEqual(back.Comparison, r.Comparison) || !reflect.DeepEqual(back.Arms[1].Stages, r.Arms[1].Stages) {
		t.Errorf("read back %+v, %v", back, err)
	}
	text := string(benchText(r))
	for _, want := range []string{
		"Unit ratio better=lower\n",
		"\nBenchmarkPair/metric=server_cpu/design=request-duet/base=epoll/judged=std\t1\t1.200000 ratio\n",
		"\nBenchmarkPair/metric=throughput/design=request-duet/base=epoll/judged=std\t1\t0.500000 ratio\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("benchmark text lacks %q:\n%s", want, text)
		}
	}
}

func TestComparisonRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Run){
		"arms.stages.hgrm":           func(r *Run) { r.Arms[1].Stages[0].HGrm = "../x.hgrm" },
		"comparison.a":               func(r *Run) { r.Comparison.A = "nope" },
		"comparison.b":               func(r *Run) { r.Comparison.B = r.Comparison.A },
		"comparison.design":          func(r *Run) { r.Comparison.Design = "feeling" },
		"comparison.verdict":         func(r *Run) { r.Comparison.Verdict = "fine" },
		"comparison.rule":            func(r *Run) { r.Comparison.Rule = "" },
		"comparison.epochs":          func(r *Run) { r.Comparison.Epochs[0].First = "c" },
		"metrics.name":               func(r *Run) { r.Comparison.Metrics[0].Name = "" },
		"metrics.server_cpu.better":  func(r *Run) { r.Comparison.Metrics[0].Better = "" },
		"metrics.server_cpu.ratio":   func(r *Run) { r.Comparison.Metrics[0].Ratio = 2 },
		"metrics.throughput.ratio":   func(r *Run) { r.Comparison.Metrics[1].Ratio = 0 },
		"metrics.server_cpu.epochs":  func(r *Run) { r.Comparison.Metrics[0].Epochs = 2 },
		"metrics.server_cpu.verdict": func(r *Run) { r.Comparison.Metrics[0].Verdict = VerdictInformative },
		"stages":                     func(r *Run) { r.Arms[1].Stages[0].Stage = "lunch" },
	} {
		r := paired(t)
		spoil(r)
		if err := r.Validate(); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "field "+name+" ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
