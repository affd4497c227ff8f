package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"lars/internal/cli"
	"lars/system/balance"
	"lars/system/store"
)

// Policy is the command "lars policy": how modules are balanced, in the store.
func Policy() cli.Table {
	return cli.Table{
		Name:    "lars policy",
		Summary: "How modules are balanced. Every change is one new version; agents have it within a second or so.",
		Commands: []cli.Command{
			{Name: "list", Summary: "show the algorithms and all that can be set", Run: policyList},
			{Name: "get", Summary: "show what is set of modules and of their hosts", Run: policyGet},
			{Name: "set", Summary: "set how a module is balanced, in place of what was set", Run: policySet},
			{Name: "unset", Summary: "leave a module to the agents' own settings", Run: policyUnset},
		},
		Examples: []string{
			`lars policy set 1 1 "algorithm=p2c base=10s"`, "lars policy get", "lars policy list",
			"lars route set --module 1,1 --host 10.0.0.1:80 --drain on",
		},
	}
}

func newPolicyCommand(verb, synopsis, summary string, examples ...string) *routeCommand {
	return newStoreCommand("lars policy "+verb, synopsis, summary, examples...)
}

// policyModule takes MODID CMDID and more arguments off the command line.
func (c *routeCommand) policyModule(args []string, n int) (values, flags []string, err error) {
	values, flags = splitArguments(args, n)
	if len(values) == 0 && len(flags) > 0 {
		return nil, flags, nil // --help, or what the flags complain of
	}
	if len(values) != n {
		hint := ""
		if n > 2 {
			hint = "; settings of several words need quotes"
		}
		return nil, nil, c.flags.Errorf("%d arguments: want %d%s", len(values), n, hint)
	}
	m, err := parseModule(values[0] + "," + values[1])
	if err != nil {
		return nil, nil, c.flags.Errorf("%v", err)
	}
	c.module = &m
	return values[2:], flags, nil
}

func (c *routeCommand) wantModule() error {
	if c.module == nil {
		return c.flags.Errorf("want MODID and CMDID")
	}
	return nil
}

func policySet(ctx context.Context, stdout, _ io.Writer, args []string) error {
	c := newPolicyCommand("set", `MODID CMDID "NAME=VALUE ..."`, "Sets how a module is balanced, in place of all that was set. 'lars policy list' shows what there is.",
		`lars policy set 1 1 "algorithm=p2c"`, `lars policy set 1 1 "algorithm=chash bound=1.5 outlier=off"`)
	c.actorFlag()
	values, args, err := c.policyModule(args, 3)
	if err != nil {
		return err
	}
	settings := ""
	check := func() error {
		if err := c.wantModule(); err != nil {
			return err
		}
		var err error
		if _, settings, err = store.ParseSettings(values[0]); err != nil {
			return c.flags.Errorf("%v", err)
		}
		if settings == "" {
			return c.flags.Errorf("nothing to set: name a value, or use 'lars policy unset'")
		}
		return nil
	}
	return c.run(ctx, stdout, args, check, func(st store.Store) error {
		return c.tuned(ctx, stdout, st, store.ModuleEdit{Module: *c.module, Op: store.OpSettings, Settings: settings})
	})
}

func policyUnset(ctx context.Context, stdout, _ io.Writer, args []string) error {
	c := newPolicyCommand("unset", "MODID CMDID", "Leaves a module to the agents' own settings. What is said of its hosts stays.", "lars policy unset 1 1")
	c.actorFlag()
	_, args, err := c.policyModule(args, 2)
	if err != nil {
		return err
	}
	return c.run(ctx, stdout, args, c.wantModule, func(st store.Store) error {
		return c.tuned(ctx, stdout, st, store.ModuleEdit{Module: *c.module, Op: store.OpSettings})
	})
}

// tuned edits and prints the outcome.
func (c *routeCommand) tuned(ctx context.Context, stdout io.Writer, st store.Store, e store.ModuleEdit) error {
	done, err := st.Edit(ctx, store.Edit{Actor: c.actor, Modules: []store.ModuleEdit{e}})
	switch {
	case err != nil:
		return err
	case c.json:
		return json.NewEncoder(stdout).Encode(struct {
			Version int64 `json:"version"`
			Changed int   `json:"changed"`
		}{done.Version, done.Tuned})
	case done.Tuned == 0:
		_, err = fmt.Fprintf(stdout, "version %d: nothing to change\n", done.Version)
		return err
	}
	_, err = fmt.Fprintf(stdout, "version %d: %d changed\n", done.Version, done.Tuned)
	return err
}

