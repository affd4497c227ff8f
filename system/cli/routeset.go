package cli

import (
	"context"
	"io"

	"lars/system/store"
)

func routeSet(ctx context.Context, stdout, _ io.Writer, args []string) error {
	c := newRouteCommand("set", "--module MODID,CMDID --host IP:PORT [--weight N] [--zone N] [--drain on|off]",
		"Sets weight, zone or draining of hosts of a module; what is not named stays. A host that drains gets no new calls.",
		"lars route set --module 1,1 --host 10.0.0.1:80 --weight 3", "lars route set --module 1,1 --host 10.0.0.1:80,10.0.0.2:80 --drain on")
	c.moduleFlag()
	c.hostFlag()
	c.actorFlag()
	weight := c.flags.Int("weight", -1, "share of the calls, relative to other hosts: a `number` from 1 to 10000")
	zone := c.flags.Int("zone", -1, "`number` of the zone that the hosts are in, up to 65535; 0: not known")
	drain := c.flags.String("drain", "", "`on` or off")
	var tune store.Tune
	check := func() error {
		if c.module == nil || len(c.hosts) == 0 || *weight == -1 && *zone == -1 && *drain == "" {
			return c.flags.Errorf("want --module and --host, and of --weight, --zone and --drain at least one")
		}
		if *weight != -1 {
			if *weight < 1 || *weight > store.WeightMax {
				return c.flags.Errorf("--weight %d: allowed are 1 to %d", *weight, store.WeightMax)
			}
			w := uint32(*weight)
			tune.Weight = &w
		}
		if *zone != -1 {
			if *zone < 0 || *zone > 65535 {
				return c.flags.Errorf("--zone %d: allowed are 0 to 65535", *zone)
			}
			z := uint16(*zone)
			tune.Zone = &z
		}
		if on := *drain == "on"; on || *drain == "off" {
			tune.Draining = &on
		} else if *drain != "" {
			return c.flags.Errorf("--drain %q: allowed are on and off", *drain)
		}
		return nil
	}
	return c.run(ctx, stdout, args, check, func(st store.Store) error {
		return c.tuned(ctx, stdout, st, store.ModuleEdit{Module: *c.module, Op: store.OpTune, Hosts: c.hosts, Tune: tune})
	})
}
