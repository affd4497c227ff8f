package cli

import (
	"context"
	"io"

	"lars/internal/cli"
	"lars/reactor"
	"lars/reactor/conf"
	"lars/reactor/driver"
	"lars/system/dns"
	"lars/system/store"
)

// DNS is the command "lars dns". open finds a backend by one of the names.
func DNS(open func(name string) (driver.Driver, error), names []string) cli.Func {
	return func(ctx context.Context, stdout, stderr io.Writer, args []string) error {
		var c dns.Config
		d := newDaemon("lars dns", "Answers the agents' requests for routes, and tells them when a route changes.", c.Keys(), names,
			"lars dns", "lars dns --config lars_dns.conf",
			"lars dns --backend std --port 0 --store sqlite:/var/lib/lars/lars.db",
			"lars dns --store 'mysql://lars@db:3306/lars_dns?password_file=/etc/lars/db_password'")
		if done, err := d.parse(stdout, args); done || err != nil {
			return err
		}
		c.Log = newLog(stderr)
		return d.run(ctx, stdout, open, reactor.Config{Loops: c.Threads}, func(r *reactor.Reactor, st store.Store) (storeService, func() any, error) {
			s, err := dns.Start(r, c, st)
			return s, func() any { return s.Stats() }, err
		})
	}
}

// DNSProgram is lars dns, for "lars config check".
func DNSProgram() Program {
	return Program{Name: "dns", File: "lars_dns.conf", Keys: func() *conf.Set {
		var c dns.Config
		return withStore(c.Keys())
	}}
}
