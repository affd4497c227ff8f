package cli

import (
	"context"
	"fmt"
	"io"

	"lars/system/lars"
)

// GetRoute is the command "lars getroute".
func GetRoute(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	a := newAPI("lars getroute", "MODID CMDID", "Lists all hosts of a module that the agent knows.", "lars getroute 1 1")
	v, done, err := a.parse(stdout, args, 2)
	if done || err != nil {
		return err
	}
	m, err := a.module(v[0], v[1])
	if err != nil {
		return err
	}
	return a.run(ctx, m, func(ctx context.Context, c *lars.Client) error {
		r, err := c.GetRoute(ctx, m)
		for _, h := range r.Hosts {
			fmt.Fprintf(stdout, "ip = %v, port = %d\n", h.Addr(), h.Port())
		}
		if r.Cut {
			fmt.Fprintln(stderr, "the route is longer than a datagram can tell: these are the first of its hosts")
		}
		return err
	})
}
