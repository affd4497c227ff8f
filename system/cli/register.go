package cli

import (
	"context"
	"fmt"
	"io"

	"lars/system/lars"
)

// Register is the command "lars register".
func Register(ctx context.Context, stdout, _ io.Writer, args []string) error {
	a := newAPI("lars register", "MODID CMDID", "Makes the agent pull the route of a module, and waits a moment for it.", "lars register 1 1", "lars register 1 1 --json")
	a.jsonFlag()
	v, done, err := a.parse(stdout, args, 2)
	if done || err != nil {
		return err
	}
	m, err := a.module(v[0], v[1])
	if err != nil {
		return err
	}
	return a.run(ctx, m, func(context.Context, *lars.Client) error {
		return a.print(stdout, moduleJSON(m), fmt.Sprintf("modid = %d, cmdid = %d is registered\n", m.ModID, m.CmdID))
	})
}
