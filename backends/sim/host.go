package sim

import (
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// A Host is a machine of a World: its addresses, its sockets, and the engines
// that run on it, which are one process to its faults.
type Host struct {
	w     *World
	name  string
	index int
	addr  netip.Addr
	era   int // counts crashes: what was made before one is gone

	up, paused bool
	held       []*event // what waits for Continue, in its order
	skew       time.Duration
	workDelay  time.Duration
	turnDelay  time.Duration
	files      int // sockets of engines
	filesMax   int

	paths    []*path // by the index of the other host
	nextPort uint16
	streams  table[*listenSocket]
	packets  table[*packetSocket]
	conns    map[pair]*sock
	socks    []*sock // the same, in an order that repeats
	engines  []*engine
}

// pair names a TCP connection on its host.
type pair struct{ local, remote netip.AddrPort }

func newHost(w *World, name string, index int, addr netip.Addr) *Host {
	return &Host{
		w: w, name: name, index: index, addr: addr, up: true, nextPort: portFirst,
		streams: table[*listenSocket]{}, packets: table[*packetSocket]{}, conns: map[pair]*sock{},
	}
}

// Name of the host.
func (h *Host) Name() string { return h.name }

// Addr is the host's address; it also has 127.0.0.1 and ::1 for itself.
func (h *Host) Addr() netip.Addr { return h.addr }

// AddrPort is a port at the host's address.
func (h *Host) AddrPort(port uint16) netip.AddrPort { return netip.AddrPortFrom(h.addr, port) }

// Now is the host's wall clock, which SetSkew sets apart. Decisions should use
// a loop's Now, which no skew disturbs.
func (h *Host) Now() time.Time {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	return h.w.config.Epoch.Add(h.w.clock() + h.skew)
}

// SetSkew makes the host's wall clock run d ahead of the world's, or behind.
func (h *Host) SetSkew(d time.Duration) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.skew = d
}

// SetWorkDelay makes work that is handed off a loop begin d later: a database
// that is slow, say.
func (h *Host) SetWorkDelay(d time.Duration) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.workDelay = d
}

// SetTurnDelay makes each turn of the host's loops begin d after there is
// something for it to do: a process that is short of processor time.
func (h *Host) SetTurnDelay(d time.Duration) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.turnDelay = d
}

// SetFilesMax limits the sockets of the host's engines, as a limit on
// descriptors does; 0 is no limit. Accepting then pauses, and what opens a
// socket fails with EMFILE.
func (h *Host) SetFilesMax(n int) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.filesMax = n
}

// After runs f on no loop once d has passed, unless the host crashes before; a
// paused host runs it when it continues.
func (h *Host) After(d time.Duration, f func()) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if h.up {
		h.w.callAt(h, nil, h.w.clock()+max(d, 0), f)
	}
}

// How a host crashes.
type Crash int

const (
	// Reset kills the process: its peers are reset, and the host answers for
	// what is gone (connection refused, port unreachable).
	Reset Crash = iota
	// Vanish turns the machine off: nothing is said to anybody, and what is
	// sent to it is lost, until Restart.
	Vanish
)

// Crash ends all engines of the host: none of their callbacks runs any more,
// not even Closed, and their Post reports false. New ones can be opened at
// once after Reset, and once the host was restarted after Vanish. A callback may
// crash its own host.
func (h *Host) Crash(how Crash) {
	w := h.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace.add(record{at: w.clock(), kind: kindCrash, from: int32(h.index), to: -1, n: int(how)})
	h.era++
	for _, en := range h.engines {
		en.die()
	}
	h.engines, h.held, h.paused = nil, nil, false
	for len(h.socks) > 0 {
		s := h.socks[len(h.socks)-1]
		if how == Reset {
			s.sendReset()
		}
		s.remove()
	}
	clear(h.streams)
	clear(h.packets)
	h.files = 0
	h.up = how == Reset
}

// Restart brings a host back that vanished, with nothing on it.
func (h *Host) Restart() {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.w.trace.add(record{at: h.w.clock(), kind: kindRestart, from: int32(h.index), to: -1})
	h.up = true
}

// Pause stops the host's engines, as SIGSTOP does, until Continue: their loops
// do not run, while the kernel goes on to take what is sent, as long as its
// buffers last.
func (h *Host) Pause() {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if h.up && !h.paused {
		h.paused = true
		h.w.trace.add(record{at: h.w.clock(), kind: kindPause, from: int32(h.index), to: -1})
	}
}

