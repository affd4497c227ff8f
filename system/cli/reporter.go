package cli

import (
	"context"
	"io"

	"lars/internal/cli"
	"lars/reactor"
	"lars/reactor/conf"
	"lars/reactor/driver"
	"lars/system/reporter"
	"lars/system/store"
)

// Reporter is the command "lars reporter". open finds a backend by one of the
// names.
func Reporter(open func(name string) (driver.Driver, error), names []string) cli.Func {
	return func(ctx context.Context, stdout, stderr io.Writer, args []string) error {
		var c reporter.Config
		d := newDaemon("lars reporter", "Takes the agents' call statistics and keeps them in the store.", c.Keys(), names,
			"lars reporter", "lars reporter --config lars_reporter.conf",
			"lars reporter --backend std --port 0 --store sqlite:/var/lib/lars/lars.db",
			"lars reporter --writers 8 --store 'mysql://lars@db:3306/lars_dns?password_file=/etc/lars/db_password'")
		if done, err := d.parse(stdout, args); done || err != nil {
			return err
		}
		c.Log = newLog(stderr)
		return d.run(ctx, stdout, open, c.Reactor(), func(r *reactor.Reactor, st store.Store) (storeService, func() any, error) {
			s, err := reporter.Start(r, c, st)
			return s, func() any { return s.Stats() }, err
		})
	}
}

// ReporterProgram is lars reporter, for "lars config check".
func ReporterProgram() Program {
	return Program{Name: "reporter", File: "lars_reporter.conf", Keys: func() *conf.Set {
		var c reporter.Config
		return withStore(c.Keys())
	}}
}
