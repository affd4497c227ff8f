package up

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"

	"lars/system/wire"
)

// Ports of a system. Zero ones are picked when it starts.
type Ports struct {
	DNS      int // TCP
	Reporter int // TCP
	Agent    int // UDP, the first of three in a row
}

// OriginalPorts are those of the original.
func OriginalPorts() Ports {
	return Ports{DNS: wire.DNSPort, Reporter: wire.ReporterPort, Agent: wire.AgentPort}
}

// PortsFrom are five ports in a row: dns, reporter, and the agent's three. 0
// leaves all to be picked.
func PortsFrom(base int) Ports {
	if base == 0 {
		return Ports{}
	}
	return Ports{DNS: base, Reporter: base + 1, Agent: base + 2}
}

// socket is one port that a service listens on.
type socket struct {
	service, network string
	port             int
}

func (p Ports) sockets() []socket {
	all := []socket{{DNS, "tcp", p.DNS}, {Reporter, "tcp", p.Reporter}}
	for i := range wire.AgentPorts {
		all = append(all, socket{Agent, "udp", p.Agent + i})
	}
	return all
}

// addrs are the addresses of a service.
func (p Ports) addrs(ip, service string) (addrs []string) {
	for _, s := range p.sockets() {
		if s.service == service {
			addrs = append(addrs, net.JoinHostPort(ip, strconv.Itoa(s.port)))
		}
	}
	return addrs
}

// A TakenError says which ports cannot be listened on.
type TakenError struct {
	Taken []string // "7778/tcp (dns): address already in use"
}

// Error lists the ports.
func (e *TakenError) Error() string { return "ports are taken:\n  " + strings.Join(e.Taken, "\n  ") }

// check tries all ports before anything is started.
func (p Ports) check(ip string) error {
	var taken []string
	for _, s := range p.sockets() {
		if err := s.try(ip); err != nil {
			taken = append(taken, fmt.Sprintf("%d/%s (%s): %v", s.port, s.network, s.service, cause(err)))
		}
	}
	if len(taken) > 0 {
		return &TakenError{Taken: taken}
	}
	return nil
}

// cause is the system's word in an error of package net.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// try listens and closes.
func (s socket) try(ip string) error {
	addr := net.JoinHostPort(ip, strconv.Itoa(s.port))
	if s.network == "udp" {
		c, err := net.ListenPacket("udp", addr)
		if err != nil {
			return err
		}
		return c.Close()
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return ln.Close()
}

// Picked ports are below those that the kernel gives to connections (32768 and
// up unless an operator moved them): a service that is away for a moment must
// find its ports free again, and a client that dials a port of its own number
// connects to itself.
const pickedMin, pickedMax = 10_000, 32_000

// picksMax bounds the search for free ports.
const picksMax = 200

// pick fills in what is zero.
func (p Ports) pick(ip string) (Ports, error) {
	for range picksMax {
		base := pickedMin + rand.IntN(pickedMax-pickedMin)
		q := PortsFrom(base)
		q = Ports{DNS: cmp.Or(p.DNS, q.DNS), Reporter: cmp.Or(p.Reporter, q.Reporter), Agent: cmp.Or(p.Agent, q.Agent)}
		if p == q || q.check(ip) == nil {
			return q, nil // p is judged by whoever asks
		}
		if p.onlyTaken(ip) {
			return q, q.check(ip)
		}
	}
	return p, fmt.Errorf("up: no free ports found from %d to %d", pickedMin, pickedMax)
}

// onlyTaken says whether a port that is not to be picked is taken: then no pick
// helps.
func (p Ports) onlyTaken(ip string) bool {
	for _, s := range p.sockets() {
		fixed := s.service == DNS && p.DNS != 0 || s.service == Reporter && p.Reporter != 0 || s.service == Agent && p.Agent != 0
		if fixed && s.try(ip) != nil {
			return true
		}
	}
	return false
}
