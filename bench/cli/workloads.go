package cli

import (
	"cmp"
	"fmt"
	"strings"

	"lars/bench/load"
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
		{name: "echo", make: func(o *options) (load.Workload, error) { return load.NewEcho(o.payload) }},
		{name: "gethost", network: "udp", service: agentService, echo: true, make: func(o *options) (load.Workload, error) {
			return workload.NewGetHost(o.routes)
		}},
		{name: "getroute", network: "tcp", service: dnsService, echo: true, make: (*options).getRoute},
		{name: "report", network: "udp", service: agentService, rate: rateReports, make: func(o *options) (load.Workload, error) {
			return workload.NewReport(o.routes)
		}},
		{name: "reportstore", network: "tcp", service: reporterService, rate: rateStore, make: func(o *options) (load.Workload, error) {
			return workload.NewReportStore(o.routes)
		}},
		{name: pushName, network: "tcp", service: dnsService, make: (*options).getRoute},
	}
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
	w, err := workload.NewGetRoute(o.routes)
	if err == nil && o.depth > w.DepthMax() {
		return nil, fmt.Errorf("--depth %d: choose up to %d, or more --modules: replies are told apart by their module", o.depth, w.DepthMax())
	}
	return w, err
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
	if o.kind.service == "" {
		return nil
	}
	switch {
	case o.udp && o.kind.network == "tcp":
		return o.flags.Errorf("--udp: %s is over TCP", o.kind.name)
	case o.payload != 0:
		return o.flags.Errorf("--payload is for echo: the size of %s follows from --hosts", o.kind.name)
	case o.addr != "" || o.server != "":
		return o.flags.Errorf("--addr and --server are for echo: %s needs a %s that knows its routes", o.kind.name, o.kind.service)
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
