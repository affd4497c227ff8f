package cli

import (
	"context"
	"fmt"
	"io"
	"net/netip"

	"lars/system/lars"
)

// GetHost is the command "lars gethost".
func GetHost(ctx context.Context, stdout, _ io.Writer, args []string) error {
	a := newAPI("lars gethost", "MODID CMDID", "Asks the agent for a host of a module to call.", "lars gethost 1 1", "lars gethost 1 1 --json")
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
		addr, err := c.GetHost(ctx, m)
		if err != nil {
			return err
		}
		return a.print(stdout, struct {
			moduleJSON
			Host netip.AddrPort `json:"host"`
		}{moduleJSON(m), addr}, fmt.Sprintf("host is %v\n", addr))
	})
}
