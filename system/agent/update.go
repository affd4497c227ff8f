package agent

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"lars/reactor"
	"lars/system/balance"
	"lars/system/route"
)

// Routes come to a shard here: from dns, answer and push alike, and once from
// the file.

// update takes what dns says of a module, which belongs to the shard from now
// on.
func (s *shard) update(name route.Module, n news) {
	m := s.table.get(name)
	if m == nil {
		s.count.add(Unasked)
		return
	}
	now := s.loop.Now()
	if m.fromDisk {
		m.fromDisk = false
		s.gauge.disk.Add(-1)
	}
	if len(n.hosts) == 0 {
		s.empty(now, m)
		return
	}
	m.nextPull = now + s.service.config.UpdateTimeout + 1 // older than it, not as old
	before := m.said
	s.set(now, m, n)
	if !m.said.equal(before) {
		s.service.keeper.note(name, m.said)
	}
	if m.sharing.on != m.sharing.asked {
		_ = s.pull(now, m) // counted; the next pull will do it
	}
}

// set gives a module its hosts and settings. With other settings hosts keep what
// is known of them as far as that has a meaning: see balance.Reopen.
func (s *shard) set(now time.Duration, m *module, n news) {
	lb, good := m.lb, true
	if lb == nil || n.settings != m.said.settings {
		lb, good = s.open(now, m, n.settings)
	}
	if lb == nil {
		return // the configuration was tried at the start
	}
	if good {
		m.refused = ""
	} else {
		m.refused = n.settings
		n.settings, n.version = m.said.settings, m.said.version
	}
	m.said = n
	if m.lb == nil {
		s.table.unlink(m)
	}
	s.replace(now, m, lb, n.hosts)
}

// open makes a module's balancer of what dns says. Settings that have no
// meaning to this agent, which are not good, leave those in force, or else its
// own.
func (s *shard) open(now time.Duration, m *module, text string) (lb balance.Balancer, good bool) {
	if m.lb != nil && text != "" && text == m.refused {
		return m.lb, false
	}
	settings, err := s.service.config.settings(text)
	good = err == nil
	if !good {
		s.count.add(BadSettings)
		if s.logged > 0 {
			s.logged--
			s.service.config.Log.Warn("settings of a module have no meaning here", "module", m.name, "err", err)
		}
		if m.lb != nil {
			return m.lb, false
		}
		if settings, err = s.service.config.settings(""); err != nil {
			return nil, false
		}
	}
	if m.lb != nil {
		s.markOverloaded(m, false) // as long as it is known who was
		s.count.add(SettingsChanged)
		s.service.config.Log.Info("module has other settings", "module", m.name, "settings", short(settings))
	}
	if lb, err = balance.Reopen(now, m.lb, settings, s.random.Uint64()); err != nil {
		return m.lb, false
	}
	m.inForce = short(settings)
	m.sharing.on, m.sharing.hinted = settings.Hints(), nil
	return lb, good
}

// short is the text of settings without what the configuration has added.
func short(s balance.Settings) string {
	s.Algorithm = cmp.Or(s.Algorithm, balance.DefaultAlgorithm)
	if s.Algorithm != "classic" && s.Algorithm != "elb" {
		s.Classic = balance.Config{}
	}
	return s.String()
}

// replace changes the hosts of a module, and possibly its balancer. Statistics
// call a host that left overloaded no longer.
func (s *shard) replace(now time.Duration, m *module, lb balance.Balancer, hosts []balance.Host) {
	before := 0
	if m.lb != nil {
		before = m.lb.Len()
		s.markOverloaded(m, false)
	}
	m.lb = lb
	e := lb.Update(now, hosts)
	if e.Refused > 0 {
		s.count[HostsRefused].Add(uint64(e.Refused))
	}
	s.markOverloaded(m, true)
	s.gauge.hosts.Add(int64(m.lb.Len() - before))
	s.measure()
}

// markOverloaded tells the statistics about every overloaded host.
func (s *shard) markOverloaded(m *module, overloaded bool) {
	if m.overloaded == 0 {
		return
	}
	m.overloaded = 0
	s.states = m.lb.AppendStates(s.states[:0])
	for _, h := range s.states {
		if h.State.Out() {
			m.overloaded++
			s.out.overload(m.name, h.Host.Host, overloaded)
		}
	}
}

// empty takes a module's hosts away. It is kept for a while, so that a push
// that brings it back finds it.
func (s *shard) empty(now time.Duration, m *module) {
	if m.lb == nil {
		return // as expected; nextPull stands since the pull
	}
	s.replace(now, m, m.lb, nil)
	m.lb, m.said, m.asked = nil, news{}, now
	m.sharing.told, m.sharing.hinted = nil, nil
	m.nextPull = now + s.service.config.NegativeTTL
	s.table.link(m)
	s.count.add(Emptied)
	s.measure()
	s.service.keeper.note(m.name, news{})
}

// load takes in what the file says of a module. It is to be pulled as soon as it
// is asked for.
func (s *shard) load(name route.Module, n news) {
	if s.table.get(name) != nil {
		return // named twice
	}
	now := s.loop.Now()
	m := s.table.add(now, name)
	if m == nil {
		s.count.add(Refused)
		return
	}
	s.set(now, m, n)
	m.fromDisk = true
	s.gauge.disk.Add(1)
}

// pullsAtOnce is how many modules are pulled again without a pause.
const pullsAtOnce = 64

// pullSteps is the number of pauses over which the others are spread.
const pullSteps = 50

// pullAll pulls every module again, in steps with uneven pauses: a new
// connection to dns has no subscriptions. number counts the connections, so
// that a later call ends an earlier one. (The original resets those modules
// only that were being pulled: bugs B3 and B4.)
func (s *shard) pullAll(number int) {
	s.resync = number
	s.count.add(Resyncs)
	all := slices.Clone(s.table.all)
	s.pullSome(number, all, max(pullsAtOnce, (len(all)+pullSteps-1)/pullSteps))
}

func (s *shard) pullSome(number int, rest []*module, step int) {
	if s.resync != number {
		return
	}
	now := s.loop.Now()
	for n := 0; n < step && len(rest) > 0; n++ {
		if m := rest[0]; s.table.get(m.name) == m {
			err := s.pull(now, m)
			if errors.Is(err, reactor.ErrBusy) {
				break // this one again after the pause
			}
			if err != nil {
				return // the next connection begins anew
			}
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		pause := s.jitter(s.service.config.PullSpread / pullSteps)
		s.loop.After(pause, func() { s.pullSome(number, rest, step) })
	}
}

// jitter draws from half of d to one and a half.
func (s *shard) jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(s.random.Int64N(int64(d)+1))
}
