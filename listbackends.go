package main

import (
	"context"
	"encoding/json"
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
	f := cli.NewFlags("lars backends", "[--names | --json]", "Lists the backends: what each does by itself, and what stands in for the rest.", "lars backends", "lars backends --names")
	names := f.Bool("names", false, "only the names, one a line")
	asJSON := f.Bool("json", false, "the table as JSON")
	if done, err := f.Parse(stdout, args); done || err != nil {
		return err
	}
	if *names {
		fmt.Fprintln(stdout, strings.Join(backends.Names(), "\n"))
		return nil
	}
	all := listed()
	if *asJSON {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return e.Encode(all)
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "BACKEND\tVERSION\tTCP\tUDP\tDIAL\tPUSH\tNOTES")
	for _, b := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", b.Name, b.Version, b.TCP, b.UDP, b.Dial, b.Push, b.Notes)
	}
	return w.Flush()
}

// listedBackend is a row of the list. An ability is "yes", "no", or what stands in.
type listedBackend struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	TCP     string `json:"tcp"`
	UDP     string `json:"udp"`
	Dial    string `json:"dial"`
	Push    string `json:"push"`
	Notes   string `json:"notes"`
}

func listed() (all []listedBackend) {
	for _, e := range backends.All() {
		a := e.Native
		all = append(all, listedBackend{
			e.Name, e.Version,
			able(a.Listen, e.StandIns["tcp"]), able(a.Packet, e.StandIns["udp"]), able(a.Dial, e.StandIns["dial"]),
			able(a.Push, "worked around"), e.Notes,
		})
	}
	return all
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
