// Command lars is the performance lab and the scheduling system in one binary.
// This file is its table of subcommands; each one lives in the package that its
// row names.
package main

import (
	"os"

	"lars/backends"
	bench "lars/bench/cli"
	"lars/bench/server"
	"lars/internal/cli"
	sim "lars/simulator/cli"
	system "lars/system/cli"
)

func main() {
	os.Exit(cli.Main(commands().Run, os.Stdout, os.Stderr, os.Args[1:]))
}

func commands() cli.Table {
	return cli.Table{
		Name:    "lars",
		Summary: "lars: a service-scheduling system, network reactors with interchangeable backends, and a lab that measures them.",
		Commands: []cli.Command{
			{Name: "up", Summary: "run the whole scheduling system on this machine", Run: system.Up(backends.Open, backends.Names())},
			{Name: "dns", Summary: "run the service that knows all routes", Run: system.DNS(backends.Open, backends.Names())},
			{Name: "reporter", Summary: "run the service that keeps call statistics", Run: system.Reporter(backends.Open, backends.Names())},
			{Name: "agent", Summary: "run the service that tells callers whom to call", Run: system.Agent(backends.Open, backends.Names())},
			{Name: "gethost", Summary: "ask the agent for a host of a module", Run: system.GetHost},
			{Name: "getroute", Summary: "list the hosts of a module that the agent knows", Run: system.GetRoute},
			{Name: "report", Summary: "tell the agent how a call went", Run: system.Report},
			{Name: "register", Summary: "make the agent learn a module", Run: system.Register},
			{Name: "qps", Summary: "callers in a loop: get_host, then report", Run: system.QPS},
			{Name: "route", Summary: "show and change the routes in the store", Run: system.Route().Run},
			{Name: "policy", Summary: "show and change how modules are balanced", Run: system.Policy().Run},
			{Name: "hosts", Summary: "show what the agent knows of a module's hosts", Run: system.HostStates},
			{Name: "calls", Summary: "show the calls that agents reported, and their history", Run: system.Calls},
			{Name: "stats", Summary: "show the counters of a running dns, reporter or agent", Run: system.Stats},
			{Name: "sim", Summary: "run the system under faults, live or in virtual time; or the original's simulator", Run: sim.Sim(system.Simulator, sim.Backends{Open: backends.Open, Names: backends.Names()})},
			{Name: "config", Summary: "check configuration files", Run: system.Config().Run},
			{Name: "bench", Summary: "measure one server, or compare all backends", Run: bench.Commands(measurable()).Run},
			{Name: "serve", Summary: "run a server on a backend", Run: server.Commands(backends.Open, backends.Names()).Run},
			{Name: "backends", Summary: "list the backends and what each can do", Run: listBackends},
			{Name: "version", Summary: "print version, commit and modules of this binary", Run: cli.Version},
		},
		Examples: []string{
			"lars up --backend epoll",
			"lars gethost 1 1",
			"lars backends",
			"lars bench run --backend epoll",
			"lars bench all",
			"lars sim virtual --plan slow-host",
			"lars serve echo --backend std --listen 127.0.0.1:7777",
		},
	}
}
