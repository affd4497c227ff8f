package drivertest

import (
	"errors"
	"net/netip"

	"lars/reactor/driver"
)

// A need is the ability without which a case asserts ErrUnsupported instead.
type need int

const (
	needNothing need = iota
	needListen
	needDial
	needPacket
)

// side is the end of a connection that the driver holds.
type side int

const (
	accepted side = iota
	dialled
)

// loopback is any free port of the local host.
func loopback() netip.AddrPort { return netip.MustParseAddrPort("127.0.0.1:0") }

// has reports whether the driver declares the ability.
func (n need) has(a driver.Abilities) bool {
	switch n {
	case needListen:
		return a.Listen
	case needDial:
		return a.Dial
	case needPacket:
		return a.Packet
	}
	return true
}

// assertUnsupported is what a case becomes when its need is not met.
func (n need) assertUnsupported(e *env) {
	en := e.open(driver.Config{})
	open := en.opener(driver.ConnOptions{}, hooks{}, func(*conn) {})
	var err error
	switch n {
	case needListen:
		_, err = en.eng.Listen(loopback(), driver.ListenOptions{}, open)
	case needDial:
		_, l := e.rawListen()
		err = en.eng.Dial(en.loops[0].Loop, l, driver.DialOptions{}, open, func(error) {})
	case needPacket:
		_, err = en.eng.ListenPacket(en.loops[0].Loop, driver.PacketOptions{Local: loopback()}, &packet{loop: en.loops[0], en: en})
	}
	if !errors.Is(err, driver.ErrUnsupported) {
		e.errorf("the ability is declared absent, but its operation returned %v, want ErrUnsupported", err)
	}
}
