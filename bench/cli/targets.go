package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"lars/bench/floor"
	"lars/bench/load"
	"lars/bench/record"
	"lars/bench/run"
	"lars/bench/run/push"
	"lars/internal/cli"
	"lars/reactor/frame"
)

// floorName is the reference server in C.
const floorName = "floor"

// targets are the servers that the flags name.
func (o *options) targets(ctx context.Context, stderr io.Writer) ([]run.Target, error) {
	switch {
	case o.command.compare:
		return o.several(ctx, stderr)
	case o.addr != "" && o.server != "":
		return nil, o.flags.Errorf("--addr and --server exclude each other")
	case o.addr != "":
		addr, err := netip.ParseAddrPort(o.addr)
		if err != nil {
			return nil, o.flags.Errorf("--addr %q: write it as 127.0.0.1:7777", o.addr)
		}
		return []run.Target{{Name: "external", Addr: addr, PID: o.pid}}, nil
	case o.server != "":
		return []run.Target{{Name: "external", Command: strings.Fields(o.server)}}, nil
	}
	if err := o.checkListen(); err != nil {
		return nil, err
	}
	t, err := o.target(ctx, o.backend)
	return []run.Target{t}, err
}

// checkListen finds a port that is in use before the run starts.
func (o *options) checkListen() error {
	addr, err := netip.ParseAddrPort(o.listen)
	if err != nil {
		return o.flags.Errorf("--listen %q: write it as 127.0.0.1:7777", o.listen)
	}
	var s io.Closer
	if o.udp {
		s, err = net.ListenPacket("udp", addr.String())
	} else {
		s, err = net.Listen("tcp", addr.String())
	}
	if err != nil {
		return o.flags.Errorf("--listen: %v: choose another port (0 is a free one), or stop what holds it", err)
	}
	return s.Close()
}