// policyJSON is what is said of one module.
type policyJSON struct {
	ModID    int32            `json:"modid"`
	CmdID    int32            `json:"cmdid"`
	Settings string           `json:"settings"`
	Version  int64            `json:"version"`
	Problem  string           `json:"problem,omitempty"`
	Hosts    []hostPolicyJSON `json:"hosts"`
}

type hostPolicyJSON struct {
	Host     string `json:"host"`
	Weight   uint32 `json:"weight"`
	Zone     uint16 `json:"zone"`
	Draining bool   `json:"draining"`
}

func policyGet(ctx context.Context, stdout, _ io.Writer, args []string) error {
	c := newPolicyCommand("get", "[MODID CMDID]", "Shows what is set of a module and of its hosts, or of all modules. What is not shown has its default.",
		"lars policy get", "lars policy get 1 1 --json")
	if values, _ := splitArguments(args, 2); len(values) > 0 {
		var err error
		if _, args, err = c.policyModule(args, 2); err != nil {
			return err
		}
	}
	return c.run(ctx, stdout, args, nothingToCheck, func(st store.Store) error {
		var of []store.Module
		if c.module != nil {
			of = append(of, *c.module)
		}
		found, err := st.Policies(ctx, of...)
		if err != nil {
			return err
		}
		if c.json {
			return policiesAsJSON(stdout, found)
		}
		return policiesAsText(stdout, found)
	})
}

func policiesAsJSON(stdout io.Writer, found []store.Policy) error {
	all := make([]policyJSON, 0, len(found))
	for _, p := range found {
		j := policyJSON{p.Module.ModID, p.Module.CmdID, p.Settings, p.Version, problem(p), []hostPolicyJSON{}}
		for _, h := range p.Hosts {
			j.Hosts = append(j.Hosts, hostPolicyJSON{h.Host.String(), max(h.Weight, 1), h.Zone, h.Draining})
		}
		all = append(all, j)
	}
	return json.NewEncoder(stdout).Encode(all)
}

func policiesAsText(stdout io.Writer, found []store.Policy) error {
	for _, p := range found {
		if p.Settings != "" {
			fmt.Fprintf(stdout, "%v  %s  (version %d)\n", p.Module, p.Settings, p.Version)
		}
		if text := problem(p); text != "" {
			fmt.Fprintf(stdout, "%v  NOT IN FORCE: %s\n", p.Module, text)
		}
		for _, h := range p.Hosts {
			fmt.Fprintf(stdout, "%v  %v  weight=%d zone=%d draining=%v\n", p.Module, h.Host, max(h.Weight, 1), h.Zone, h.Draining)
		}
	}
	if len(found) == 0 {
		fmt.Fprintln(stdout, "nothing is set: modules are balanced as their agents please (--balance)")
	}
	return nil
}

// problem says why settings, an edit by other hands, are not in force.
func problem(p store.Policy) string {
	if _, _, err := store.ParseSettings(p.Settings); err != nil {
		return err.Error()
	}
	return ""
}

func policyList(_ context.Context, stdout, _ io.Writer, args []string) error {
	f := cli.NewFlags("lars policy list", "[--json]", "Shows the algorithms and all that can be set, with defaults.", "lars policy list")
	asJSON := f.Bool("json", false, "print JSON")
	if done, err := f.Parse(stdout, args); done || err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(stdout).Encode(struct {
			Algorithms []balance.Algorithm `json:"algorithms"`
			Knobs      []balance.Knob      `json:"knobs"`
		}{balance.Algorithms(), balance.Knobs()})
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ALGORITHM\tWHAT IT DOES")
	for _, a := range balance.Algorithms() {
		fmt.Fprintf(w, "%s\t%s\n", a.Name, a.Summary)
	}
	fmt.Fprintln(w, "\nSETTING\tALLOWED\tDEFAULT\tMEANING")
	for _, k := range balance.Knobs() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.Name, k.Allowed, orDash(k.Default), strings.TrimSpace(k.Doc))
	}
	return w.Flush()
}
