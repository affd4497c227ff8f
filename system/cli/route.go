package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"lars/internal/cli"
	"lars/reactor/conf"
	"lars/system/store"
)

// Route is the command "lars route": what is in the store, and its edits.
func Route() cli.Table {
	return cli.Table{
		Name:    "lars route",
		Summary: "Routes in the store. Every change is one new version; agents have it within a second or so.",
		Commands: []cli.Command{
			{Name: "add", Summary: "add hosts to a module", Run: routeAdd},
			{Name: "remove", Summary: "remove hosts from a module, or the whole module", Run: routeRemove},
			{Name: "set", Summary: "set weight, zone or draining of hosts", Run: routeSet},
			{Name: "list", Summary: "show the routes", Run: routeList},
			{Name: "log", Summary: "show who changed what, and when", Run: routeLog},
			{Name: "import", Summary: "add the routes of a CSV or JSON file, and how they are balanced", Run: routeImport},
			{Name: "export", Summary: "write the routes, and how they are balanced, as CSV or JSON", Run: routeExport},
			{Name: "upgrade", Summary: "bring the tables of a store up to date", Run: routeUpgrade},
		},
		Examples: []string{
			"lars route add --module 1,1 --host 192.168.1.177:7777",
			"lars route list", "lars route export --output routes.csv",
		},
	}
}

// routeCommand is what the subcommands have in common.
type routeCommand struct {
	flags  *cli.Flags
	keys   conf.Set
	store  StoreOptions
	config string
	json   bool
	actor  string
	writes bool
	module *store.Module
	hosts  []store.Host
}

func newRouteCommand(verb, synopsis, summary string, examples ...string) *routeCommand {
	return newStoreCommand("lars route "+verb, synopsis, summary, examples...)
}

func newStoreCommand(name, synopsis, summary string, examples ...string) *routeCommand {
	c := &routeCommand{flags: cli.NewFlags(name, synopsis+" [--store STORE]", summary, examples...)}
	c.flags.StringVar(&c.config, "config", "", "configuration `file` that names the store, such as lars_dns.conf")
	c.flags.BoolVar(&c.json, "json", false, "print JSON")
	c.keys.Ignore("reactor", "dns", "repoter", "reporter")
	c.store.Keys(&c.keys)
	c.keys.Flags(c.flags.FlagSet)
	return c
}

func (c *routeCommand) moduleFlag() {
	c.flags.Func("module", "`modid,cmdid`", func(text string) error {
		m, err := parseModule(text)
		c.module = &m
		return err
	})
}

func (c *routeCommand) hostFlag() {
	c.flags.Func("host", "`ip:port`; several with commas, or the flag again", func(text string) error {
		for part := range strings.SplitSeq(text, ",") {
			h, err := store.ParseHost(strings.TrimSpace(part))
			if err != nil {
				return err
			}
			if !slices.Contains(c.hosts, h) {
				c.hosts = append(c.hosts, h)
			}
		}
		return nil
	})
}

// actorFlag is for commands that change something.
func (c *routeCommand) actorFlag() {
	c.writes = true
	c.flags.StringVar(&c.actor, "actor", defaultActor(), "`name` of who makes the change, for the log")
}

func parseModule(text string) (m store.Module, err error) {
	modid, cmdid, ok := strings.Cut(text, ",")
	a, err1 := strconv.ParseInt(strings.TrimSpace(modid), 10, 32)
	b, err2 := strconv.ParseInt(strings.TrimSpace(cmdid), 10, 32)
	if !ok || err1 != nil || err2 != nil || a < 0 || b < 0 {
		return m, fmt.Errorf("module %q: want modid,cmdid, such as 1,1", text)
	}
	return store.Module{ModID: int32(a), CmdID: int32(b)}, nil
}

// defaultActor is user@host.
func defaultActor() string {
	user := os.Getenv("USER")
	if user == "" {
		user = "uid " + strconv.Itoa(os.Getuid())
	}
	host, err := os.Hostname()
	if err != nil {
		return user
	}
	return user + "@" + host
}

// run parses, opens the store, and works on it.
func (c *routeCommand) run(ctx context.Context, stdout io.Writer, args []string, check func() error, work func(st store.Store) error) error {
	if done, err := parseWithFile(c.flags, &c.keys, &c.config, stdout, args); done || err != nil {
		return err
	}
	if err := check(); err != nil {
		return err
	}
	if !c.writes {
		if err := c.store.exists(); err != nil {
			return c.flags.Errorf("%v", err)
		}
	}
	st, _, err := c.store.Open()
	if err != nil {
		return c.flags.Errorf("%v", err)
	}
	defer st.Close()
	if !c.writes {
		return ofSchema(work(st))
	}
	if err := st.Migrate(ctx); err != nil {
		return err
	}
	return work(st)
}

// ofSchema says what to do about tables that reading has found unusable, and has
// left as they are.
func ofSchema(err error) error {
	if errors.Is(err, store.ErrSchema) {
		return fmt.Errorf("%w\nPerhaps the database is of the original, of an older release, or empty: 'lars route upgrade' brings its tables up to date, in place and without loss, and so does whatever changes something. Reading does not", err)
	}
	return err
}

func nothingToCheck() error { return nil }

