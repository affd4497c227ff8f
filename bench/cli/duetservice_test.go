package cli

import (
	"bytes"
	"math"
	"os"
	"strings"
	"testing"

	"lars/bench/compare"
	"lars/bench/gate"
)

// TestDuetService: the gate measures a service of the system as it does an echo
// server, beside itself.
func TestDuetService(t *testing.T) {
	for _, name := range []string{"gethost", "getroute"} {
		t.Run(name, func(t *testing.T) {
			d := small()
			d.service.workload, d.service.routes.Modules = name, 20
			if _, err := d.check([]string{"epoll", "std"}); err != nil {
				t.Fatal(err)
			}
			if err := d.open(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer d.close()
			a, err1 := d.target("a", os.Args[0], "epoll", "")
			b, err2 := d.target("b", os.Args[0], "epoll", "")
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			batch, err := d.measure(t.Context(), a, b, 2, func(compare.Progress) {})
			if err != nil || len(batch.Epochs) == 0 || len(batch.Faults) > 0 {
				t.Fatalf("%+v, %v", batch, err)
			}
			// A busy machine spoils ratios, and never what is counted.
			if e := batch.Epochs[0]; e.A[gate.WireBytes] == 0 || math.Abs(e.A[gate.WireBytes]-e.B[gate.WireBytes]) > 1 {
				t.Errorf("bytes for a request: %v and %v", e.A, e.B)
			}
			if _, err := d.target("b", os.Args[0], "epoll", "cpu:5%"); err == nil {
				t.Error("a service was slowed, which has no such flag")
			}
			if s := d.settings(); !strings.HasPrefix(s, "request duet, "+name+" over "+map[bool]string{true: "udp", false: "tcp"}[d.udp]+", 20 modules of 10 hosts, 400/s") {
				t.Errorf("settings %q", s)
			}
		})
	}
}

// TestDuetServiceScenario: its routes come from the scenario, and it has files of
// its own.
func TestDuetServiceScenario(t *testing.T) {
	d := usualDuet()
	if _, err := d.flags.Parse(&bytes.Buffer{}, []string{"--scenario", "gethost", "--backends", "epoll"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.check([]string{"epoll"}); err != nil || !d.udp || d.service.workload != "gethost" {
		t.Errorf("%v, %s", err, d.settings())
	}
	if d.learnedAs("noise.json") == "noise.json" {
		t.Errorf("it shares the file of echo: %s", d.settings())
	}
}
