package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"lars/backends"
	bench "lars/bench/cli"
	"lars/internal/cli"
)

// listBackends is the command "lars backends".
func listBackends(_ context.Context, stdout, _ io.Writer, args []string) error {
	f := cli.NewFlags("lars backends", "[--names]", "Lists the backends: what each does by itself, and what stands in for the rest.", "lars backends", "lars backends --names")
	names := f.Bool("names", false, "only the names, one a line")
	if done, err := f.Parse(stdout, args); done || err != nil {
		return err
	}
	if *names {
		fmt.Fprintln(stdout, strings.Join(backends.Names(), "\n"))
		return nil
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "BACKEND\tVERSION\tTCP\tUDP\tDIAL\tPUSH\tNOTES")
	for _, e := range backends.All() {
		a := e.Native
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Name, e.Version,
			able(a.Listen, e.StandIns["tcp"]), able(a.Packet, e.StandIns["udp"]), able(a.Dial, e.StandIns["dial"]),
			able(a.Push, "worked around"), e.Notes)
	}
	return w.Flush()
}

// able is yes, or what takes the place of the ability.
func able(native bool, instead string) string {
	switch {
	case native:
		return "yes"
	case instead == "":
		return "no"
	}
	return instead
}

// measurable is the table of backends as the lab needs it. An echo server
// listens; it never dials, so only a stand-in for UDP is in use there.
func measurable() []bench.Backend {
	var out []bench.Backend
	for _, e := range backends.All() {
		b := bench.Backend{Name: e.Name}
		if e.Module != "" {
			b.Module = e.Module + "@" + e.Version
		}
		if by := e.StandIns["udp"]; by != "" {
			b.UDPStandIns = []string{"UDP by " + by}
		}
		out = append(out, b)
	}
	return out
}
