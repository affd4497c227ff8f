// Package backends is the table of all backends: which there are, what each
// can do by itself, and what stands in for the rest. It is for programs that
// let a person choose one by name.
//
//	d, err := backends.Open("evio")
//	engine, err := d.Open(driver.Config{Loops: 2})
//
// A driver from here is complete: it listens, dials and has UDP. What the
// backend's library lacks package net supplies, on the loops of the same
// engine, so that the contract of a loop holds for all of it; Entry.StandIns
// names it, and results should too.
//
// Backend sim is not in the table: its drivers are hosts of a world in memory,
// which serves no sockets, so there is nothing for a person to choose.
//
// It measures nothing and chooses nothing by itself.
package backends

import (
	"context"
	"fmt"
	"net/netip"
	"runtime/debug"
	"strings"

	"lars/backends/epoll"
	"lars/backends/evio"
	"lars/backends/internal/serial"
	"lars/backends/netpoll"
	"lars/backends/std"
	"lars/reactor/driver"
)

// An Entry is one backend.
type Entry struct {
	Name string
	// Module is the import path of the library, "" for our own and for
	// package net.
	Module string
	// Version is that of Module, or of Go where there is none, as the build
	// says; "unknown" when it does not.
	Version string
	// Native are the abilities of the backend without stand-ins.
	Native driver.Abilities
	// StandIns name what supplies an ability that the backend lacks, by the
	// name of the ability: "dial", "udp".
	StandIns map[string]string
	Notes    string // what to know before comparing, in a sentence

	driver driver.Driver
}

// table is made anew for each caller, so that nobody can change it.
func table() []Entry {
	return []Entry{
		{driver: epoll.Driver{}, Notes: "ours: level-triggered epoll, raw system calls, batched UDP"},
		{
			driver: evio.Driver{}, Module: "github.com/tidwall/evio",
			Notes: "push by wake-ups; spread is approximate; no SO_REUSEPORT; a failed accept closes the listener's connections",
		},
		{
			driver: netpoll.Driver{}, Module: "github.com/cloudwego/netpoll",
			Notes: "pollers belong to the process; reads ahead up to 256 KiB; accepts and connects by package net",
		},
		{driver: std.Driver{}, Notes: "package net, a goroutine for each connection"},
	}
}

// Names lists the backends in alphabetical order.
func Names() (names []string) {
	for _, e := range table() {
		names = append(names, e.driver.Name())
	}
	return names
}

// All returns the entries of all backends, in the order of Names.
func All() (all []Entry) {
	for _, e := range table() {
		all = append(all, e.complete())
	}
	return all
}

// Lookup returns the entry of one backend. The error for an unknown name lists
// the known ones.
func Lookup(name string) (Entry, error) {
	for _, e := range table() {
		if e.driver.Name() == name {
			return e.complete(), nil
		}
	}
	return Entry{}, fmt.Errorf("unknown backend %q; known are %s", name, strings.Join(Names(), ", "))
}

// Open returns a complete driver of the backend, or Lookup's error.
func Open(name string) (driver.Driver, error) {
	e, err := Lookup(name)
	if err != nil {
		return nil, err
	}
	return e.Driver(), nil
}

// Raw is the backend's driver without stand-ins.
func (e Entry) Raw() driver.Driver { return e.driver }

// Driver is the backend with its stand-ins.
func (e Entry) Driver() driver.Driver {
	if len(e.StandIns) == 0 {
		return e.driver
	}
	return composed{e.driver}
}

// complete fills in what follows from the rest.
func (e Entry) complete() Entry {
	e.Name = e.driver.Name()
	e.Native = e.driver.Abilities()
	e.Version = version(e.Module)
	e.StandIns = make(map[string]string)
	if !e.Native.Dial {
		e.StandIns["dial"] = standIn
	}
	if !e.Native.Packet {
		e.StandIns["udp"] = standIn
	}
	return e
}

// standIn is the name of what supplies dialling and UDP.
const standIn = "std"

// version reads the version of a module, or of Go, from the build.
func version(module string) string {
	info, ok := debug.ReadBuildInfo()
	switch {
	case !ok:
		return "unknown"
	case module == "":
		return info.GoVersion
	}
	for _, m := range info.Deps {
		if m.Path == module {
			if m.Replace != nil {
				return m.Replace.Version
			}
			return m.Version
		}
	}
	return "unknown"
}

// composed is a driver on serial loops, completed by package net.
type composed struct{ driver.Driver }

func (d composed) Abilities() driver.Abilities {
	a := d.Driver.Abilities()
	a.Dial, a.Packet = true, true
	return a
}

func (d composed) Open(c driver.Config) (driver.Engine, error) {
	e, err := d.Driver.Open(c)
	if err != nil {
		return nil, err
	}
	g, ok := e.(grouped)
	if !ok {
		_ = e.Close(context.Background())
		return nil, fmt.Errorf("backend %s is not on serial loops, so nothing can stand in for what it lacks", d.Name())
	}
	return engine{grouped: g, native: d.Driver.Abilities()}, nil
}

// grouped is an engine on serial loops.
type grouped interface {
	driver.Engine
	Own(driver.Loop) (*serial.Loop, error)
}

type engine struct {
	grouped
	native driver.Abilities
}

func (e engine) Dial(l driver.Loop, addr netip.AddrPort, o driver.DialOptions, open driver.Opener, failed func(error)) error {
	if e.native.Dial {
		return e.grouped.Dial(l, addr, o, open, failed)
	}
	own, err := e.Own(l)
	if err != nil {
		return err
	}
	return std.Dial(own, addr, o, open, failed)
}

func (e engine) ListenPacket(l driver.Loop, o driver.PacketOptions, h driver.PacketHandler) (driver.PacketConn, error) {
	if e.native.Packet {
		return e.grouped.ListenPacket(l, o, h)
	}
	own, err := e.Own(l)
	if err != nil {
		return nil, err
	}
	return std.ListenPacket(own, o, h)
}
