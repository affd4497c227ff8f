package drivertest

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// childVariable names the environment variable that makes a re-executed test
// binary run one child case: what changes limits of its whole process cannot
// run beside other tests.
const childVariable = "LARS_DRIVERTEST_CHILD"

// patienceVariable gives the child its parent's patience.
const patienceVariable = "LARS_DRIVERTEST_PATIENCE"

func inChild() bool { return os.Getenv(childVariable) != "" }

// childCases run in a process of their own.
func childCases() []testCase {
	return []testCase{{name: "Accept/DescriptorsExhausted", needs: needListen, f: acceptDescriptorsExhausted}}
}

// runChild runs the case that the parent asked for.
func runChild(t *testing.T, h Harness) {
	for _, c := range childCases() {
		if c.name == os.Getenv(childVariable) {
			raiseDescriptorLimit(t)
			warmUp(t, h)
			patience, err := time.ParseDuration(os.Getenv(patienceVariable))
			if err != nil {
				t.Fatalf("%s: %v", patienceVariable, err)
			}
			runCase(t, h, c, patience)
			return
		}
	}
	t.Fatalf("%s: no such case: %s", childVariable, os.Getenv(childVariable))
}

// throughChild makes a child case one that re-executes the test binary and
// fails with the child's output.
func throughChild(c testCase) testCase {
	inner := c.name
	c.f = func(e *env) {
		if restore, ok := e.h.Net.Exhaust(); ok {
			restore()
			acceptExhausted(e, e.h.Net.Exhaust)
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*e.patience+patienceDefault)
		defer cancel()
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run", testPattern(e.Name(), inner), "-test.v")
		cmd.WaitDelay = time.Second // do not wait for what a killed child may have left
		cmd.Env = append(os.Environ(), childVariable+"="+inner, patienceVariable+"="+e.patience.String())
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			e.fatalf("in a child process: %v\n%s", err, out)
		}
	}
	return c
}

// testPattern selects the test that called Run or runCase: its name without
// the case's own part.
func testPattern(name, inner string) string {
	name = strings.TrimSuffix(name, "/"+inner)
	return "^" + strings.ReplaceAll(name, "/", "$/^") + "$"
}
