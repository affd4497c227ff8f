package drivertest

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// resources that a case must give back.
type resources struct{ goroutines, descriptors int }

func countResources() resources {
	return resources{runtime.NumGoroutine(), countDescriptors()}
}

// countDescriptors counts the open descriptors of the process, the one that
// reads the list included.
func countDescriptors() int {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(names)
}

// awaitResources fails the case when goroutines or descriptors stay.
func (e *env) awaitResources(before resources) {
	var now resources
	back := e.pollAny(func() bool {
		now = countResources()
		return now.goroutines <= before.goroutines && now.descriptors <= before.descriptors
	})
	if back || e.hasFailed() {
		return
	}
	stacks := make([]byte, 64<<10)
	stacks = stacks[:runtime.Stack(stacks, true)]
	e.errorf("left behind: goroutines %d, before %d; descriptors %d, before %d\n%s",
		now.goroutines, before.goroutines, now.descriptors, before.descriptors, stacks)
}

// raiseDescriptorLimit makes the soft limit on descriptors the hard one.
func raiseDescriptorLimit(t testing.TB) {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		t.Fatalf("getrlimit: %v", err)
	}
	lim.Cur = lim.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		t.Logf("the soft limit on descriptors stays: %v", err)
	}
}

// descriptorsMax is the soft limit on descriptors.
func descriptorsMax() int {
	var lim unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &lim) != nil {
		return 1024
	}
	return int(lim.Cur)
}
