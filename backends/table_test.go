package backends_test

import (
	"slices"
	"strings"
	"testing"

	"lars/backends"
	"lars/reactor/drivertest"
)

func TestNames(t *testing.T) {
	names := backends.Names()
	if !slices.IsSorted(names) || !slices.Contains(names, "epoll") {
		t.Errorf("Names() = %v", names)
	}
	for _, name := range names {
		d, err := backends.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if a := d.Abilities(); d.Name() != name || !a.Listen || !a.Dial || !a.Packet {
			t.Errorf("Open(%q) is %s with %+v", name, d.Name(), a)
		}
	}
}

func TestUnknown(t *testing.T) {
	_, err := backends.Open("gnet")
	if err == nil || !strings.Contains(err.Error(), strings.Join(backends.Names(), ", ")) {
		t.Errorf("Open of an unknown name: %v", err)
	}
}

func TestEntries(t *testing.T) {
	for _, e := range backends.All() {
		if e.Name == "" || e.Version == "" || e.Notes == "" {
			t.Errorf("incomplete: %+v", e)
		}
		if a := e.Raw().Abilities(); a != e.Native || a.Dial == (e.StandIns["dial"] != "") || a.Packet == (e.StandIns["udp"] != "") {
			t.Errorf("%s: abilities %+v, stand-ins %v", e.Name, a, e.StandIns)
		}
	}
}

// TestCompleted holds the composed drivers to the contract too. Those without
// stand-ins are held to it in their own packages.
func TestCompleted(t *testing.T) {
	for _, e := range backends.All() {
		if len(e.StandIns) > 0 {
			t.Run(e.Name, func(t *testing.T) {
				drivertest.Run(t, drivertest.Harness{Driver: e.Driver()})
			})
		}
	}
}
