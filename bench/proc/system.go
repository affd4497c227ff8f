package proc

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// System is a reading of the whole machine. Take two and compare with Since.
type System struct {
	At      time.Time
	Busy    time.Duration // all processors: user, nice, system, interrupts
	Idle    time.Duration // all processors: idle and waiting for a disk
	Steal   time.Duration // all processors: the hypervisor ran someone else
	CPUs    int
	Load    [3]float64 // runnable tasks: means of 1, 5, 15 minutes
	LoadErr error
	// Pressure is by resource: "cpu", "memory", "io".
	Pressure    map[string]Pressure
	PressureErr error // the kernel has no PSI, or it is off
}

// Pressure is the share of time in which some task waited for a resource.
type Pressure struct {
	Avg10 float64       // percent, of the last ten seconds
	Total time.Duration // since boot
}

// tick is the unit of /proc/stat: USER_HZ is 100 on every Linux port in use.
const tick = 10 * time.Millisecond

// ReadSystem reads the machine now. Its error is about the processors' times;
// what else is missing has an error of its own in the result.
func ReadSystem() (System, error) {
	s := System{At: time.Now()}
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return s, unavailable("/proc/stat", err)
	}
	if err := s.parseStat(string(raw)); err != nil {
		return s, err
	}
	s.Load, s.LoadErr = readLoad()
	s.Pressure, s.PressureErr = readPressure()
	return s, nil
}

// parseStat reads the first line of /proc/stat, "cpu  user nice system idle
// iowait irq softirq steal guest guest_nice", and counts the lines that follow.
// Guest time is already in user.
func (s *System) parseStat(text string) error {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 9 || !strings.HasPrefix(f[0], "cpu") {
			continue
		}
		if f[0] != "cpu" {
			s.CPUs++
			continue
		}
		var t [8]time.Duration
		for i := range t {
			n, err := strconv.ParseUint(f[i+1], 10, 53)
			if err != nil {
				return unavailable("/proc/stat", err)
			}
			t[i] = time.Duration(n) * tick
		}
		s.Busy = t[0] + t[1] + t[2] + t[5] + t[6]
		s.Idle, s.Steal = t[3]+t[4], t[7]
	}
	if s.CPUs == 0 {
		return unavailable("/proc/stat", errors.New("no processors in it"))
	}
	return nil
}

func readLoad() (load [3]float64, err error) {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return load, unavailable("/proc/loadavg", err)
	}
	f := strings.Fields(string(raw))
	if len(f) < 3 {
		return load, unavailable("/proc/loadavg", errors.New("fewer than three fields"))
	}
	for i := range load {
		if load[i], err = strconv.ParseFloat(f[i], 64); err != nil {
			return load, unavailable("/proc/loadavg", err)
		}
	}
	return load, nil
}

func readPressure() (map[string]Pressure, error) {
	out := map[string]Pressure{}
	for _, name := range []string{"cpu", "memory", "io"} {
		raw, err := os.ReadFile("/proc/pressure/" + name)
		if err != nil {
			return nil, unavailable("pressure stall information", err)
		}
		if out[name], err = parsePressure(string(raw)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// parsePressure reads the line "some avg10=0.38 avg60=... total=36503398", the
// total in microseconds.
func parsePressure(text string) (Pressure, error) {
	var p Pressure
	var avg60, avg300 float64
	var us int64
	_, err := fmt.Sscanf(text, "some avg10=%g avg60=%g avg300=%g total=%d", &p.Avg10, &avg60, &avg300, &us)
	if err != nil {
		return Pressure{}, unavailable("pressure stall information", err)
	}
	p.Total = time.Duration(us) * time.Microsecond
	return p, nil
}

// Usage is what the machine did between two readings. Shares are of all
// processors together, 0 to 1.
type Usage struct {
	Elapsed time.Duration
	Busy    float64
	Steal   float64
	// Waiting is the share of time in which some task was ready and had no
	// processor; WaitingErr says why it is not known.
	Waiting    float64
	WaitingErr error
	busy       time.Duration
}

// ErrNoTime is two readings of the machine with no tick between them.
var ErrNoTime = errors.New("proc: the readings are less than 10 ms apart")

// Since compares with an earlier reading.
func (s System) Since(before System) (Usage, error) {
	u := Usage{Elapsed: s.At.Sub(before.At), busy: s.Busy - before.Busy}
	all := float64(u.busy + s.Idle - before.Idle + s.Steal - before.Steal)
	if all <= 0 {
		return u, ErrNoTime
	}
	u.Busy = float64(u.busy) / all
	u.Steal = float64(s.Steal-before.Steal) / all
	switch {
	case s.PressureErr != nil:
		u.WaitingErr = s.PressureErr
	case before.PressureErr != nil:
		u.WaitingErr = before.PressureErr
	case u.Elapsed > 0:
		u.Waiting = float64(s.Pressure["cpu"].Total-before.Pressure["cpu"].Total) / float64(u.Elapsed)
	}
	return u, nil
}

// Others is the processors' time that went to processes other than those whose
// CPU time is given, in processors: 0.5 is half of one. Ticks of 10 ms make it
// coarse over short times, so it is never below 0.
func (u Usage) Others(own ...time.Duration) float64 {
	rest := u.busy
	for _, t := range own {
		rest -= t
	}
	if u.Elapsed <= 0 {
		return 0
	}
	return max(0, float64(rest)/float64(u.Elapsed))
}

// ClockSource is the kernel's clock: "tsc" and "kvm-clock" are read without a
// system call.
func ClockSource() (string, error) {
	return readLine("/sys/devices/system/clocksource/clocksource0/current_clocksource")
}

// Monotonic is CLOCK_MONOTONIC, the same in all processes, by a system call.
func Monotonic() (time.Duration, error) {
	return clock(unix.CLOCK_MONOTONIC, "monotonic clock")
}

func readLine(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return strings.TrimSpace(string(raw)), nil
}
