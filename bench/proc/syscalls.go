package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Syscalls are the system calls of a process in a while.
type Syscalls struct {
	Elapsed time.Duration // counted; with strace a little more than that
	Total   uint64
	// ByName holds those of the names asked for that occurred. With perf the
	// rest of Total is of other names; with strace nothing is missing.
	ByName map[string]uint64
	Tool   string // "perf" counts without slowing; "strace" slows a lot
}

// ErrNoCounter says that system calls cannot be counted here, and the remedy.
var ErrNoCounter = errors.New("proc: cannot count system calls: neither perf (with tracefs) nor strace works here; " +
	"install one (apt-get install linux-perf or strace) and run as root, or use the server's own counters")

// CountSyscalls counts the system calls of all threads of a process for d, in a
// phase of its own: perf costs little, strace multiplies the time of each call,
// so take no other figure meanwhile. names are as in the kernel: "read",
// "epoll_wait". It fails with ErrNoCounter where no tool works.
func CountSyscalls(ctx context.Context, pid int, d time.Duration, names ...string) (Syscalls, error) {
	s, perfErr := countPerf(ctx, pid, d, names)
	if perfErr == nil {
		return s, nil
	}
	s, straceErr := countStrace(ctx, pid, d)
	if straceErr == nil {
		return s, nil
	}
	return Syscalls{}, fmt.Errorf("%w: perf: %v; strace: %v", ErrNoCounter, perfErr, straceErr)
}

const (
	perfTotal = "raw_syscalls:sys_enter"
	perfTime  = "duration_time" // ns for which perf counted: its own start is not in it
)

func countPerf(ctx context.Context, pid int, d time.Duration, names []string) (Syscalls, error) {
	events := []string{perfTime, perfTotal}
	for _, name := range names {
		events = append(events, "syscalls:sys_enter_"+name)
	}
	seconds := strconv.FormatFloat(d.Seconds(), 'f', 3, 64)
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "perf", "stat", "-x", ",", "-e", strings.Join(events, ","),
		"-p", strconv.Itoa(pid), "--", "sleep", seconds)
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return Syscalls{}, toolError(err, stderr.Bytes())
	}
	return parsePerf(stderr.String())
}

// parsePerf reads the lines "1234,,syscalls:sys_enter_read,..." of perf stat -x,.
// A tracepoint of a process that never ran is "<not counted>": that is none.
func parsePerf(text string) (Syscalls, error) {
	s := Syscalls{Tool: "perf", ByName: map[string]uint64{}}
	seen := false
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSpace(line), ",")
		if len(f) < 3 {
			continue
		}
		name, isCall := strings.CutPrefix(f[2], "syscalls:sys_enter_")
		if !isCall && f[2] != perfTotal && f[2] != perfTime {
			continue
		}
		n, err := strconv.ParseUint(f[0], 10, 63)
		if err != nil && f[0] != "<not counted>" {
			return s, unavailable(f[2], errors.New(f[0]))
		}
		switch {
		case isCall && n > 0:
			s.ByName[name] = n
		case f[2] == perfTotal:
			s.Total, seen = n, true
		case f[2] == perfTime:
			s.Elapsed = time.Duration(n)
		}
	}
	if !seen || s.Elapsed <= 0 {
		return s, unavailable("perf", errors.New("no figure in its output"))
	}
	return s, nil
}

func countStrace(ctx context.Context, pid int, d time.Duration) (Syscalls, error) {
	path, err := exec.LookPath("strace")
	if err != nil {
		return Syscalls{}, err
	}
	// timeout(1) ends strace as a person would, by SIGINT, so that it detaches
	// and prints its table.
	seconds := strconv.FormatFloat(d.Seconds(), 'f', 3, 64)
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "timeout", "-s", "INT", seconds, path, "-c", "-f", "-q", "-p", strconv.Itoa(pid))
	cmd.Stderr = &stderr
	start := time.Now()
	err = cmd.Run()
	s, parseErr := parseStrace(stderr.String())
	s.Elapsed = time.Since(start)
	if parseErr != nil {
		return s, errors.Join(toolError(err, stderr.Bytes()), parseErr)
	}
	return s, nil
}

// parseStrace reads the table of strace -c: "% time, seconds, usecs/call, calls,
// [errors,] syscall", up to its line of totals.
func parseStrace(text string) (Syscalls, error) {
	s := Syscalls{Tool: "strace", ByName: map[string]uint64{}}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 5 || len(f) > 6 {
			continue
		}
		n, err := strconv.ParseUint(f[3], 10, 64)
		if _, notFigure := strconv.ParseFloat(f[0], 64); err != nil || notFigure != nil {
			continue
		}
		if name := f[len(f)-1]; name != "total" {
			s.ByName[name] += n
			s.Total += n
		}
	}
	if s.Total == 0 {
		return s, unavailable("strace", errors.New("no figure in its output"))
	}
	return s, nil
}

// toolError is the error of a tool with the first line it wrote.
func toolError(err error, stderr []byte) error {
	line, _, _ := bytes.Cut(bytes.TrimSpace(stderr), []byte("\n"))
	return fmt.Errorf("%v: %s", err, line)
}

// Names lists the calls that occurred, the most frequent first.
func (s Syscalls) Names() []string {
	var names []string
	for name := range s.ByName {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if s.ByName[a] != s.ByName[b] {
			return int(min(max(int64(s.ByName[b]-s.ByName[a]), -1), 1))
		}
		return strings.Compare(a, b)
	})
	return names
}
