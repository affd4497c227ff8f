package cli

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"lars/internal/cli"
	"lars/simulator/virtual"
)

// soak runs seed after seed, some at once, each in a world of its own.
func soak(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	var s soaking
	f := cli.NewFlags("lars sim soak", "[flags]",
		"Runs the plan chaos with one seed after the other until the time is over or a promise is broken; then it prints the command\nthat shows it again. Exit code 1: a promise was broken.",
		"lars sim soak --for 1h", "lars sim soak --for 10m --first 100000", "lars sim soak --each 10m")
	f.DurationVar(&s.long, "for", time.Hour, "`time` to go on, by the clock on the wall")
	f.Uint64Var(&s.next, "first", 1, "`seed` to begin with")
	f.DurationVar(&s.each, "each", 0, "virtual `time` of each run; 0 is short")
	f.IntVar(&s.parallel, "parallel", runtime.NumCPU(), "`number` of runs at once")
	if done, err := f.Parse(stdout, args); done || err != nil {
		return err
	}
	if s.long <= 0 || s.each < 0 || s.parallel < 1 || s.parallel > 1024 {
		return f.Errorf("--for %v --each %v --parallel %d: want times above 0, and 1 to 1024 runs at once", s.long, s.each, s.parallel)
	}
	return s.run(ctx, stdout, stderr)
}

type soaking struct {
	long, each time.Duration
	parallel   int

	mu      sync.Mutex
	next    uint64 // seed
	runs    int
	virtual time.Duration
	events  uint64
	failed  *virtual.Result // the one of the lowest seed
}

func (s *soaking) run(ctx context.Context, stdout, stderr io.Writer) error {
	began := time.Now()
	life, cancel := context.WithTimeout(ctx, s.long)
	defer cancel()
	var workers sync.WaitGroup
	for range s.parallel {
		workers.Go(func() { s.work(life, cancel) })
	}
	ended := make(chan struct{})
	go func() {
		workers.Wait()
		close(ended)
	}()
	s.watch(stderr, began, ended)
	fmt.Fprintf(stdout, "%d seeds, %v of virtual time in %v, %d events\n", s.runs, s.virtual.Round(time.Second),
		time.Since(began).Round(time.Second), s.events)
	switch {
	case s.failed == nil && s.runs == 0:
		return fmt.Errorf("lars sim soak: no run came to its end in %v, so nothing is known: give a longer --for, or a shorter --each", s.long)
	case s.failed == nil:
		fmt.Fprintln(stdout, "all checks hold")
		return nil
	}
	fmt.Fprintf(stdout, "\nseed %d: ", s.failed.Seed)
	explain(stdout, &options{plan: chaos, seed: s.failed.Seed, long: s.each}, s.failed)
	return cli.Reported(cli.ExitFailed)
}

// watch shows how it goes until it ends.
func (s *soaking) watch(stderr io.Writer, began time.Time, ended <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	terminal := onTerminal(stderr)
	for {
		select {
		case <-ended:
			if terminal {
				fmt.Fprint(stderr, "\r\033[K")
			}
			return
		case <-tick.C:
			if s.mu.Lock(); terminal {
				fmt.Fprintf(stderr, "\r\033[K%v of %v: %d seeds, %v of virtual time", time.Since(began).Round(time.Second), s.long,
					s.runs, s.virtual.Round(time.Minute))
			}
			s.mu.Unlock()
		}
	}
}

// work runs seeds until ctx ends or one fails.
func (s *soaking) work(ctx context.Context, stop func()) {
	for ctx.Err() == nil {
		s.mu.Lock()
		seed := s.next
		s.next++
		s.mu.Unlock()
		r, err := virtual.Run(ctx, virtual.Config{Seed: seed, Plan: virtual.Chaos(seed, s.each), For: s.each})
		s.mu.Lock()
		if err == nil { // otherwise ctx has ended; what the run saw until then counts
			s.runs++
		}
		s.virtual += r.Virtual
		s.events += r.Events
		if r.Failures > 0 {
			if s.failed == nil || seed < s.failed.Seed {
				s.failed = &r
			}
			stop()
		}
		s.mu.Unlock()
	}
}