func routeAdd(ctx context.Context, stdout, _ io.Writer, args []string) error {
	c := newRouteCommand("add", "--module MODID,CMDID --host IP:PORT", "Adds hosts to a module, all or none. One that is there already is an error.",
		"lars route add --module 1,1 --host 192.168.1.177:7777", "lars route add --module 1,1 --host 10.0.0.1:80,10.0.0.2:80 --json")
	c.moduleFlag()
	c.hostFlag()
	c.actorFlag()
	check := func() error {
		if c.module == nil || len(c.hosts) == 0 {
			return c.flags.Errorf("want --module and --host")
		}
		return nil
	}
	return c.run(ctx, stdout, args, check, func(st store.Store) error {
		return c.edit(ctx, stdout, st, store.ModuleEdit{Module: *c.module, Op: store.OpAdd, Hosts: c.hosts})
	})
}

func routeRemove(ctx context.Context, stdout, _ io.Writer, args []string) error {
	c := newRouteCommand("remove", "--module MODID,CMDID (--host IP:PORT | --all)", "Removes hosts from a module, all or none. One that is not there is an error.",
		"lars route remove --module 1,1 --host 192.168.1.177:7777", "lars route remove --module 1,1 --all")
	c.moduleFlag()
	c.hostFlag()
	c.actorFlag()
	all := c.flags.Bool("all", false, "every host of the module")
	check := func() error {
		if c.module == nil || (len(c.hosts) > 0) == *all {
			return c.flags.Errorf("want --module, and either --host or --all")
		}
		return nil
	}
	return c.run(ctx, stdout, args, check, func(st store.Store) error {
		e := store.ModuleEdit{Module: *c.module, Op: store.OpRemove, Hosts: c.hosts}
		if *all {
			e.Op = store.OpReplace
		}
		return c.edit(ctx, stdout, st, e)
	})
}

func (c *routeCommand) edit(ctx context.Context, stdout io.Writer, st store.Store, e store.ModuleEdit) error {
	done, err := st.Edit(ctx, store.Edit{Actor: c.actor, Modules: []store.ModuleEdit{e}})
	if err != nil {
		return err
	}
	return c.changed(stdout, done.Version, done.Added, done.Removed, done.Tuned)
}

// changed prints the outcome of an edit.
func (c *routeCommand) changed(stdout io.Writer, version int64, added, removed, tuned int) error {
	if c.json {
		return json.NewEncoder(stdout).Encode(struct {
			Version int64 `json:"version"`
			Added   int   `json:"added"`
			Removed int   `json:"removed"`
			Changed int   `json:"changed,omitempty"`
		}{version, added, removed, tuned})
	}
	changed := ""
	if tuned > 0 {
		changed = fmt.Sprintf(", %d changed", tuned)
	}
	_, err := fmt.Fprintf(stdout, "version %d: %d added, %d removed%s\n", version, added, removed, changed)
	return err
}

func routeList(ctx context.Context, stdout, _ io.Writer, args []string) error {
	c := newRouteCommand("list", "[--module MODID,CMDID]", "Shows the routes, one host on a line.", "lars route list", "lars route list --module 1,1 --json")
	c.moduleFlag()
	return c.run(ctx, stdout, args, nothingToCheck, func(st store.Store) error {
		format := "text"
		if c.json {
			format = "json"
		}
		return c.write(ctx, st, format, stdout, nil)
	})
}

// write writes the hosts of one module or of all; before them settings of modules,
// as far as settings, if not nil, has a text for them.
func (c *routeCommand) write(ctx context.Context, st store.Store, format string, out io.Writer, settings func(store.Policy) string) error {
	w, err := newRouteWriter(format, out)
	if err != nil {
		return c.flags.Errorf("%v", err)
	}
	var of []store.Module
	if c.module != nil {
		of = append(of, *c.module)
	}
	policies, err := st.Policies(ctx, of...)
	if err != nil && !errors.Is(err, store.ErrSchema) { // the original's has routes, and says nothing more
		return err
	}
	said := map[store.Route]store.HostPolicy{}
	for _, p := range policies {
		for _, h := range p.Hosts {
			said[store.Route{Module: p.Module, Host: h.Host}] = h
		}
		if settings == nil {
			continue
		}
		if text := settings(p); text != "" {
			if err := w.line(settingsLine(p.Module, text)); err != nil {
				return err
			}
		}
	}
	host := func(r store.Route) error {
		h := said[r]
		h.Host = r.Host
		return w.line(hostLine(r.Module, h))
	}
	if err := c.eachRoute(ctx, st, host); err != nil {
		return err
	}
	return w.end()
}

// eachRoute gives the routes of the module, or all.
func (c *routeCommand) eachRoute(ctx context.Context, st store.Store, f func(store.Route) error) error {
	if c.module == nil {
		_, err := st.Load(ctx, f)
		return err
	}
	hosts, err := st.Hosts(ctx, *c.module)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if err := f(store.Route{Module: *c.module, Host: h}); err != nil {
			return err
		}
	}
	return nil
}

func routeUpgrade(ctx context.Context, stdout, _ io.Writer, args []string) error {
	c := newRouteCommand("upgrade", "", "Brings the tables of a store up to date, in place and without loss: a new one, one of an older release, or of the original.\nThe first change does so, too, and so do 'lars dns' and 'lars reporter'. Take a dump of a database in production before.",
		"lars route upgrade --store 'mysql://lars@db:3306/lars_dns?password_file=/etc/lars/db_password'")
	c.writes = true
	return c.run(ctx, stdout, args, nothingToCheck, func(st store.Store) error {
		version, err := st.Version(ctx)
		switch {
		case err != nil:
			return err
		case c.json:
			return json.NewEncoder(stdout).Encode(map[string]int64{"version": version})
		}
		_, err = fmt.Fprintf(stdout, "the tables are up to date; the routes are of version %d\n", version)
		return err
	})
}
