package agent

import (
	"testing"
	"time"
)

// One caller's storm of modules that do not exist must not keep another from a
// module that does for longer than it lasts.
func TestAModuleThatNobodyAsksForGivesItsPlace(t *testing.T) {
	for _, limits := range [][2]int{{10, 2}, {2, 10}} {
		table := newTable(limits[0], limits[1], time.Second)
		a := table.add(0, mod(1, 0))
		b := table.add(0, mod(2, 0))
		table.touch(500*time.Millisecond, b)
		if table.add(time.Second, mod(3, 0)) != nil {
			t.Errorf("%v: one more than fit", limits)
		}
		c := table.add(time.Second+1, mod(3, 0))
		if c == nil || table.get(a.name) != nil || table.get(b.name) != b || table.unknown != 2 || len(table.all) != 2 {
			t.Errorf("%v: %d modules, %d unknown; want b and c", limits, len(table.all), table.unknown)
		}
		if table.add(time.Second+2, mod(4, 0)) != nil {
			t.Errorf("%v: b was asked for lately", limits)
		}
	}
	// A module with a route never gives its place.
	table := newTable(1, 1, time.Second)
	table.unlink(table.add(0, mod(1, 0)))
	if table.add(time.Hour, mod(2, 0)) != nil {
		t.Error("a module with a route is gone")
	}
}
