package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"lars/internal/cli"
	"lars/reactor/conf"
	"lars/system/agent"
)

// A Program has a configuration file.
type Program struct {
	Name string // as in "lars NAME"
	File string // what the original calls the file
	Keys func() *conf.Set
}

// AgentProgram is lars agent, for "lars config check".
func AgentProgram() Program {
	return Program{Name: "agent", File: "lars_lb_agent.conf", Keys: func() *conf.Set {
		var c agent.Config
		return c.Keys()
	}}
}

// withStore adds the keys of a store to those of a program.
func withStore(keys *conf.Set) *conf.Set {
	var o StoreOptions
	o.Keys(keys)
	return keys
}

// Config is the command "lars config".
func Config() cli.Table {
	return cli.Table{
		Name:     "lars config",
		Summary:  "Configuration files.",
		Commands: []cli.Command{{Name: "check", Summary: "validate a file and print what is in force", Run: configCheck}},
		Examples: []string{"lars config check lars_dns.conf", "lars config check agent-1.conf --as agent"},
	}
}

func configCheck(_ context.Context, stdout, _ io.Writer, args []string) error {
	programs := []Program{DNSProgram(), ReporterProgram(), AgentProgram()}
	var as string
	f := cli.NewFlags("lars config check", "FILE [--as PROGRAM]",
		"Validates a configuration file and prints every key with its value and where that comes from.",
		"lars config check lars_dns.conf", "lars config check agent-1.conf --as agent")
	f.StringVar(&as, "as", "", "`program` that the file is for: "+strings.Join(names(programs), ", ")+"; by the file's name if that tells")
	file := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		file, args = args[0], args[1:]
	}
	if done, err := f.Parse(stdout, args); done || err != nil {
		return err
	}
	if file == "" {
		return f.Errorf("which file?")
	}
	p, ok := program(programs, as, file)
	if !ok {
		return f.Errorf("%s: which program is it for? Say --as %s", file, strings.Join(names(programs), ", --as "))
	}
	keys := p.Keys()
	if err := keys.Load(file); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "; %s is valid for lars %s. In force is, unless a flag says otherwise:\n", file, p.Name)
	keys.Print(stdout)
	return nil
}

func names(programs []Program) (all []string) {
	for _, p := range programs {
		all = append(all, p.Name)
	}
	return all
}

// program finds out whose file it is: as says it, or the file's name, or a
// program's name in that.
func program(programs []Program, as, file string) (Program, bool) {
	base := filepath.Base(file)
	tests := []func(Program) bool{
		func(p Program) bool { return p.Name == as },
		func(p Program) bool { return as == "" && p.File == base },
		func(p Program) bool { return as == "" && strings.Contains(base, p.Name) },
	}
	for _, is := range tests {
		if i := slices.IndexFunc(programs, is); i >= 0 {
			return programs[i], true
		}
	}
	return Program{}, false
}
