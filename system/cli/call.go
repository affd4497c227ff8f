package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"lars/internal/cli"
	"lars/system/lars"
	"lars/system/route"
	"lars/system/wire"
)

// exitAgent, with the original's return code added, is the exit code of a
// command whose call to the agent failed: 11 overload, 12 system error or
// time-out, 13 not exist.
const exitAgent = 10

// exitCodes tells so in the commands' help.
const exitCodes = "\nExit codes: 0 success, 2 usage, 11 all hosts overloaded, 12 no answer from the agent, 13 no host known."

// apiCommand is what the commands that call the agent have in common.
type apiCommand struct {
	flags   *cli.Flags
	agent   string
	timeout time.Duration
	json    bool
}

func newAPI(name, arguments, summary string, examples ...string) *apiCommand {
	a := &apiCommand{flags: cli.NewFlags(name, arguments+" [flags]", summary+exitCodes, examples...)}
	a.flags.StringVar(&a.agent, "agent", fmt.Sprintf("127.0.0.1:%d", wire.AgentPort),
		"`address` of the agent's first port, the two others following; or all three, separated by commas")
	a.flags.DurationVar(&a.timeout, "timeout", time.Second, "`time` that the call may take")
	return a
}

// jsonFlag is for commands that print one thing.
func (a *apiCommand) jsonFlag() { a.flags.BoolVar(&a.json, "json", false, "print JSON") }

// print writes text, or v as JSON.
func (a *apiCommand) print(stdout io.Writer, v any, text string) error {
	if a.json {
		return json.NewEncoder(stdout).Encode(v)
	}
	_, err := io.WriteString(stdout, text)
	return err
}

// moduleJSON is the module that an answer in JSON is about.
type moduleJSON struct {
	ModID int32 `json:"modid"`
	CmdID int32 `json:"cmdid"`
}

// parse reads flags and exactly n arguments, which stand before the flags or
// behind them.
func (a *apiCommand) parse(stdout io.Writer, args []string, n int) (values []string, done bool, err error) {
	values, flags := splitArguments(args, n)
	if done, err = a.flags.Parse(stdout, flags); done || err != nil {
		return nil, done, err
	}
	if len(values) != n {
		return nil, false, a.flags.Errorf("%d arguments: want %d", len(values), n)
	}
	return values, false, nil
}

// splitArguments separates n arguments from flags.
func splitArguments(args []string, n int) (values, flags []string) {
	values, flags = leadingArguments(args)
	if len(values) > 0 || len(args) <= n {
		return values, flags
	}
	last := args[len(args)-n:]
	if v, rest := leadingArguments(last); len(rest) == 0 {
		return v, args[:len(args)-n]
	}
	return nil, args
}

// leadingArguments are those before the first flag. A negative number is none.
func leadingArguments(args []string) (values, flags []string) {
	n := 0
	for n < len(args) {
		if _, err := strconv.Atoi(args[n]); err != nil && strings.HasPrefix(args[n], "-") {
			break
		}
		n++
	}
	return args[:n:n], args[n:]
}

// client opens a client of the agent that --agent names.
func (a *apiCommand) client() (*lars.Client, error) {
	addrs, err := agentAddrs(a.agent)
	if err != nil {
		return nil, a.flags.Errorf("%v", err)
	}
	c, err := lars.New(lars.Config{Addrs: addrs})
	if err != nil {
		return nil, a.flags.Errorf("%v", err)
	}
	return c, nil
}

// agentAddrs reads one address, which stands for three ports in a row, or all
// three.
func agentAddrs(text string) ([]string, error) {
	addrs := strings.Split(text, ",")
	if len(addrs) == wire.AgentPorts {
		return addrs, nil
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil || at.Port() == 0 || at.Port() > 65535-wire.AgentPorts+1 {
		return nil, fmt.Errorf("agent %q: want ip:port, such as 127.0.0.1:8888, or three of them", text)
	}
	addrs = addrs[:0]
	for i := range uint16(wire.AgentPorts) {
		addrs = append(addrs, netip.AddrPortFrom(at.Addr(), at.Port()+i).String())
	}
	return addrs, nil
}

// module reads two ids.
func (a *apiCommand) module(modid, cmdid string) (m lars.Module, err error) {
	ids := [2]int64{}
	for i, text := range []string{modid, cmdid} {
		if ids[i], err = strconv.ParseInt(text, 10, 32); err != nil {
			return m, a.flags.Errorf("%q is not a module id: want a whole number from 0 to 2147483647", text)
		}
	}
	if m, err = route.MakeModule(ids[0], ids[1]); err != nil {
		return m, a.flags.Errorf("%v", err)
	}
	return m, nil
}

// run opens a client, registers the module as the original's tools do, and
// calls f.
func (a *apiCommand) run(ctx context.Context, m lars.Module, f func(context.Context, *lars.Client) error) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	if err := c.Register(ctx, m); err != nil {
		return agentError(fmt.Errorf("modid %d, cmdid %d: register: %w", m.ModID, m.CmdID, err))
	}
	return agentError(f(ctx, c))
}

// agentError gives an error of the client its exit code, and what a person can
// do about it.
func agentError(err error) error {
	code := exitAgent + lars.Retcode(err)
	switch {
	case errors.Is(err, lars.ErrSystem), errors.Is(err, lars.ErrTimeout):
		err = fmt.Errorf("%w\nPerhaps no agent runs there: 'lars up' starts the whole system, 'lars agent' an agent", err)
	case errors.Is(err, lars.ErrNotExist):
		err = fmt.Errorf("%w\nIf it should have hosts: 'lars route list' shows what is stored, 'lars route add' adds to it", err)
	}
	return cli.Exit(code, err)
}
