package proc

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cpusMax is the number of processors that a unix.CPUSet can name.
const cpusMax = 1024

// AllowedCPUs lists the processors that the first thread of a process (0: the
// calling thread) may run on, in order.
func AllowedCPUs(pid int) ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &set); err != nil {
		return nil, unavailable("allowed processors", err)
	}
	var cpus []int
	for i := range cpusMax {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus, nil
}

// ErrPin is an affinity that could not be set.
var ErrPin = errors.New("proc: cannot pin")

func pin(tid int, cpus []int) error {
	set, err := cpuSet(cpus)
	if err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(tid, &set); err != nil {
		return fmt.Errorf("%w to processors %v: %w%s", ErrPin, cpus, err, pinRemedy())
	}
	return nil
}

func pinRemedy() string {
	allowed, err := AllowedCPUs(0)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(": this process may use %v; choose of these, or do not pin", allowed)
}

func cpuSet(cpus []int) (set unix.CPUSet, err error) {
	if len(cpus) == 0 {
		return set, fmt.Errorf("%w: no processors given", ErrPin)
	}
	for _, cpu := range cpus {
		if cpu < 0 || cpu >= cpusMax {
			return set, fmt.Errorf("%w: processor %d: choose 0 to %d", ErrPin, cpu, cpusMax-1)
		}
		set.Set(cpu)
	}
	return set, nil
}

// PinThread keeps the calling thread on the given processors. Lock the
// goroutine to its thread before, and do not unlock it after: a thread whose
// goroutine ends locked is destroyed, and nothing else inherits the affinity.
func PinThread(cpus []int) error { return pin(0, cpus) }

// Pin keeps all threads of a process (0: this one) on the given processors;
// those they start later inherit it.
func Pin(pid int, cpus []int) error {
	if _, err := cpuSet(cpus); err != nil {
		return err
	}
	// A thread may start another before its turn comes. So it looks again until
	// there is none that was not there before.
	pinned := map[string]bool{}
	for before := -1; before < len(pinned); {
		before = len(pinned)
		tasks, err := filepath.Glob(procPath(pid, "task/*"))
		if err != nil || len(tasks) == 0 {
			return fmt.Errorf("%w: no process %d", ErrPin, pid)
		}
		for _, task := range tasks {
			tid, err := strconv.Atoi(filepath.Base(task))
			if err != nil || pinned[task] {
				continue
			}
			if err := pin(tid, cpus); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
			pinned[task] = true
		}
	}
	return nil
}

// StartPinned starts cmd on the given processors, before its first
// instruction, so that a runtime which counts them sees only these. With none
// it is cmd.Start.
func StartPinned(cmd *exec.Cmd, cpus []int) error {
	if len(cpus) == 0 {
		return cmd.Start()
	}
	// A child inherits the affinity of the thread that forks it. That thread
	// takes its old affinity back; if that failed it is left to die locked.
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		before, err := AllowedCPUs(0)
		if err == nil {
			err = PinThread(cpus)
		}
		if err != nil {
			failed <- err
			return
		}
		err = cmd.Start()
		if PinThread(before) == nil {
			runtime.UnlockOSThread()
		}
		failed <- err
	}()
	return <-failed
}

// ParseCPUs reads a list such as "0,2-3".
func ParseCPUs(list string) ([]int, error) {
	var cpus []int
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			last = first
		}
		lo, err1 := strconv.Atoi(first)
		hi, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil || lo < 0 || hi < lo || hi >= cpusMax {
			return nil, fmt.Errorf("%w: processors %q: write them as 0,2-3, from 0 to %d", ErrPin, list, cpusMax-1)
		}
		for cpu := lo; cpu <= hi; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// ErrFiles is a limit on open files that is too low.
var ErrFiles = errors.New("proc: too few file descriptors")

// FileLimit is how many descriptors this process may have open, and how far it
// may raise that by itself.
func FileLimit() (soft, hard uint64, err error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, 0, unavailable("limit on open files", err)
	}
	return l.Cur, l.Max, nil
}

// NeedFiles makes sure that n more descriptors can be opened, raising the soft
// limit as far as needed. The error says how many are needed, and the remedy.
func NeedFiles(n int) error {
	open, err := OpenFiles(0)
	if err != nil {
		open = 0 // the check is then only a little less strict
	}
	need := uint64(n + open)
	soft, hard, err := FileLimit()
	if err != nil {
		return err
	}
	if need <= soft {
		return nil
	}
	if need > hard {
		return fmt.Errorf("%w: %d needed, %d allowed: run `ulimit -n %d` as root first, or ask for fewer connections",
			ErrFiles, need, hard, need)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: need, Max: hard}); err != nil {
		return fmt.Errorf("%w: %d needed, %d allowed: %w: run `ulimit -n %d` first", ErrFiles, need, soft, err, need)
	}
	return nil
}
