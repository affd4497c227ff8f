package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"lars/bench/load"
	"lars/bench/run"
	"lars/bench/run/crowd"
	"lars/bench/workload"
)

// kind is a workload as the flags name it.
type kind struct {
	name    string
	network string  // that it needs; empty: both, as --udp says
	service string  // of the system, that is measured; empty: an echo server
	rate    float64 // of requests without a reply, when none is given
	echo    bool    // a bare echo beside it tells what the service costs
	make    func(o *options) (load.Workload, error)
}

// The rates of what has no reply, when none is given: such a load cannot find
// its own. rateStore is 50,000 results a second with 10 hosts.
const (
	rateReports = 10_000
	rateStore   = 5_000
)

// depthOneWay bounds what one write of a late generator carries of them.
const depthOneWay = 256

// The services that are measured, by the names of their commands.
const (
	agentService    = "agent"
	dnsService      = "dns"
	reporterService = "reporter"
)

// kinds are all workloads.
func kinds() []kind {
	return []kind{
		{name: "echo", make: (*options).echo},
		{name: churnName, network: "tcp", make: (*options).echo},
		{name: idleName, network: "tcp", make: (*options).echo},
		{name: slowName, network: "tcp", make: (*options).echo},
		{name: "gethost", network: "udp", service: agentService, echo: true, make: func(o *options) (load.Workload, error) {
			return workload.NewGetHost(o.routes)
		}},
		{name: "getroute", network: "tcp", service: dnsService, echo: true, make: (*options).getRoute},
		{name: "mixed", network: "udp", service: agentService, make: (*options).mixed},
		{name: "report", network: "udp", service: agentService, rate: rateReports, make: func(o *options) (load.Workload, error) {
			return workload.NewReport(o.routes)
		}},
		{name: "reportstore", network: "tcp", service: reporterService, rate: rateStore, make: func(o *options) (load.Workload, error) {
			return workload.NewReportStore(o.routes, 0)
		}},
		{name: pushName, network: "tcp", service: dnsService, make: (*options).getRoute},
	}
}

// Workloads of an echo server that differ in what its connections do.
const (
	churnName = "churn"
	idleName  = "idle"
	slowName  = "slow"
)

// mixDefault is what a call needs, one question and one report, and for a
// hundred calls the question with which a caller begins.
func mixDefault() workload.Mix { return workload.Mix{GetHost: 100, Report: 100, GetRoute: 1} }

// slowDefault is bounded by what a server that keeps 1 MiB for each connection
// needs, many times over, and far below what one needs that keeps everything.
func slowDefault() crowd.Stalled {
	return crowd.Stalled{Readers: 20, SendBytes: 16 << 20, MemoryBytes: 128 << 20}
}

// idleDefault is the crowd of workload idle without --idle.
const idleDefault = 10_000

// echo is of one length or of several.
func (o *options) echo() (load.Workload, error) {
	switch len(o.payload) {
	case 0:
		return load.Echo{}, nil
	case 1:
		return load.NewEcho(o.payload[0])
	}
	return workload.NewSizes(o.payload)
}

// pushName is the workload that package push makes; of its routes, and of the
// question whether the dns answers, it is a getroute.
const pushName = "push"

func kindNames() string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return strings.Join(names, ", ")
}

func (o *options) getRoute() (load.Workload, error) {
	w, err := workload.NewGetRoute(o.routes, o.edits > 0)
	if err != nil {
		return nil, err
	}
	return w, o.limitDepth(w.DepthMax())
}

func (o *options) mixed() (load.Workload, error) {
	w, err := workload.NewMixed(o.routes, o.mix)
	if err != nil {
		return nil, err
	}
	return w, o.limitDepth(w.DepthMax())
}

// limitDepth bounds what is in flight on a connection where a reply tells its
// request by the module alone. An open loop that names no limit gets this one.
func (o *options) limitDepth(most int) error {
	if o.depth > most {
		return fmt.Errorf("--depth %d: choose up to %d, or more --modules: replies are told apart by their module", o.depth, most)
	}
	if o.rate > 0 && o.depth == 0 && most < load.DepthMax {
		o.depth = most
	}
	return nil
}

