package lars_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"lars/backends"
	"lars/reactor"
	"lars/system/agent"
	"lars/system/lars"
)

// A program that calls a service through its module, whatever hosts that has.
// Here the agent runs in the same process, and nobody has told it any routes.
func ExampleClient_Call() {
	addrs, stop := startAgent()
	defer stop()

	c, err := lars.New(lars.Config{Addrs: addrs}) // lars.Config{} for the agent on this host
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	payments := lars.Module{ModID: 1, CmdID: 1}
	err = c.Call(ctx, payments, func(ctx context.Context, addr netip.AddrPort) error {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", addr.String())
		if err != nil {
			return err // the host fails, and the agent is told
		}
		return conn.Close()
	})
	switch {
	case errors.Is(err, lars.ErrNotExist):
		fmt.Println("no host of module", payments)
	case errors.Is(err, lars.ErrOverload):
		fmt.Println("all hosts are overloaded")
	case err != nil:
		fmt.Println(err)
	}
	// Output: no host of module 1,1
}

func startAgent() (addrs []string, stop func()) {
	d, err := backends.Open("std")
	if err != nil {
		panic(err)
	}
	r, err := reactor.Open(d, reactor.Config{})
	if err != nil {
		panic(err)
	}
	s, err := agent.Start(r, agent.Config{})
	if err != nil {
		panic(err)
	}
	for _, a := range s.Addrs() {
		addrs = append(addrs, a.String())
	}
	return addrs, r.Close
}

// Retcode is for programs that are moved here from the original's API.
func ExampleRetcode() {
	var codes []string
	for _, err := range []error{nil, lars.ErrOverload, lars.ErrTimeout, lars.ErrNotExist} {
		codes = append(codes, fmt.Sprint(lars.Retcode(err)))
	}
	fmt.Println(strings.Join(codes, " "))
	// Output: 0 1 2 3
}
