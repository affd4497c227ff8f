package run

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"lars/bench/proc"
)

// Pin says which processors server and generator are kept on. The zero value
// chooses different ones, where there are two.
type Pin struct {
	Off               bool // leave it to the kernel
	Server, Generator []int
}

// ParsePin reads "auto", "off", or two lists of processors such as "0:1" or
// "0,2-3:1", the server's first.
func ParsePin(s string) (Pin, error) {
	switch s {
	case "", "auto":
		return Pin{}, nil
	case "off":
		return Pin{Off: true}, nil
	}
	server, generator, ok := strings.Cut(s, ":")
	if !ok {
		return Pin{}, fmt.Errorf("pin %q: write auto, off, or SERVER:GENERATOR such as 0:1", s)
	}
	var p Pin
	var err error
	if p.Server, err = proc.ParseCPUs(server); err != nil {
		return Pin{}, err
	}
	p.Generator, err = proc.ParseCPUs(generator)
	return p, err
}

// Processors is where server and generator run; both are empty when nothing is
// pinned.
type Processors struct {
	Server, Generator []int
}

// Pinned reports whether they are kept apart.
func (p Processors) Pinned() bool { return len(p.Server) > 0 }

// String is the notation of ParsePin.
func (p Processors) String() string {
	if !p.Pinned() {
		return "off"
	}
	return listCPUs(p.Server) + ":" + listCPUs(p.Generator)
}

func listCPUs(cpus []int) string {
	out := make([]string, len(cpus))
	for i, c := range cpus {
		out[i] = strconv.Itoa(c)
	}
	return strings.Join(out, ",")
}

// choose divides the processors: one for each loop of the server, one for each
// worker of the generator, whole cores before second threads of one.
func choose(pin Pin, loops, workers int) (p Processors, note string, err error) {
	if pin.Off {
		return Processors{}, "", nil
	}
	allowed, err := proc.AllowedCPUs(0)
	if len(pin.Server) > 0 {
		p = Processors{pin.Server, pin.Generator}
		if err == nil { // the kernel ignores those that are not there, as long as one is
			if err := checkAllowed(slices.Concat(p.Server, p.Generator), allowed); err != nil {
				return p, "", err
			}
		}
		return p, sharedNote(p), tryPin(p)
	}
	if err != nil {
		return Processors{}, fmt.Sprintf("server and generator are not pinned: %v", err), nil
	}
	if len(allowed) < 2 {
		return Processors{}, "server and generator share the only processor: figures depend on how the kernel mixes them", nil
	}
	p, note = divide(wholeCoresFirst(allowed), loops, workers)
	return p, note, tryPin(p)
}

// checkAllowed refuses processors that this process may not use.
func checkAllowed(cpus, allowed []int) error {
	for _, cpu := range cpus {
		if !slices.Contains(allowed, cpu) {
			return refuse("--pin: processor %d: this process may use %s (--pin off runs without pinning)", cpu, listCPUs(allowed))
		}
	}
	return nil
}

// divide gives the server the first processors, the generator the next ones,
// each at least one of the two or more.
func divide(order []int, loops, workers int) (p Processors, note string) {
	s := min(loops, len(order)-1)
	g := min(workers, len(order)-s)
	p = Processors{sorted(order[:s]), sorted(order[s : s+g])}
	if s < loops || g < workers {
		note = fmt.Sprintf("%d loops and %d workers share %d and %d processors: there are no more", loops, workers, s, g)
	}
	return p, note
}

func sharedNote(p Processors) string {
	for _, c := range p.Server {
		if slices.Contains(p.Generator, c) {
			return fmt.Sprintf("server and generator share processor %d: each one's figures contain the other's", c)
		}
	}
	return ""
}

func sorted(cpus []int) []int { return slices.Sorted(slices.Values(cpus)) }

// tryPin pins a thread of its own to find out whether that is allowed. The
// thread ends with its goroutine.
func tryPin(p Processors) error {
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := proc.PinThread(p.Server)
		if err == nil {
			err = proc.PinThread(p.Generator)
		}
		failed <- err
	}()
	if err := <-failed; err != nil {
		return refuse("%v (flag --pin off runs without pinning)", err)
	}
	return nil
}

// wholeCoresFirst orders processors so that those on cores of their own come
// before second threads of a core already listed.
func wholeCoresFirst(cpus []int) []int {
	seen := map[string]bool{}
	var first, second []int
	for _, cpu := range cpus {
		if core := coreOf(cpu); core == "" || !seen[core] {
			seen[core] = true
			first = append(first, cpu)
		} else {
			second = append(second, cpu)
		}
	}
	return append(first, second...)
}

// coreOf names the core of a processor by its threads; empty when not known.
func coreOf(cpu int) string {
	raw, err := os.ReadFile(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// pinGenerator keeps this process off the server's processors until release is
// called. Worker threads of the generator pin themselves more narrowly.
func (p *Plan) pinGenerator() (release func(), err error) {
	if !p.cpus.Pinned() {
		return func() {}, nil
	}
	before, err := proc.AllowedCPUs(0)
	if err != nil {
		return nil, err
	}
	if err := proc.Pin(0, p.cpus.Generator); err != nil {
		return nil, refuse("%v (flag --pin off runs without pinning)", err)
	}
	return func() {
		// If this fails the process stays narrow, which harms nothing measured.
		_ = proc.Pin(0, before)
	}, nil
}