// Continue ends a pause.
func (h *Host) Continue() {
	w := h.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if !h.paused {
		return
	}
	h.paused = false
	w.trace.add(record{at: w.clock(), kind: kindContinue, from: int32(h.index), to: -1})
	for _, ev := range h.held {
		w.set(ev, w.now)
	}
	h.held = nil
}

// takeFile counts a socket of an engine, or refuses it.
func (h *Host) takeFile() bool {
	if h.filesMax > 0 && h.files >= h.filesMax {
		return false
	}
	h.files++
	return true
}

func systemError(call string, errno syscall.Errno) error { return os.NewSyscallError(call, errno) }

// find returns the host that has an address as seen from h, or nil.
func (h *Host) find(a netip.Addr) *Host {
	if a.IsLoopback() || a.IsUnspecified() {
		return h
	}
	return h.w.byAddr[a]
}

// source is the address that packets to another one come from.
func (h *Host) source(to netip.Addr) netip.Addr {
	switch {
	case to.IsLoopback():
		return to
	case to.IsUnspecified() && to.Is6():
		return netip.IPv6Loopback()
	case to.IsUnspecified():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return h.addr
}

// destination is where packets to an address go: an unspecified one is the
// host itself.
func (h *Host) destination(to netip.AddrPort) netip.AddrPort {
	to = unmap(to)
	if to.Addr().IsUnspecified() {
		return netip.AddrPortFrom(h.source(to.Addr()), to.Port())
	}
	return to
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// table is the bound sockets of one protocol, by port.
type table[S bound] map[uint16][]S

// bound is a socket with a place in a table.
type bound interface {
	comparable
	where() (addr netip.AddrPort, shared bool)
}

// bind checks an address for a new socket, and picks its port if it has none.
func bind[S bound](h *Host, t table[S], at netip.AddrPort, shared bool) (netip.AddrPort, error) {
	if !h.up {
		return at, systemError("bind", syscall.ENETDOWN)
	}
	if a := at.Addr(); !a.IsLoopback() && !a.IsUnspecified() && a != h.addr {
		return at, fmt.Errorf("host %s does not have %v: %w", h.name, a, systemError("bind", syscall.EADDRNOTAVAIL))
	}
	if at.Port() != 0 {
		if !t.free(at, shared) {
			return at, systemError("bind", syscall.EADDRINUSE)
		}
		return at, nil
	}
	for range portLast - portFirst + 1 {
		if at = netip.AddrPortFrom(at.Addr(), h.port()); t.free(at, false) {
			return at, nil
		}
	}
	return at, systemError("bind", syscall.EADDRINUSE)
}

// port is the next of the ports that the host picks.
func (h *Host) port() uint16 {
	p := h.nextPort
	if h.nextPort++; h.nextPort > portLast {
		h.nextPort = portFirst
	}
	return p
}

// free reports whether a socket may be bound: its address overlaps with none,
// unless all share it.
func (t table[S]) free(at netip.AddrPort, shared bool) bool {
	for _, s := range t[at.Port()] {
		addr, also := s.where()
		overlap := addr.Addr() == at.Addr() || addr.Addr().IsUnspecified() || at.Addr().IsUnspecified()
		if overlap && !(shared && also) {
			return false
		}
	}
	return true
}

func (t table[S]) add(s S) {
	at, _ := s.where()
	t[at.Port()] = append(t[at.Port()], s)
}

func (t table[S]) remove(s S) {
	at, _ := s.where()
	list := t[at.Port()]
	for i := range list {
		if list[i] == s {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if len(list) == 0 {
		delete(t, at.Port())
	} else {
		t[at.Port()] = list
	}
}

// find returns the socket that gets what is sent to an address: of several
// that share it, the one that the sender's address selects.
func (t table[S]) find(to, from netip.AddrPort) (found S) {
	list := t[to.Port()]
	n := 0
	for _, s := range list {
		if hears(s, to) {
			found = s
			n++
		}
	}
	if n < 2 {
		return found
	}
	last := from.Addr().As16()
	k := int(fold(uint64(from.Port()), uint64(last[15])) >> 33 % uint64(n))
	for _, s := range list {
		if hears(s, to) {
			if k == 0 {
				return s
			}
			k--
		}
	}
	return found
}

// hears reports whether a socket is bound to an address, or to any.
func hears[S bound](s S, to netip.AddrPort) bool {
	at, _ := s.where()
	return at.Addr() == to.Addr() || at.Addr().IsUnspecified()
}
