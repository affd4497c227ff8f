package live

import (
	"errors"
	"testing"
	"time"

	"lars/simulator/workload"
	"lars/system/store"
	"lars/system/store/memory"
)

func TestFaultyStore(t *testing.T) {
	truth := memory.New(memory.Config{}).Open()
	f := &faulty{Store: truth}
	m := store.Module{ModID: 1, CmdID: 1}
	hosts := 0
	for _, c := range []struct {
		name   string
		away   bool
		lost   float64
		fails  bool
		stored bool
	}{
		{"well", false, 0, false, true},
		{"away", true, 0, true, false},
		{"the answer is lost", false, 1, true, true},
		{"well again", false, 0, false, true},
	} {
		f.set(c.away, time.Millisecond, c.lost, workload.NewRandom(1, "test"))
		_, err := f.Edit(t.Context(), store.Edit{Actor: "test", Modules: []store.ModuleEdit{{
			Module: m, Op: store.OpAdd, Hosts: []store.Host{{IP: uint32(len(c.name)), Port: 1}},
		}}})
		if errors.Is(err, store.ErrUnavailable) != c.fails || !c.fails && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.stored {
			hosts++
		}
		if got, err := truth.Hosts(t.Context(), m); err != nil || len(got) != hosts {
			t.Errorf("%s: %v, %v; want %d hosts", c.name, got, err, hosts)
		}
	}
}
