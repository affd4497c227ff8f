package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"lars/internal/cli"
	"lars/system/lars"
)

// watchEvery is the pause between two looks of --watch.
const watchEvery = time.Second

// HostStates is the command "lars hosts".
func HostStates(ctx context.Context, stdout, _ io.Writer, args []string) error {
	a := newAPI("lars hosts", "MODID CMDID", "Shows what the agent knows of a module's hosts: which are out, why and for how long.",
		"lars hosts 1 1", "lars hosts 1 1 --watch", "lars hosts 1 1 --json")
	asJSON := a.flags.Bool("json", false, "print JSON, with --watch a line for each look")
	watch := a.flags.Bool("watch", false, "go on, once a second, until interrupted")
	v, done, err := a.parse(stdout, args, 2)
	if done || err != nil {
		return err
	}
	m, err := a.module(v[0], v[1])
	if err != nil {
		return err
	}
	return repeat(ctx, stdout, *watch, *asJSON, func() error {
		err := a.run(ctx, m, func(ctx context.Context, c *lars.Client) error {
			h, err := c.Hosts(ctx, m)
			if err != nil {
				return err
			}
			if *asJSON {
				return json.NewEncoder(stdout).Encode(h)
			}
			return statesAsText(stdout, h)
		})
		if errors.Is(err, lars.ErrOldAgent) {
			return cli.Exit(exitAgent+lars.Retcode(err), errors.New("the agent answers, but not this question: it is of an older release, or the original's"))
		}
		return err
	})
}

func statesAsText(stdout io.Writer, all lars.Hosts) error {
	whose := "the agent's own"
	if all.Version != 0 {
		whose = "version " + strconv.FormatInt(all.Version, 10)
	}
	fmt.Fprintf(stdout, "%s  (%s)\n", all.Settings, whose)
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "HOST\tSTATE\tWHY\tFOR\tUNTIL\tEJECTED\tWEIGHT\tZONE\tIN FLIGHT\tLATENCY\tSUCC\tERR")
	for _, h := range all.Hosts {
		state, ejected := h.State, "-"
		if h.Draining {
			state += ", draining"
		}
		if h.Doubtful {
			state += ", doubtful"
		}
		if h.Ejections > 0 {
			ejected = fmt.Sprintf("%d, last %s ago: %s", h.Ejections, round(h.Ejected), h.EjectedReason)
		}
		fmt.Fprintf(w, "%v\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%d\t%d\n", h.Addr, state, h.Reason, round(h.For), round(h.Until), ejected,
			h.Weight, h.Zone, h.InFlight, orDash(latency(h.Latency)), h.Succ, h.Err)
	}
	return w.Flush()
}

// round is a time for people.
func round(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func latency(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.Round(10 * time.Microsecond).String()
}
