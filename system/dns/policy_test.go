package dns_test

import (
	"fmt"
	"testing"
	"time"

	"lars/reactor/driver"
	"lars/system/store"
)

// policy is the next message's policy, as text.
func (p *peer) policy() string {
	p.t.Helper()
	msg, err := p.message()
	if err != nil {
		p.t.Fatalf("no message: %v", err)
	}
	if !msg.HasPolicy {
		return "none"
	}
	text := fmt.Sprintf("%q v%d", msg.Policy.Settings, msg.Policy.Version)
	for _, h := range msg.Policy.Hosts {
		text += fmt.Sprintf(" %d:%d/%d/%v", h.IP&255, h.Weight, h.Zone, h.Draining)
	}
	return text
}

// Whatever is said of a module's balancing is pushed like its route: at once,
// by the change log alone.
func TestPoliciesArePushed(t *testing.T) {
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db := newDatabase(t)
		db.edit(t, replace(module(1, 1), 1, 2), replace(module(2, 2), 3))
		db.edit(t, store.ModuleEdit{Module: module(2, 2), Op: store.OpSettings, Settings: "algorithm=rr"})
		cfg := quick()
		cfg.Reload = time.Hour
		s, _ := start(t, d, cfg, db)
		loaded(t, s)
		p := connect(t, s)
		p.send(request(module(1, 1)))
		expect(t, "nothing is said", p.policy(), "none")
		p.send(request(module(2, 2)))
		expect(t, "from the first load", p.policy(), `"algorithm=rr" v2`)

		weight, yes := uint32(5), true
		tune := store.ModuleEdit{Module: module(1, 1), Op: store.OpTune, Hosts: replace(module(1, 1), 2).Hosts, Tune: store.Tune{Weight: &weight}}
		db.edit(t, tune)
		expect(t, "weight", p.policy(), `"" v0 2:5/0/false`)
		db.edit(t, store.ModuleEdit{Module: module(1, 1), Op: store.OpSettings, Settings: "algorithm=p2c"})
		expect(t, "settings", p.policy(), `"algorithm=p2c" v4 2:5/0/false`)
		tune.Tune = store.Tune{Draining: &yes}
		db.edit(t, tune)
		expect(t, "drain", p.policy(), `"algorithm=p2c" v4 2:5/0/true`)
		db.edit(t, replace(module(1, 1), 1))
		expect(t, "the host left", p.policy(), `"algorithm=p2c" v4`)
		db.edit(t, store.ModuleEdit{Module: module(1, 1), Op: store.OpSettings})
		expect(t, "unset", p.policy(), "none")
		if st := s.Stats(); st.Loads != 1 || st.Pushes != 5 {
			t.Errorf("want 1 load, 5 pushes: %+v", st)
		}
	})
}

// Settings that another hand wrote and that have no meaning leave the last good
// ones in force.
func TestSettingsWithoutMeaning(t *testing.T) {
	db := newDatabase(t)
	onBackends(t, func(t *testing.T, d driver.Driver) {
		db.exec(t, "DELETE FROM ModulePolicy")
		db.exec(t, "INSERT INTO ModulePolicy (modid, cmdid, settings, version) VALUES (2, 2, 'bad from the start', 1)")
		db.edit(t, replace(module(1, 1), 1), replace(module(2, 2), 2), replace(module(3, 3)))
		s, log := start(t, d, quick(), db)
		loaded(t, s)
		p := connect(t, s)
		p.send(request(module(2, 2)))
		expect(t, "bad from the start", p.policy(), "none")
		p.send(request(module(1, 1)))
		p.policy()
		db.edit(t, store.ModuleEdit{Module: module(1, 1), Op: store.OpSettings, Settings: "algorithm=p2c"})
		good := p.policy()
		db.exec(t, "UPDATE ModulePolicy SET settings = 'algorithm=fastest' WHERE modid = 1")
		until(t, "it is counted", func() bool { return s.Stats().BadSettings == 2 })
		p.send(request(module(1, 1)))
		expect(t, "last good ones", p.policy(), good)
		db.exec(t, "UPDATE ModulePolicy SET settings = 'algorithm=rr', version = 99 WHERE modid = 1")
		expect(t, "mended, without a new version", p.policy(), `"algorithm=rr" v99`)
		if n := log.count("have no meaning"); n != 2 {
			t.Errorf("told %d times", n)
		}
	})
}
