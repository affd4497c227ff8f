// Package proc reads what the kernel knows of processes and of the machine:
// CPU time, memory, context switches, system calls, affinity, limits, stolen
// time and pressure, and the description of the machine that belongs to every
// measurement.
//
// It is for programs that measure other processes on the same Linux machine.
// What cannot be read is an error that says why, never a zero: a missing figure
// and a figure of nothing are different results.
//
// It keeps no state and may be used from any goroutine, but for PinThread. It
// does not watch anything by itself: callers read twice and subtract.
package proc

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrUnavailable is a figure that this kernel or machine does not give.
var ErrUnavailable = errors.New("proc: not available here")

func unavailable(what string, why error) error {
	return fmt.Errorf("%w: %s: %v", ErrUnavailable, what, why)
}

// CPUTime is the CPU time of a process since its start, in user and kernel, of
// all its threads, also ended ones; resolution 1 ns. One system call.
//
// The clock's number is the kernel's MAKE_PROCESS_CPUCLOCK(pid,
// CPUCLOCK_SCHED), what clock_getcpuclockid(3) returns.
func CPUTime(pid int) (time.Duration, error) {
	return clock(int32(^pid<<3|2), "CPU time of process "+strconv.Itoa(pid))
}

// SelfCPU is CPUTime of this process.
func SelfCPU() (time.Duration, error) {
	return clock(unix.CLOCK_PROCESS_CPUTIME_ID, "own CPU time")
}

// ThreadCPU is the CPU time of the calling thread: lock the goroutine to it.
func ThreadCPU() (time.Duration, error) {
	return clock(unix.CLOCK_THREAD_CPUTIME_ID, "own thread's CPU time")
}

func clock(id int32, what string) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0, unavailable(what, err)
	}
	return time.Duration(ts.Nano()), nil
}

// Memory of a process, in bytes.
type Memory struct {
	RSSBytes    int64 // resident now
	RSSMaxBytes int64 // the most it ever was
	// PSSBytes is resident, with shared pages divided among their users;
	// PSSErr says why it could not be read (another user's process).
	PSSBytes int64
	PSSErr   error
}

// ReadMemory reads the memory of a process.
func ReadMemory(pid int) (Memory, error) {
	status, err := readFields(procPath(pid, "status"))
	if err != nil {
		return Memory{}, err
	}
	var m Memory
	if m.RSSBytes, err = status.bytes("VmRSS"); err != nil {
		return Memory{}, err
	}
	if m.RSSMaxBytes, err = status.bytes("VmHWM"); err != nil {
		return Memory{}, err
	}
	rollup, err := readFields(procPath(pid, "smaps_rollup"))
	if err == nil {
		m.PSSBytes, err = rollup.bytes("Pss")
	}
	m.PSSErr = err
	return m, nil
}

// Scheduling is how the kernel has run the living threads of a process.
type Scheduling struct {
	Threads     int
	Voluntary   uint64        // switches because it waited
	Involuntary uint64        // switches because another had to run
	RunDelay    time.Duration // time ready to run and not running
}

// ReadScheduling adds up the threads of a process. Ended threads are not in it.
func ReadScheduling(pid int) (Scheduling, error) {
	tasks, err := filepath.Glob(procPath(pid, "task/*"))
	if err != nil || len(tasks) == 0 {
		return Scheduling{}, unavailable("threads of process "+strconv.Itoa(pid), os.ErrNotExist)
	}
	var s Scheduling
	for _, task := range tasks {
		if err := s.addThread(task); err != nil && !errors.Is(err, os.ErrNotExist) {
			return Scheduling{}, err
		}
	}
	if s.Threads == 0 {
		return Scheduling{}, unavailable("threads of process "+strconv.Itoa(pid), os.ErrNotExist)
	}
	return s, nil
}

func (s *Scheduling) addThread(task string) error {
	status, err := readFields(filepath.Join(task, "status"))
	if err != nil {
		return err
	}
	voluntary, err := status.count("voluntary_ctxt_switches")
	if err != nil {
		return err
	}
	involuntary, err := status.count("nonvoluntary_ctxt_switches")
	if err != nil {
		return err
	}
	delay, err := runDelay(filepath.Join(task, "schedstat"))
	if err != nil {
		return err
	}
	s.Threads++
	s.Voluntary += voluntary
	s.Involuntary += involuntary
	s.RunDelay += delay
	return nil
}

// ThreadRunDelay is the time that the calling thread was ready to run and had
// no processor: lock the goroutine to it.
func ThreadRunDelay() (time.Duration, error) { return runDelay("/proc/thread-self/schedstat") }

// runDelay reads the second field of a schedstat file: ns on a run queue.
func runDelay(path string) (time.Duration, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	fields := strings.Fields(string(raw))
	if len(fields) < 2 {
		return 0, unavailable(path, errors.New("fewer than two fields"))
	}
	ns, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0, unavailable(path, err)
	}
	return time.Duration(ns), nil
}

// OpenFiles is the number of descriptors that a process has open.
func OpenFiles(pid int) (int, error) {
	dir, err := os.Open(procPath(pid, "fd"))
	if err != nil {
		return 0, unavailable("open files", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return 0, unavailable("open files", err)
	}
	if pid == 0 || pid == os.Getpid() {
		return len(names) - 1, nil // less the directory itself
	}
	return len(names), nil
}

// procPath is a file of a process; pid 0 is this one.
func procPath(pid int, name string) string {
	if pid == 0 {
		return "/proc/self/" + name
	}
	return "/proc/" + strconv.Itoa(pid) + "/" + name
}

// fields is a file of "Name: value" lines.
type fields map[string]string

func readFields(path string) (fields, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer f.Close()
	out := fields{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok {
			name = strings.TrimSpace(name)
			if _, seen := out[name]; !seen { // the first processor of cpuinfo
				out[name] = strings.TrimSpace(value)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, unavailable(path, err)
	}
	return out, nil
}

// count reads a plain number.
func (f fields) count(name string) (uint64, error) {
	n, err := strconv.ParseUint(f[name], 10, 64)
	if err != nil {
		return 0, unavailable(name, err)
	}
	return n, nil
}

// bytes reads a number of kB.
func (f fields) bytes(name string) (int64, error) {
	text, ok := strings.CutSuffix(f[name], " kB")
	if !ok {
		return 0, unavailable(name, errors.New("no such line"))
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, unavailable(name, err)
	}
	return n << 10, nil
}
