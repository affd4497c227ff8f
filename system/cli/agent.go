package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"lars/internal/cli"
	"lars/reactor"
	"lars/reactor/driver"
	"lars/system/agent"
)

// Agent is the command "lars agent". open finds a backend by one of the names.
func Agent(open func(name string) (driver.Driver, error), names []string) cli.Func {
	return func(ctx context.Context, stdout, stderr io.Writer, args []string) error {
		c, backend, done, err := agentOptions(stdout, args, names)
		if done || err != nil {
			return err
		}
		c.Log = newLog(stderr)
		d, err := open(backend)
		if err != nil {
			return cli.Usagef("lars agent: %v", err)
		}
		return runAgent(ctx, stdout, d, c)
	}
}

func agentOptions(stdout io.Writer, args, backends []string) (c agent.Config, backend string, done bool, err error) {
	keys := c.Keys()
	f := cli.NewFlags("lars agent", "[--backend NAME] [--config FILE]",
		"Tells the programs on this host which host of a module to call next.",
		"lars agent", "lars agent --config lars_lb_agent.conf",
		"lars agent --backend std --dns 10.0.0.1:7778,10.0.0.2:7778 --reporter 10.0.0.1:7779 --routes-file /var/lib/lars/agent.routes")
	var file string
	f.StringVar(&backend, "backend", "epoll", "`name` of the backend: "+strings.Join(backends, ", "))
	f.StringVar(&file, "config", "", "configuration `file`, in the original's form")
	keys.Flags(f.FlagSet)
	done, err = parseWithFile(f, keys, &file, stdout, args)
	return c, backend, done, err
}

// runAgent runs an agent until ctx ends.
func runAgent(ctx context.Context, stdout io.Writer, d driver.Driver, c agent.Config) error {
	r, err := reactor.Open(d, reactor.Config{Loops: c.Threads})
	if err != nil {
		return err
	}
	defer r.Close()
	s, err := agent.Start(r, c)
	if err != nil {
		return cli.Exit(cli.ExitUsage, err)
	}
	fmt.Fprintf(stdout, "lars agent: listening on %v, backend %s, %d loops, dns %v, reporter %v, balance %s\n",
		s.Addrs(), r.Backend(), c.Threads, c.DNS, c.Reporter, cmp.Or(c.Balance, "by default"))
	<-ctx.Done()
	stop, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	err = s.Close(stop)
	if line, jerr := json.Marshal(s.Stats()); jerr == nil {
		fmt.Fprintf(stdout, "lars agent: stopped %s\n", line)
	}
	return err
}
