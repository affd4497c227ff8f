package selftest

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"lars/bench/hist"
	"lars/bench/load"
	"lars/bench/proc"
	"lars/bench/record"
	"lars/bench/run"
)

// The audits stop a process this long, at this rate, and look for half of it:
// some four hundred requests are due meanwhile.
const (
	stallFor   = 200 * time.Millisecond
	stallFound = stallFor / 2
	auditRate  = 2000
	auditConns = 4
	// A stop is in the figures when this many requests tell of it: a quarter
	// of those that were due.
	slowMin = 100
)

// slower counts the values of r of stallFound and more.
func slower(r *hist.Recorder) (n int64) {
	for b := range r.Buckets {
		if b.Low >= int64(stallFound) {
			n += b.Count
		}
	}
	return n
}

// AuditServer stops the server while requests are due. An honest generator
// shows it in the response time of all of them, and in the service time of the
// few only that were under way (coordinated omission; Tene, "How NOT to measure
// latency").
func AuditServer(ctx context.Context, server []string) (record.Audit, error) {
	a := record.Audit{Name: fmt.Sprintf("server stopped for %v", stallFor)}
	c := load.Config{Conns: auditConns, Depth: 1, Rate: auditRate, Every: stallFor, Duration: 6 * stallFor}
	plan, s, err := startServer(ctx, server, c)
	if err != nil {
		return a, err
	}
	defer s.Stop()
	c.Addr, c.CPUs = s.Addr(), plan.Processors().Generator
	measured := 0
	c.OnInterval = func(*load.Interval) {
		switch measured++; measured {
		case 1:
			_ = syscall.Kill(s.PID(), syscall.SIGSTOP) // a server that is gone fails the run
		case 2:
			_ = syscall.Kill(s.PID(), syscall.SIGCONT)
		}
	}
	defer func() { _ = syscall.Kill(s.PID(), syscall.SIGCONT) }()
	r, err := load.Run(ctx, c)
	if err != nil {
		return a, err
	}
	response, service := slower(r.Response), slower(r.Service)
	a.Passed = response >= slowMin && 5*service <= response
	a.Text = fmt.Sprintf("%d responses of %v or more (p99.9 %v), and %d service times",
		response, stallFound, time.Duration(r.Response.Percentile(99.9, 0.95).Value).Round(time.Millisecond), service)
	return a, nil
}

// AuditGenerator stops a generator, a process of lars, in the middle of its run.
// It must call its own run invalid.
func AuditGenerator(ctx context.Context, lars string, server []string) (record.Audit, error) {
	a := record.Audit{Name: fmt.Sprintf("generator stopped for %v", stallFor)}
	_, s, err := startServer(ctx, server, load.Config{Conns: auditConns, Rate: auditRate, Duration: time.Second})
	if err != nil {
		return a, err
	}
	defer s.Stop()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, lars, "bench", "run", "--addr", s.Addr().String(), "--pid", strconv.Itoa(s.PID()),
		"--conns", strconv.Itoa(auditConns), "--rate", strconv.Itoa(auditRate),
		"--duration", (10 * stallFor).String(), "--warmup", "0s", "--out", "none", "--json")
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return a, err
	}
	err = stopWhenBusy(ctx, cmd.Process.Pid, s.PID())
	// Whatever the child's exit code is, its report says.
	if werr := cmd.Wait(); err == nil && out.Len() == 0 {
		err = fmt.Errorf("the generator failed: %w: %s", werr, errs.String())
	}
	if err != nil {
		return a, err
	}
	got, err := record.Parse(out.Bytes())
	if err != nil {
		return a, err
	}
	a.Passed = got.Status == load.Invalid.String()
	a.Text = fmt.Sprintf("it calls its run %s", got.Status)
	if len(got.Reasons) > 0 {
		a.Text += ": " + got.Reasons[0].Text
	}
	return a, nil
}

// stopWhenBusy stops a generator once the server has work, for stallFor.
func stopWhenBusy(ctx context.Context, generator, server int) error {
	const busy = 10 * time.Millisecond // of CPU: some hundred requests
	before, err := proc.CPUTime(server)
	if err != nil {
		return err
	}
	ticks := time.NewTicker(busy)
	defer ticks.Stop()
	for tries := 0; ; tries++ {
		now, err := proc.CPUTime(server)
		if err != nil || tries > 3000 {
			_ = syscall.Kill(generator, syscall.SIGKILL)
			return fmt.Errorf("the generator loaded nothing: %v", err)
		}
		if now-before > busy {
			break
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := syscall.Kill(generator, syscall.SIGSTOP); err != nil {
		return err
	}
	select {
	case <-time.After(stallFor):
	case <-ctx.Done():
	}
	return syscall.Kill(generator, syscall.SIGCONT)
}

func startServer(ctx context.Context, command []string, c load.Config) (*run.Plan, *run.Started, error) {
	plan, err := run.Prepare(ctx, run.Config{Name: "audit", Targets: []run.Target{{Name: "audit", Command: command}}, Load: c})
	if err != nil {
		return nil, nil, err
	}
	s, err := plan.Start(ctx, 0)
	return plan, s, err
}
