package cli

import (
	"context"
	"slices"
	"strings"

	"lars/bench/load"
)

const echoName = "echo"

// gateable are the workloads that the gate and the self-test measure: what has a
// reply to every request, and a server that is as it was in every epoch.
func gateable() []string { return []string{echoName, "gethost", "getroute"} }

// system is true where a service of the system is measured, and no echo server.
func (d *duet) system() bool { return d.service.workload != echoName }

// chooseKind refuses what is no workload of the gate, and flags that are of
// another.
func (d *duet) chooseKind() error {
	o := &d.service
	if !slices.Contains(gateable(), o.workload) {
		return d.flags.Errorf("--workload %s: choose of %s", o.workload, strings.Join(gateable(), ", "))
	}
	if !d.system() {
		return nil
	}
	if d.payload != 0 || d.udp && o.workload == "getroute" {
		return d.flags.Errorf("--workload %s: --payload and --udp are for echo", o.workload)
	}
	o.flags, o.listen, o.loops, o.conns = d.flags, "127.0.0.1:0", 1, d.conns
	if err := o.chooseKind(); err != nil {
		return err
	}
	d.udp = o.udp
	return nil
}

// requests are what both servers are sent, and how many at most are in flight on
// a connection; 0 is no limit.
func (d *duet) requests() (w load.Workload, depth int, err error) {
	if !d.system() {
		w, err = load.NewEcho(d.payload)
		return w, 0, err
	}
	o := d.service
	o.rate = d.rate
	w, err = o.kind.make(&o)
	return w, o.depth, err
}

// open makes what stands behind a service of the system; close ends it.
func (d *duet) open(ctx context.Context) (err error) {
	if d.system() {
		d.service.upstream, err = newUpstream(ctx, d.service.kind.service, d.service.routes, "")
	}
	return err
}

func (d *duet) close() { d.service.close() }
