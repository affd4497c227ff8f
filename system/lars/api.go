package lars

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"syscall"
	"time"

	"lars/system/balance"
	"lars/system/route"
	"lars/system/wire"
)

// GetHost asks for the address of a host to call. Tell how the call went by
// Report. The error is ErrOverload, ErrNotExist, ErrTimeout, ErrSystem,
// another of this package's, or the context's.
func (c *Client) GetHost(ctx context.Context, m Module) (netip.AddrPort, error) {
	return c.GetHostFor(ctx, m, Ask{})
}

// Ask is what a call of GetHostFor is for. The zero value is a call about which
// nothing is known; the original's agents ignore all of it.
type Ask struct {
	// Key: calls with equal keys go to equal hosts, where the module's
	// algorithm heeds it (chash). 0: no key.
	Key uint64
	// Zone is where the caller is. 0: where its agent is.
	Zone uint16
}

// GetHostFor is GetHost for a certain call.
func (c *Client) GetHostFor(ctx context.Context, m Module, a Ask) (netip.AddrPort, error) {
	s, err := c.socketOf(m)
	if err != nil {
		return netip.AddrPort{}, err
	}
	q := c.begin(m)
	defer c.calls.Put(q)
	q.askHost = wire.GetHostRequest{Seq: q.seq, ModID: m.ModID, CmdID: m.CmdID, Key: a.Key, Zone: uint32(a.Zone)}
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
// success, anything else for a failure; Code makes one of an error. It does not
// wait. The error is about
// sending it: ErrSystem, ErrInvalid, or the context's when that has ended
// already.
func (c *Client) Report(ctx context.Context, m Module, addr netip.AddrPort, retcode int32) error {
	return c.ReportCall(ctx, m, addr, retcode, 0)
}

// ReportCall is Report with the time that the caller waited for the outcome,
// which lets the agent avoid slow hosts. 0: not known.
func (c *Client) ReportCall(ctx context.Context, m Module, addr netip.AddrPort, retcode int32, latency time.Duration) error {
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
		LatencyUS: uint32(min(max(latency.Microseconds(), 0), math.MaxUint32)),
		Host:      wire.HostInfo{IP: int32(b[0])<<24 | int32(b[1])<<16 | int32(b[2])<<8 | int32(b[3]), Port: int32(addr.Port())},
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

// failed is the retcode of a failure of which no more is known.
const failed = 1

// Code is the retcode to report for the error of a call: 0 for nil, 1 for what
// the host answered, and where no answer came a code that says so, upon which
// the agent acts sooner (the Codes of package balance). The original's agents
// take all but 0 for failures.
func Code(err error) int32 {
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil:
		return wire.RetSucc
	case errors.Is(err, syscall.ECONNREFUSED):
		return balance.CodeRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return balance.CodeReset
	case errors.Is(err, syscall.EHOSTUNREACH):
		return balance.CodeNoRoute
	case errors.Is(err, syscall.ENETUNREACH):
		return balance.CodeUnreachable
	case errors.As(err, &timeout) && timeout.Timeout(): // context.DeadlineExceeded too
		return balance.CodeTimedOut
	}
	return failed
}

// Call gets a host of the module, calls f with its address, and reports
// whether f succeeded and how long it took. It returns GetHost's error, or else f's. What the
// caller has cancelled says nothing about the host and is not reported; a
// deadline that passed counts as the host's failure, and so does a panic.
func (c *Client) Call(ctx context.Context, m Module, f func(ctx context.Context, addr netip.AddrPort) error) (err error) {
	addr, err := c.GetHost(ctx, m)
	if err != nil {
		return err
	}
	retcode, began := int32(failed), time.Now()
	defer func() {
		if err == nil || !errors.Is(ctx.Err(), context.Canceled) {
			_ = c.ReportCall(context.WithoutCancel(ctx), m, addr, retcode, time.Since(began))
		}
	}()
	err = f(ctx, addr)
	retcode = Code(err)
	return err
}
