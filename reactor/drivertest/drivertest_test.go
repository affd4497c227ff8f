package drivertest

import (
	"fmt"
	"strings"
	"testing"
)

func TestReference(t *testing.T) { Run(t, Harness{Driver: refDriver{}}) }

func TestMetamorphic(t *testing.T) {
	for seed := range uint64(3) {
		Metamorphic(t, seed, Harness{Driver: refDriver{}})
	}
}

// TestMetamorphicFindsBugs: a random script finds what its actions touch.
func TestMetamorphicFindsBugs(t *testing.T) {
	for _, b := range []bug{
		bugReorders, bugDropsPartial, bugIgnoresPause, bugForgetsResume, bugClosedTwice, bugWrongCause, bugEOFAsNil, bugNeverClosed,
	} {
		// A bug that shows only when bytes are quicker than the step after them
		// may need more than one script on a busy machine.
		said, seed := "", uint64(0)
		for said == "" && seed < 10 {
			seed++
			said = runRecorded(t.Name(), Harness{Driver: refDriver{bug: b}}, metamorphicCase(seed), patienceWith(b))
		}
		if said == "" {
			t.Errorf("the script did not fail for a driver that %s", b)
		}
		if b != bugClosedTwice && b != bugIgnoresPause && !strings.Contains(said, fmt.Sprintf("%s=%d,", seedVariable, seed)) {
			t.Errorf("the failure of a driver that %s does not name its seed: %s", b, said)
		}
	}
}

func BenchmarkReference(b *testing.B) { Bench(b, Harness{Driver: refDriver{}}) }
