package dns

import (
	"testing"

	"lars/system/route"
	"lars/system/store"
	"lars/system/wire"
)

func suspicions(of uint32, by ...uint32) (found []store.Suspicion) {
	for i, n := range by {
		found = append(found, store.Suspicion{Module: store.Module{ModID: 1, CmdID: 1}, Host: store.Host{IP: 1 + uint32(i), Port: 80}, By: n, Of: of})
	}
	return found
}

// What few more or fewer agents of many suspect waits for the repetition.
func TestNewsOfHints(t *testing.T) {
	snap := table(t, 2, 1, func(int) int { return 3 })
	m := route.Module{ModID: 1, CmdID: 1}
	for _, c := range []struct {
		was, is []store.Suspicion
		news    bool
	}{
		{suspicions(10, 1), suspicions(10, 1), false},
		{suspicions(10, 1), suspicions(10, 2), true},
		{suspicions(10, 2), suspicions(10, 1), true},
		{suspicions(10, 1), suspicions(10, 1, 1), true},
		{suspicions(500, 100, 1), suspicions(500, 110, 1), false},
		{suspicions(500, 100), suspicions(500, 111), true},
		{suspicions(500, 100), suspicions(500, 89), true},
	} {
		was, is := newHints(m, c.was, snap), newHints(m, c.is, snap)
		if is.differs(was) != c.news {
			t.Errorf("%v, then %v: %v", c.was, c.is, !c.news)
		}
	}
}

// Of too many hosts those are told that most agents suspect, and hosts that are
// in no route never.
func TestHintsAreBounded(t *testing.T) {
	const hosts = 3 * hintHostsMax
	snap := table(t, 2, 1, func(int) int { return hosts })
	by := make([]uint32, hosts+50)
	for i := range by {
		by[i] = 1 + uint32(i%3)
	}
	all := hintsOf(append(suspicions(5, by...), store.Suspicion{Module: store.Module{ModID: 7, CmdID: 7}, Host: store.Host{IP: 1, Port: 80}, By: 1, Of: 1}), snap)
	var msg wire.Hints
	if len(all) != 1 || msg.Decode(all[route.Module{ModID: 1, CmdID: 1}].body) != nil || len(msg.Hosts) != hintHostsMax {
		t.Fatalf("%d modules, %d hosts", len(all), len(msg.Hosts))
	}
	for i, h := range msg.Hosts {
		if h.Suspected != 3 || i > 0 && h.IP <= msg.Hosts[i-1].IP {
			t.Errorf("host %d: %+v", i, h)
		}
	}
}
