package lars

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"lars/system/route"
	"lars/system/wire"
)

// GetHost asks for the address of a host to call. Tell how the call went by
// Report. The error is ErrOverload, ErrNotExist, ErrTimeout, ErrSystem,
// another of this package's, or the context's.
func (c *Client) GetHost(ctx context.Context, m Module) (netip.AddrPort, error) {
	s, err := c.socketOf(m)
	if err != nil {
		return netip.AddrPort{}, err
	}
	q := c.begin(m)
	defer c.calls.Put(q)
	q.askHost = wire.GetHostRequest{Seq: q.seq, ModID: m.ModID, CmdID: m.CmdID}
	if err := c.ask(ctx, s, wire.IDGetHostRequest, q, q.encode(wire.IDGetHostRequest, &q.askHost)); err != nil {
		return netip.AddrPort{}, err
	}
	if err := ofRetcode(q.retcode); err != nil {
		return netip.AddrPort{}, err
	}
	h, err := route.MakeHost(int64(q.host.IP), int64(q.host.Port))
	if err != nil {
		return netip.AddrPort{}, system(err)
	}
	return h.Addr(), nil
}

// Report tells the agent how a call to a host of GetHost's went: 0 for
// success, anything else for a failure. It does not wait. The error is about
// sending it: ErrSystem, ErrInvalid, or the context's when that has ended
// already.
func (c *Client) Report(ctx context.Context, m Module, addr netip.AddrPort, retcode int32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s, err := c.socketOf(m)
	if err != nil {
		return err
	}
	ip := addr.Addr().Unmap()
	if !ip.Is4() || addr.Port() == 0 {
		return fmt.Errorf("%w: host %v", ErrInvalid, addr)
	}
	q := c.begin(m)
	defer c.calls.Put(q)
	b := ip.As4()
	q.report = wire.ReportRequest{
		ModID: m.ModID, CmdID: m.CmdID, HasHost: true, Retcode: retcode,
		Host: wire.HostInfo{IP: int32(b[0])<<24 | int32(b[1])<<16 | int32(b[2])<<8 | int32(b[3]), Port: int32(addr.Port())},
	}
	if err := s.write(q.encode(wire.IDReportRequest, &q.report)); err != nil {
		if errors.Is(err, net.ErrClosed) {
			return ErrClosed
		}
		return system(err)
	}
	c.counts.reports.Add(1)
	return nil
}

// Route is what GetRoute returns.
type Route struct {
	Hosts []netip.AddrPort // of the original's agents in no order; of ours idle ones first
	// Cut says that the route is longer than a datagram can tell.
	Cut bool
}

// GetRoute asks for all hosts of a module, overloaded ones included. None, and
// no error: the agent knows no host of it (yet).
func (c *Client) GetRoute(ctx context.Context, m Module) (Route, error) {
	s, err := c.socketOf(m)
	if err != nil {
		return Route{}, err
	}
	q := c.begin(m)
	defer c.calls.Put(q)
	q.askRoute = wire.GetRouteRequest{ModID: m.ModID, CmdID: m.CmdID}
	if err := c.ask(ctx, s, wire.IDAPIGetRouteRequest, q, q.encode(wire.IDAPIGetRouteRequest, &q.askRoute)); err != nil {
		return Route{}, err
	}
	found := Route{Cut: q.cut}
	for _, h := range q.hosts {
		host, err := route.MakeHost(int64(h.IP), int64(h.Port))
		if err != nil {
			return Route{}, system(err)
		}
		found.Hosts = append(found.Hosts, host.Addr())
	}
	return found, nil
}

// How often Register asks, and how long it waits in between, as the original's
// reg_init does.
const (
	registerTries = 3
	registerPause = 50 * time.Millisecond
)

// Register makes the agent pull a module's route, and waits a moment for it:
// after it, GetHost answers. ErrNotExist: no host came in time; it may come
// later, and GetHost may be called all the same.
func (c *Client) Register(ctx context.Context, m Module) error {
	for try := 1; ; try++ {
		r, err := c.GetRoute(ctx, m)
		if err != nil || len(r.Hosts) > 0 {
			return err
		}
		if try == registerTries {
			return ErrNotExist
		}
		select {
		case <-time.After(registerPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// failed is the retcode that Call reports for a failure.
const failed = 1

// Call gets a host of the module, calls f with its address, and reports
// whether f succeeded. It returns GetHost's error, or else f's. What the
// caller has cancelled says nothing about the host and is not reported; a
// deadline that passed counts as the host's failure, and so does a panic.
func (c *Client) Call(ctx context.Context, m Module, f func(ctx context.Context, addr netip.AddrPort) error) (err error) {
	addr, err := c.GetHost(ctx, m)
	if err != nil {
		return err
	}
	retcode := int32(failed)
	defer func() {
		if err == nil || !errors.Is(ctx.Err(), context.Canceled) {
			_ = c.Report(context.WithoutCancel(ctx), m, addr, retcode)
		}
	}()
	if err = f(ctx, addr); err == nil {
		retcode = wire.RetSucc
	}
	return err
}
