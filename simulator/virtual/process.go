package virtual

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"lars/backends/sim"
	"lars/reactor"
	"lars/simulator/check"
	"lars/simulator/outcome"
	"lars/system/agent"
	"lars/system/dns"
	"lars/system/reporter"
	"lars/system/store"
	"lars/system/wire"
)

// process is one of the system's, on a machine of its own. It is killed and
// started again; each time it is another life.
type process struct {
	r        *run
	name     string
	host     *sim.Host
	start    func(rc *reactor.Reactor, seed uint64) (service, error)
	ended    func() // a life is over
	service  service
	reactor  *reactor.Reactor
	lives    int
	starting bool
	paused   bool
	delay    time.Duration // of each turn, while it is slow
	apart    int           // faults between it and its caller
	since    time.Duration // when it was up and none of these; check.Never while it is not
	ill      time.Duration // when that ended last
	kept     time.Duration // what it knew then, it had time to keep before the last life ended
}

type service interface {
	Close(ctx context.Context) error
}

func (r *run) newProcess(name string) *process {
	return &process{r: r, name: name, host: r.w.Host(name), since: check.Never}
}

func (p *process) addr(port int) netip.AddrPort {
	return netip.AddrPortFrom(p.host.Addr(), uint16(port))
}

func (p *process) up() bool { return p.service != nil }

// boot begins a life.
func (p *process) boot() {
	p.lives++
	p.starting = true
	seed := p.r.seedOf(p.name, p.lives)
	rc, err := reactor.Open(p.r.w.Driver(p.name), reactor.Config{Seed: seed})
	if err == nil {
		p.reactor = rc
		p.service, err = p.start(rc, seed)
	}
	p.starting = false
	if err != nil {
		panic(fmt.Sprintf("%s does not start: %v", p.name, err))
	}
	p.recover(0)
}

// recover notes that it is well, but for what is still under way for a time,
// unless something else is wrong with it.
func (p *process) recover(after time.Duration) {
	if p.up() && !p.paused && p.delay == 0 && p.apart == 0 {
		p.since = p.r.w.Now() + after
	}
}

// sicken notes that it is no longer well.
func (p *process) sicken() {
	if p.since != check.Never {
		p.ill = p.r.w.Now()
	}
	p.since = check.Never
}

// kill ends a life as SIGKILL does, or a loss of power.
func (p *process) kill(how sim.Crash) {
	if p.starting { // it runs the world meanwhile
		p.r.w.At(p.r.w.Now()+10*time.Millisecond, func() { p.kill(how) })
		return
	}
	if !p.up() {
		return
	}
	p.host.Crash(how)
	if p.kept = p.r.w.Now(); p.since == check.Never || p.kept-p.since < keepBound {
		p.kept = p.ill
	}
	p.sicken()
	p.paused = false
	if p.ended != nil {
		p.ended()
	}
	p.service = nil
}

// revive begins another life, once it is dead.
func (p *process) revive() {
	if p.starting || p.up() {
		p.r.w.At(p.r.w.Now()+10*time.Millisecond, p.revive)
		return
	}
	p.host.Restart()
	p.boot()
}

func (p *process) pause() {
	if p.up() {
		p.host.Pause()
		p.paused = true
		p.sicken()
	}
}

func (p *process) resume() {
	p.host.Continue()
	if p.paused {
		p.paused = false
		p.recover(0)
	}
}

// slow makes each turn take longer, until quick.
func (p *process) slow(delay time.Duration) {
	p.delay = delay
	p.host.SetTurnDelay(delay)
	p.sicken()
}

func (p *process) quick() {
	turn := p.delay
	p.delay = 0
	p.host.SetTurnDelay(0)
	p.recover(turn)
}

// part puts a fault between an agent and its caller, until rejoin.
func (p *process) part() {
	p.apart++
	p.sicken()
}

// rejoin ends it; packets are on their way for longest.
func (p *process) rejoin(longest time.Duration) {
	p.apart--
	p.recover(longest + inFlightTime)
}

