package systest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"lars/system/lars"
	"lars/system/up"
)

// statsBytesMax is far more than the counters of a service take.
const statsBytesMax = 8 << 10

// counters: each service tells what it counts while it runs, on all its ports.
// The system has served calls and garbage before.
func counters(t *testing.T, e *env) {
	type figures struct {
		Service struct {
			Requests, Reports uint64
			Counts            map[string]uint64
		}
		Reactor struct {
			Backend string
			Errors  map[string]uint64
		}
	}
	for _, c := range []struct {
		service, network string
		work             func(f figures) uint64
	}{
		{up.DNS, "tcp", func(f figures) uint64 { return f.Service.Requests }},
		{up.Reporter, "tcp", func(f figures) uint64 { return f.Service.Reports }},
		{up.Agent, "udp", func(f figures) uint64 { return f.Service.Counts["picked"] }},
	} {
		for _, at := range e.sys.Addrs(c.service) {
			within(t, "counters of "+c.service+" at "+at, func(ctx context.Context) error {
				s, err := lars.AskStats(ctx, c.network, at)
				if err != nil {
					return err
				}
				var f figures
				if err := json.Unmarshal(s.Figures, &f); err != nil {
					t.Fatalf("%v in %s", err, s.Figures)
				}
				if s.Name != c.service || len(s.Figures) > statsBytesMax || f.Reactor.Backend != e.kind.backend {
					t.Fatalf("of %q: %s", s.Name, s.Figures)
				}
				if c.work(f) == 0 {
					return fmt.Errorf("no work in %s", s.Figures)
				}
				if len(f.Reactor.Errors) == 0 {
					return errors.New("no garbage counted")
				}
				return nil
			})
		}
	}
}
