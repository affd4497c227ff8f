package cli

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"lars/system/lars"
)

// Report is the command "lars report".
func Report(ctx context.Context, stdout, _ io.Writer, args []string) error {
	a := newAPI("lars report", "MODID CMDID IP:PORT RETCODE",
		"Tells the agent how a call to a host went: RETCODE 0 for success, -1111 when the host refused, -1110 when no answer came, anything else for another failure. The original's form, IP PORT, is read too.",
		"lars report 1 1 192.168.1.177 7777 0", "lars report 1 1 192.168.1.177:7777 -1111 --json")
	a.jsonFlag()
	v, done, err := a.parse(stdout, splitHost(args), 5)
	if done || err != nil {
		return err
	}
	m, err := a.module(v[0], v[1])
	if err != nil {
		return err
	}
	addr, err := netip.ParseAddrPort(v[2] + ":" + v[3])
	if err != nil || !addr.Addr().Is4() || addr.Port() == 0 {
		return a.flags.Errorf("%q and %q: want an IPv4 address and a port from 1 to 65535", v[2], v[3])
	}
	retcode, err := strconv.ParseInt(v[4], 10, 32)
	if err != nil {
		return a.flags.Errorf("%q is not a retcode: want a whole number, 0 for success", v[4])
	}
	return a.run(ctx, m, func(ctx context.Context, c *lars.Client) error {
		if err := c.Report(ctx, m, addr, int32(retcode)); err != nil {
			return err
		}
		// The words are the original's: there any failure is called so.
		word := "SUCC"
		if retcode != 0 {
			word = "OVERLOAD"
		}
		return a.print(stdout, struct {
			moduleJSON
			Host    netip.AddrPort `json:"host"`
			Retcode int64          `json:"retcode"`
		}{moduleJSON(m), addr, retcode}, fmt.Sprintf("report modid = %d, cmdid = %d | %v %s\n", m.ModID, m.CmdID, addr, word))
	})
}

// splitHost parts ip:port, as other commands print a host, into the original's
// two arguments. The value of a flag stays.
func splitHost(args []string) (all []string) {
	for i, arg := range args {
		ip, port, ok := strings.Cut(arg, ":")
		if _, err := netip.ParseAddr(ip); !ok || err != nil || i > 0 && strings.HasPrefix(args[i-1], "-") {
			all = append(all, arg)
			continue
		}
		all = append(all, ip, port)
	}
	return all
}
