package cli

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"lars/system/lars"
)

// GetRoute is the command "lars getroute".
func GetRoute(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	a := newAPI("lars getroute", "MODID CMDID", "Lists all hosts of a module that the agent knows.", "lars getroute 1 1", "lars getroute 1 1 --json")
	a.jsonFlag()
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
		if err != nil {
			return err
		}
		if r.Cut {
			fmt.Fprintln(stderr, "the route is longer than a datagram can tell: these are the first of its hosts")
		}
		var text strings.Builder
		for _, h := range r.Hosts {
			fmt.Fprintf(&text, "ip = %v, port = %d\n", h.Addr(), h.Port())
		}
		return a.print(stdout, struct {
			moduleJSON
			Hosts []netip.AddrPort `json:"hosts"`
			Cut   bool             `json:"cut"`
		}{moduleJSON(m), append([]netip.AddrPort{}, r.Hosts...), r.Cut}, text.String())
	})
}
