package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"lars/system/lars"
)

// Simulator is "lars sim MODID CMDID [ERRRATE] [QUERIES]", the original's: it
// asks a running agent for hosts and reports calls that fail by chance.
func Simulator(ctx context.Context, stdout, _ io.Writer, args []string) error {
	a := newAPI("lars sim", "MODID CMDID [ERRRATE] [QUERIES]",
		"Asks the agent for hosts and reports calls of which ERRRATE in 10 fail by chance, as the original's simulator: it calls nobody.",
		"lars sim 1 1", "lars sim 1 1 2 100", "lars sim 1 1 10 1000 --pause 1ms")
	s := simulator{api: a}
	a.flags.DurationVar(&s.pause, "pause", 6*time.Millisecond, "`time` between two calls")
	a.flags.Uint64Var(&s.seed, "seed", 1, "`number` that chance begins with")
	values, flags := leadingArguments(args)
	if done, err := a.flags.Parse(stdout, flags); done || err != nil {
		return err
	}
	m, err := s.parse(values)
	if err != nil {
		return err
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := s.register(ctx, c, m); err != nil {
		return agentError(fmt.Errorf("modid %d, cmdid %d: register: %w", m.ModID, m.CmdID, err))
	}
	return agentError(s.run(ctx, stdout, c, m))
}

type simulator struct {
	api     *apiCommand
	errRate int // of 10
	queries int
	pause   time.Duration
	seed    uint64
}

func (s *simulator) parse(values []string) (m lars.Module, err error) {
	if len(values) < 2 || len(values) > 4 {
		return m, s.api.flags.Errorf("%d arguments: want MODID CMDID, and perhaps ERRRATE and QUERIES", len(values))
	}
	if m, err = s.api.module(values[0], values[1]); err != nil {
		return m, err
	}
	s.errRate, s.queries = 2, 100
	for i, to := range []*int{&s.errRate, &s.queries}[:len(values)-2] {
		most := []int{10, 1_000_000_000}[i]
		n, err := strconv.Atoi(values[2+i])
		if err != nil || n < 0 || n > most {
			return m, s.api.flags.Errorf("%q is not %s: want a whole number from 0 to %d", values[2+i], []string{"ERRRATE", "QUERIES"}[i], most)
		}
		*to = n
	}
	return m, nil
}

func (s *simulator) register(ctx context.Context, c *lars.Client, m lars.Module) error {
	ctx, cancel := context.WithTimeout(ctx, s.api.timeout)
	defer cancel()
	return c.Register(ctx, m)
}

// calls of one host.
type calls struct{ succ, err int }

// run calls until it has called often enough, or ctx ends, and sums up. A
// module without a host, or one whose hosts are all overloaded, is a line of
// output; no answer ends it.
func (s *simulator) run(ctx context.Context, stdout io.Writer, c *lars.Client, m lars.Module) error {
	random := rand.New(rand.NewPCG(s.seed, 0))
	hosts := map[netip.AddrPort]calls{}
	defer func() {
		for _, addr := range slices.SortedFunc(maps.Keys(hosts), netip.AddrPort.Compare) {
			fmt.Fprintf(stdout, "ip : %v: success: %d; error: %d\n", addr, hosts[addr].succ, hosts[addr].err)
		}
	}()
	for range s.queries {
		addr, err := c.GetHost(ctx, m)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, lars.ErrNotExist):
			fmt.Fprintf(stdout, "%d,%d not exist\n", m.ModID, m.CmdID)
		case errors.Is(err, lars.ErrOverload):
			fmt.Fprintf(stdout, "%d,%d all hosts were overloaded!!!\n", m.ModID, m.CmdID)
		case err != nil:
			return err
		default:
			n, retcode, word := hosts[addr], int32(0), "SUCCESS."
			if n.succ++; random.IntN(10) < s.errRate {
				n.succ, n.err, retcode, word = n.succ-1, n.err+1, 1, "ERROR!!!"
			}
			hosts[addr] = n
			fmt.Fprintf(stdout, "host %v called  %s\n", addr, word)
			if err := c.Report(ctx, m, addr, retcode); err != nil && ctx.Err() == nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(s.pause):
		}
	}
	return nil
}