// close is an orderly end.
func (p *process) close() {
	if !p.up() {
		p.r.log.Failf(p.r.w.Now(), "end", "%s is not up in the end", p.name)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p.r.w.At(p.r.w.Now()+endWithin, cancel)
	if err := p.service.Close(ctx); err != nil {
		p.r.log.Failf(p.r.w.Now(), "end", "%s does not end within %v: %v", p.name, endWithin, err)
	}
	if p.ended != nil {
		p.ended()
	}
	p.reactor.Close()
	p.service = nil
}

func tampered(st store.Store, with func(store.Store) store.Store) store.Store {
	if with == nil {
		return st
	}
	return with(st)
}

// newServices makes the processes of one kind.
func newServices(n int, start func(name string) *process, kind string) (all []*process) {
	for i := range n {
		name := kind
		if i > 0 {
			name = fmt.Sprintf("%s-%d", kind, i+1)
		}
		all = append(all, start(name))
	}
	return all
}

func (r *run) agentProcesses() (all []*process) {
	for _, a := range r.agents {
		all = append(all, a.process)
	}
	return all
}

// peer is a kind of service to an agent, which begins with one of its own.
func peer(all []*process, port, first int) agent.Peer {
	var addrs []string
	for i := range all {
		addrs = append(addrs, all[(first+i)%len(all)].addr(port).String())
	}
	return agent.Peer{Addrs: strings.Join(addrs, ",")}
}

func (r *run) newDNS(name string) *process {
	p := r.newProcess(name)
	p.start = func(rc *reactor.Reactor, seed uint64) (service, error) {
		return dns.Start(rc, dns.Config{
			IP: p.host.Addr().String(), Port: wire.DNSPort, Wall: p.host.Now, Seed: seed,
		}, tampered(r.db.Open(), r.cfg.Tamper.DNSStore))
	}
	return p
}

func (p *process) dnsService() *dns.Service {
	s, _ := p.service.(*dns.Service)
	return s
}

func (r *run) newReporter(name string) *process {
	p := r.newProcess(name)
	p.start = func(rc *reactor.Reactor, seed uint64) (service, error) {
		return reporter.Start(rc, reporter.Config{
			IP: p.host.Addr().String(), Port: wire.ReporterPort, Wall: p.host.Now, Seed: seed, QueueBytesMax: 16 << 20,
		}, tampered(r.db.Open(), r.cfg.Tamper.ReporterStore))
	}
	return p
}

func (p *process) reporterService() *reporter.Service {
	s, _ := p.service.(*reporter.Service)
	return s
}

// agentProcess is an agent with what is known of its lives.
type agentProcess struct {
	*process
	index   int
	books   check.Books // of this life
	recent  []time.Duration
	counted []int64 // calls, at each look of this life
	began   time.Duration
	files   files
	done    []finished
	lost    int64
}

// finished is a life that is over.
type finished struct {
	books  check.Books
	caller uint32
}

func (r *run) newAgent(i int) *agentProcess {
	a := &agentProcess{process: r.newProcess(fmt.Sprintf("agent-%d", i+1)), index: i, files: files{}}
	a.start = func(rc *reactor.Reactor, seed uint64) (service, error) {
		// What was sent through a bad network may come late, to the next life.
		a.books = check.Books{Who: fmt.Sprintf("%s, life %d", a.name, a.lives), Doubled: a.books.Doubled}
		a.counted, a.recent, a.began = nil, nil, r.w.Now()
		r.routes.Restarted(a.name)
		r.quota.Restarted(a.name)
		r.known.Killed(a.kept, a.name)
		return agent.Start(rc, agent.Config{
			IP: a.host.Addr().String(), Port: wire.AgentPort,
			DNS: peer(r.dns, wire.DNSPort, i), Reporter: peer(r.reporters, wire.ReporterPort, i),
			RoutesFile: "routes", Files: a.files,
			Caller: callerOf(i, a.lives).String(),
			Wall:   a.host.Now, Seed: seed, Balance: a.settings(),
			Log: slog.New(stateLog{slog.DiscardHandler, a.moved}),
		})
	}
	a.ended = a.finish
	return a
}

// moved notes what the agent's log says of a host.
func (a *agentProcess) moved(m store.Module, h store.Host, message string) {
	a.r.quota.Changed(a.name, m, h, message == "host is overloaded")
	if out, is := outcome.IsOut(message); is && a.r.cfg.Moved != nil {
		a.r.cfg.Moved(a.r.w.Now(), a.index, int(m.ModID)-1, a.r.numberOfHost(h), out)
	}
}

// classic says whether the agent balances as the original does. The first does,
// beside others with another policy. Only of the former is it a promise that
// probes keep to a quota: the latter, when nothing is known to work, uses all.
func (a *agentProcess) classic() bool { return a.index == 0 && !a.r.cfg.Alike }

func (a *agentProcess) settings() string {
	if a.classic() {
		return "algorithm=classic"
	}
	return a.r.cfg.Balance
}

// callerOf is the address under which a life of an agent reports.
func callerOf(agent, life int) netip.Addr {
	return netip.AddrFrom4([4]byte{172, byte(16 + agent>>8), byte(agent), byte(life)})
}

func numberOf(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func (a *agentProcess) stats() (received, counted int64) {
	st := a.service.(*agent.Service).Stats()
	count := func(kinds ...agent.Kind) (n int64) {
		for _, k := range kinds {
			n += int64(st.Count(k))
		}
		return n
	}
	received = count(agent.Reports, agent.UnknownModule, agent.UnknownHost, agent.BadHost)
	return received, count(agent.Reports) - count(agent.Uncounted)
}

// sample remembers how many calls the agent has counted.
func (a *agentProcess) sample(now time.Duration) {
	if !a.up() {
		return
	}
	_, counted := a.stats()
	a.counted = append(a.counted, counted)
	st := a.service.(*agent.Service).Stats()
	check.Gauge(&a.r.log, now, "modules of "+a.name, st.Modules, int64(len(a.r.modules)))
	check.Gauge(&a.r.log, now, "hosts of "+a.name, st.Hosts, int64(len(a.r.modules)*hostsMax))
}

// sending notes a report on its way to the agent.
func (a *agentProcess) sending(now time.Duration) {
	a.books.Sent++
	if a.apart > 0 {
		a.books.Doubled++
	}
	if a.since == check.Never {
		a.books.Exposed++
		return
	}
	for len(a.recent) > 0 && now-a.recent[0] > inFlightTime {
		a.recent = a.recent[1:]
	}
	a.recent = append(a.recent, now)
}

// finish closes the books of a life. What was sent while it was dead belongs to
// the life before; all of that was exposed.
func (a *agentProcess) finish() {
	now := a.r.w.Now()
	killed := a.since == check.Never
	a.books.Received, a.books.Counted = a.stats()
	a.books.Due = a.books.Counted
	if killed {
		for _, at := range a.recent {
			if now-at <= inFlightTime {
				a.books.Exposed++
			}
		}
		a.books.Due = a.countedAt(a.r.faults.savingUntil(a.index, now) - saveBound)
	}
	if a.r.faults.rolledBack {
		a.books.Due = 0 // what was written meanwhile is lost, and may be all
	}
	a.done = append(a.done, finished{a.books, numberOf(callerOf(a.index, a.lives))})
}

// countedAt is how many calls this life had counted at a time.
func (a *agentProcess) countedAt(at time.Duration) int64 {
	i := int((at-a.began)/lookEvery) - 1
	if i < 0 || len(a.counted) == 0 {
		return 0
	}
	return a.counted[min(i, len(a.counted)-1)]
}

// balance compares the books of all lives with the database.
func (r *run) balance(now time.Duration) {
	latest := map[uint32]int64{}
	var all, minutes int64
	ctx := context.Background()
	r.peek(func() {
		q := store.LatestQuery{}
		for {
			stats, _ := r.truth.Latest(ctx, q)
			for i := range stats {
				latest[stats[i].Caller] += int64(stats[i].Succ) + int64(stats[i].Err)
			}
			if len(stats) < store.QueryRowsMax {
				break
			}
			q.After = &stats[len(stats)-1]
		}
		for _, m := range r.modules {
			stats, _ := r.truth.Minutes(ctx, store.MinuteQuery{Module: m.name})
			for i := range stats {
				minutes += stats[i].Succ + stats[i].Err
			}
		}
	})
	for _, a := range r.agents {
		for _, d := range a.done {
			d.books.Latest = latest[d.caller]
			all += d.books.Latest
			a.lost += d.books.Counted - d.books.Latest
			d.books.Check(&r.log, now)
		}
	}
	// The latest figures recover from a fail-over, what adds up cannot. Nor can
	// what a reporter with a wrong clock put into a minute that is trimmed soon.
	if !r.faults.rolledBack && !r.plan.Misdates(minutesKeep) {
		check.CheckTotals(&r.log, now, minutes, all)
	}
}
