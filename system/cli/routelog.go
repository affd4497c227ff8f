package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"lars/system/store"
)

// changeJSON is an entry of the change log.
type changeJSON struct {
	Version int64     `json:"version"`
	At      time.Time `json:"at"`
	Actor   string    `json:"actor"`
	Op      string    `json:"op"`
	ModID   int32     `json:"modid"`
	CmdID   int32     `json:"cmdid"`
	Removed []string  `json:"removed,omitempty"`
	Added   []string  `json:"added,omitempty"`
	Detail  string    `json:"detail,omitempty"`
}

func routeLog(ctx context.Context, stdout, _ io.Writer, args []string) error {
	c := newRouteCommand("log", "[--module MODID,CMDID] [--limit NUMBER]", "Shows the change log, newest first.", "lars route log", "lars route log --module 1,1 --limit 5 --json")
	c.moduleFlag()
	limit := c.flags.Int("limit", 20, "at most this `number` of entries")
	check := func() error {
		if *limit < 1 || *limit > store.QueryRowsMax {
			return c.flags.Errorf("--limit %d: allowed are 1 to %d", *limit, store.QueryRowsMax)
		}
		return nil
	}
	return c.run(ctx, stdout, args, check, func(st store.Store) error {
		changes, err := st.ChangeLog(ctx, store.ChangeQuery{Module: c.module, Limit: *limit})
		if err != nil {
			return err
		}
		if c.json {
			return logAsJSON(stdout, changes)
		}
		return logAsText(stdout, changes)
	})
}

func logAsJSON(stdout io.Writer, changes []store.Change) error {
	all := make([]changeJSON, 0, len(changes))
	for _, c := range changes {
		all = append(all, changeJSON{c.Version, c.At.UTC(), c.Actor, c.Op, c.Module.ModID, c.Module.CmdID, texts(c.Before), texts(c.After), c.Detail})
	}
	return json.NewEncoder(stdout).Encode(all)
}

func logAsText(stdout io.Writer, changes []store.Change) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "VERSION\tAT\tWHO\tWHAT\tMODULE\tREMOVED\tADDED\tSET")
	for _, c := range changes {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%v\t%s\t%s\t%s\n", c.Version, c.At.UTC().Format(time.RFC3339), orDash(c.Actor), orDash(c.Op),
			c.Module, orDash(store.FormatHosts(c.Before)), orDash(store.FormatHosts(c.After)), orDash(c.Detail))
	}
	return w.Flush()
}

func texts(hosts []store.Host) (all []string) {
	for _, h := range hosts {
		all = append(all, h.String())
	}
	return all
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