func (o *options) several(ctx context.Context, stderr io.Writer) ([]run.Target, error) {
	if err := o.checkListen(); err != nil {
		return nil, err
	}
	names := strings.Split(o.backends, ",")
	everything := o.backends == "all"
	if everything {
		names = o.command.names()
		if o.kind.service == "" {
			names = append([]string{floorName}, names...)
		}
	}
	var out []run.Target
	for _, name := range names {
		t, err := o.target(ctx, strings.TrimSpace(name))
		if everything && errors.Is(err, floor.ErrNoCompiler) {
			fmt.Fprintf(stderr, "%v\n", err)
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, o.chooseBaseline(out)
}

func (o *options) chooseBaseline(targets []run.Target) error {
	has := func(name string) bool {
		return slices.ContainsFunc(targets, func(t run.Target) bool { return t.Name == name })
	}
	switch {
	case len(targets) == 0:
		return o.flags.Errorf("nothing to compare: give --backends")
	case o.baseline == "" && has(floorName):
		o.baseline = floorName
	case o.baseline == "":
		o.baseline = targets[0].Name
	case !has(o.baseline):
		return o.flags.Errorf("--baseline %q is not among the servers of this run", o.baseline)
	}
	return nil
}

// target is the server for a name.
func (o *options) target(ctx context.Context, name string) (run.Target, error) {
	if name == floorName {
		if o.kind.service != "" {
			return run.Target{}, o.flags.Errorf("%s is an echo server: there is no %s on it", floorName, o.kind.service)
		}
		return o.floor(ctx)
	}
	i := slices.IndexFunc(o.command.backends, func(b Backend) bool { return b.Name == name })
	if i < 0 {
		return run.Target{}, o.flags.Errorf("unknown backend %q. Known: %s", name, o.command.known())
	}
	b := o.command.backends[i]
	t := run.Target{Name: name, Backend: name, Module: b.Module, StandIns: b.TCPStandIns}
	if o.udp {
		t.StandIns = b.UDPStandIns
	}
	if err := record.CheckName(name); err != nil {
		return t, err
	}
	if o.kind.service != "" {
		return t, o.serviceOn(&t)
	}
	return t, o.echoOn(&t, o.bodyBytes())
}

// echoOn makes t an echo server for bodies of the given length.
func (o *options) echoOn(t *run.Target, bodyBytes int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	t.Command = []string{
		self, "serve", "echo", "--backend", t.Backend, "--listen", o.listen,
		"--loops", strconv.Itoa(o.loops), "--max-conn", strconv.Itoa(o.maxConn()),
	}
	if o.udp {
		t.Command = append(t.Command, "--udp")
	}
	if bodyBytes > frame.BodyBytesDefault {
		t.Command = append(t.Command, "--body-max", strconv.Itoa(bodyBytes))
	}
	return nil
}

// serviceOn makes t a service of the system with its upstream.
func (o *options) serviceOn(t *run.Target) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	addr, err := netip.ParseAddrPort(o.listen)
	if err != nil {
		return o.flags.Errorf("--listen %q: write it as 127.0.0.1:7777", o.listen)
	}
	t.Command = []string{
		self, o.kind.service, "--backend", t.Backend, "--loops", strconv.Itoa(o.loops),
		"--ip", addr.Addr().String(), "--port", strconv.Itoa(int(addr.Port())),
	}
	u := o.upstream
	switch o.kind.service {
	case dnsService:
		t.Command = append(t.Command, "--max-conn", strconv.Itoa(o.maxConn()), "--store", u.url())
		editor := push.Editor{Routes: u.routes, Edit: u.edit, Next: u.nextEdit}
		switch {
		case o.kind.name == pushName:
			t.Drive = editor.Run
		case o.edits > 0:
			t.Drive = editor.Beside(o.edits)
		}
	case reporterService:
		t.Command = append(t.Command, "--max-conn", strconv.Itoa(o.maxConn()), "--store", u.url())
		if t.Before, t.Check = u.beforeStore, u.checkStored; u.external != "" {
			t.Drive = u.driveStore
		}
	case agentService:
		t.Command = append(t.Command, "--dns", u.dns.Addr().String(), "--reporter", u.reporter.Addr().String(), "--routes-file", "")
		if t.Ready = u.learn; o.kind.name == "report" || o.kind.name == "mixed" {
			t.Check = checkReports
		}
	}
	return nil
}

// addEchoes puts a bare echo beside each service, with frames as long as the
// replies of w, where that is a measure of what the service costs.
func (o *options) addEchoes(targets []run.Target, w load.Workload) ([]run.Target, error) {
	if !o.kind.echo {
		return targets, nil
	}
	e, err := echoLike(w)
	if err != nil {
		return nil, err
	}
	var out []run.Target
	for _, t := range targets {
		bare := run.Target{Name: t.Name + echoSuffix, Backend: t.Backend, Module: t.Module, StandIns: t.StandIns, Workload: e}
		size, _ := e.FrameBytesMax()
		if err := o.echoOn(&bare, size-frame.HeadBytes); err != nil {
			return nil, err
		}
		out = append(out, t, bare)
	}
	return out, nil
}

// maxConn leaves room for the connections of the checks.
func (o *options) maxConn() int {
	live := o.conns
	if o.kind.name == churnName {
		live *= 2 // those that it has not noticed to be closed
	}
	return max(live+o.idle+o.slow.Readers, 1000) + 100
}

func (o *options) bodyBytes() int {
	w, err := o.echo()
	if err != nil {
		return 0
	}
	request, _ := w.FrameBytesMax()
	return request - frame.HeadBytes
}

func (o *options) floor(ctx context.Context) (run.Target, error) {
	path, err := floor.Build(ctx, "")
	if err != nil {
		return run.Target{}, cli.Exit(cli.ExitUsage, err)
	}
	addr, err := netip.ParseAddrPort(o.listen)
	if err != nil {
		return run.Target{}, o.flags.Errorf("--listen %q: write it as 127.0.0.1:7777", o.listen)
	}
	t := run.Target{Name: floorName, Backend: floorName}
	t.Command = []string{path, "-p", strconv.Itoa(int(addr.Port())), "-m", strconv.Itoa(max(o.bodyBytes(), frame.BodyBytesDefault))}
	if o.udp {
		t.Command = append(t.Command, "-u")
	}
	return t, nil
}
