package lars

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"google.golang.org/protobuf/proto"

	"lars/reactor/frame"
	"lars/system/larspb"
	"lars/system/route"
	"lars/system/wire"
)

// Hosts is what an agent knows of a module's hosts.
type Hosts struct {
	Settings string      `json:"settings"` // in force, as text
	Version  int64       `json:"version"`  // of the edit that set them; 0: they are the agent's own
	Hosts    []HostState `json:"hosts"`    // in the order of their addresses
}

// HostState is one host as an agent sees it. Times are ages, by the agent's
// clock.
type HostState struct {
	Addr     netip.AddrPort `json:"host"`
	State    string         `json:"state"`    // idle gets calls, overloaded is ejected: see package balance
	Reason   string         `json:"reason"`   // what brought it there
	For      time.Duration  `json:"for_ns"`   // since when
	Until    time.Duration  `json:"until_ns"` // how long its ejection goes on; 0: not set in advance
	Weight   uint32         `json:"weight"`
	Zone     uint32         `json:"zone"` // 0: not known
	Draining bool           `json:"draining"`
	Doubtful bool           `json:"doubtful"` // other agents suspect it, so it gets fewer calls

	Ejections     uint32        `json:"ejections"` // since it came
	Ejected       time.Duration `json:"ejected_ns,omitempty"`
	EjectedReason string        `json:"ejected_reason,omitempty"`

	InFlight uint32        `json:"in_flight"`
	Latency  time.Duration `json:"latency_ns"` // as picks reckon with; 0: not used
	Succ     uint64        `json:"succ"`       // calls reported in the last Window
	Err      uint64        `json:"err"`
	Window   time.Duration `json:"window_ns"`
}

// ErrOldAgent comes with ErrTimeout when an agent answers other questions, but
// not this one: it is of a release without it, or the original's.
var ErrOldAgent = errors.New("lars: this agent does not tell the states of hosts")

// Hosts asks for the states of a module's hosts: for people and tools, since it
// opens a socket of its own. ErrNotExist: the agent knows no host.
func (c *Client) Hosts(ctx context.Context, m Module) (Hosts, error) {
	if _, err := c.socketOf(m); err != nil {
		return Hosts{}, err
	}
	i, _ := wire.PortFor(m.ModID, m.CmdID)
	conn, err := new(net.Dialer).DialContext(ctx, "udp", c.config.Addrs[i])
	if err != nil {
		return Hosts{}, system(err)
	}
	defer conn.Close()
	var all Hosts
	for {
		a, err := c.askStates(ctx, conn, m, uint32(len(all.Hosts)))
		if errors.Is(err, ErrTimeout) && ctx.Err() == nil {
			if _, known := c.GetRoute(ctx, m); known == nil {
				err = fmt.Errorf("%w: %w", ErrOldAgent, err)
			}
		}
		if err != nil {
			return Hosts{}, err
		}
		if err := ofRetcode(a.GetRetcode()); err != nil {
			return Hosts{}, err
		}
		all.Settings, all.Version = a.GetSettings(), a.GetVersion()
		for _, h := range a.GetHost() {
			state, err := stateOf(h)
			if err != nil {
				return Hosts{}, err
			}
			all.Hosts = append(all.Hosts, state)
		}
		if len(a.GetHost()) == 0 || len(all.Hosts) >= int(a.GetTotal()) {
			return all, nil
		}
	}
}

// askStates asks for the hosts from one on, as often as other questions.
func (c *Client) askStates(ctx context.Context, conn net.Conn, m Module, first uint32) (*larspb.HostsResponse, error) {
	q := &larspb.HostsRequest{Seq: c.seq.Add(1), Modid: m.ModID, Cmdid: m.CmdID, First: first}
	body, err := proto.Marshal(q)
	if err != nil {
		return nil, system(err)
	}
	question, buf := frame.Append(nil, wire.IDHostsRequest, body), make([]byte, 1<<16)
	for range c.config.Tries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if _, err := conn.Write(question); err != nil {
			return nil, system(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(c.config.Timeout)); err != nil {
			return nil, system(err)
		}
		for {
			n, err := conn.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return nil, system(err)
			}
			id, body, err := frame.Datagram(buf[:n], len(buf))
			a := &larspb.HostsResponse{}
			if err == nil && id == wire.IDHostsResponse && proto.Unmarshal(body, a) == nil && a.GetSeq() == q.GetSeq() {
				return a, nil
			}
			c.counts.garbage.Add(1)
		}
	}
	return nil, ErrTimeout
}

func stateOf(h *larspb.HostStatus) (HostState, error) {
	host, err := route.MakeHost(int64(h.GetIp()), int64(h.GetPort()))
	if err != nil {
		return HostState{}, system(err)
	}
	us := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
	return HostState{
		Addr: host.Addr(), State: h.GetState(), Reason: h.GetReason(), For: us(h.GetSinceUs()), Until: us(h.GetUntilUs()),
		Weight: h.GetWeight(), Zone: h.GetZone(), Draining: h.GetDraining(), Doubtful: h.GetDoubtful(),
		Ejections: h.GetEjections(), Ejected: us(h.GetEjectedUs()), EjectedReason: h.GetEjectedReason(),
		InFlight: h.GetInFlight(), Latency: us(h.GetLatencyUs()), Succ: h.GetSucc(), Err: h.GetErr(), Window: us(h.GetWindowUs()),
	}, nil
}
