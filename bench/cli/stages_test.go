package cli

import (
	"strings"
	"testing"

	"lars/bench/record"
)

func TestStagesText(t *testing.T) {
	times := func(scale int64) (out []record.StageTime) {
		for i, stage := range []string{record.StageSending, record.StageToServer, record.StageResponse} {
			n := scale * int64(i+1)
			out = append(out, record.StageTime{Stage: stage, Count: 1000, P50NS: n, P90NS: n, P99NS: 10 * n})
		}
		return out
	}
	two := times(2000)
	two[0].P50LowNS, two[0].P50HighNS = 1800, 2300
	few := times(3000)
	for i := range few {
		few[i].Count = 999
	}
	var out strings.Builder
	printStages(&out, &record.Run{Status: "valid", Arms: []record.Arm{{Name: "one", Stages: times(1000)}, {Name: "none"}, {Name: "two", Stages: two}, {Name: "few", Stages: few}}})
	text := out.String()
	for _, want := range []string{
		"p50                        one   none             two      few\n",
		"due to sent             1.00µs      –          2.00µs   3.00µs\n",
		"  95 %                                  1.80µs–2.30µs\n",
		"due to received         3.00µs      –          6.00µs   9.00µs\n",
		"sent to read            20.0µs      –   40.0µs     –\n",
		"– is one that too few requests support\n",
		"verdict: valid",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
}