// chooseKind finds the workload, and what it says about other flags.
func (o *options) chooseKind() error {
	for _, k := range kinds() {
		if k.name == o.workload {
			o.kind = k
			return o.checkKind()
		}
	}
	return o.flags.Errorf("unknown workload %q. Known: %s", o.workload, kindNames())
}

func (o *options) checkKind() error {
	switch {
	case o.udp && o.kind.network == "tcp":
		return o.flags.Errorf("--udp: %s is over TCP", o.kind.name)
	case o.edits != 0 && o.kind.name != "getroute" || o.edits < 0 || o.edits > editsMost:
		return o.flags.Errorf("--edits %v: choose up to %v, for getroute", o.edits, float64(editsMost))
	case o.store != "" && o.kind.service != reporterService:
		return o.flags.Errorf("--store is for reportstore")
	case o.kind.name == churnName && o.depth > 1:
		return o.flags.Errorf("--depth %d: churn makes one request on each connection", o.depth)
	case o.kind.name == slowName && (o.slow.Readers < 1 || o.slow.Readers > stalledMost):
		return o.flags.Errorf("--stalled %d: choose 1 to %d", o.slow.Readers, stalledMost)
	}
	if o.kind.name == idleName {
		o.idle = cmp.Or(o.idle, idleDefault)
	}
	if o.kind.service == "" {
		return nil
	}
	switch {
	case len(o.payload) > 0:
		return o.flags.Errorf("--payload is for echo: the size of %s follows from --hosts", o.kind.name)
	case o.addr != "" || o.server != "":
		return o.flags.Errorf("--addr and --server are for echo: %s needs one that knows its routes: lars %s", o.kind.name, o.kind.service)
	case o.kind.name == pushName && (o.rate != 0 || o.depth != 0 || o.idle != 0 || o.syscalls):
		return o.flags.Errorf("push has its own pace: no --rate, --depth, --idle or --syscalls")
	case o.kind.service == agentService && o.loops != 1:
		return o.flags.Errorf("--loops %d: all requests go to one of the agent's ports, which has one loop", o.loops)
	}
	o.udp = o.kind.network == "udp"
	if o.kind.rate > 0 {
		o.rate, o.depth = cmp.Or(o.rate, o.kind.rate), cmp.Or(o.depth, depthOneWay)
	}
	return nil
}

// Limits of what the flags ask for.
const (
	editsMost   = 1000 // a second: each is a transaction of the store
	stalledMost = 10_000
)

// aloneSuffix ends the name of an arm without the crowd of the one before it.
const aloneSuffix = "-alone"

// surround gives each target of idle and slow its crowd, and puts the same
// without it beside. It returns also how many connections that adds.
func (o *options) surround(targets []run.Target) (all []run.Target, conns int) {
	var drive func(context.Context, load.Config) (*load.Result, error)
	switch o.kind.name {
	case idleName:
		drive, conns = crowd.Idle{Conns: o.idle}.Run, o.idle
	case slowName:
		drive, conns = o.slow.Run, o.slow.Readers
	default:
		return targets, 0
	}
	for _, t := range targets {
		alone := t
		alone.Name, alone.Beside = t.Name+aloneSuffix, true
		t.Drive = drive
		all = append(all, t, alone)
	}
	return all, conns
}

// echoSuffix ends the name of the bare server that stands beside an arm.
const echoSuffix = "-echo"

// echoLike is an echo with frames as long as w's replies, or at most a byte
// longer where a length takes one more.
func echoLike(w load.Workload) (load.Echo, error) {
	_, want := w.FrameBytesMax()
	least, _ := load.Echo{}.FrameBytesMax()
	for content := max(1, want-least); ; content++ {
		e, err := load.NewEcho(content)
		if size, _ := e.FrameBytesMax(); err != nil || size >= want {
			return e, err
		}
	}
}
