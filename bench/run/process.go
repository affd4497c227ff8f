package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"lars/bench/proc"
)

const (
	listenMarker  = "listening on "
	tailBytesMax  = 64 << 10 // of each of a server's outputs
	lineBytesMax  = 4 << 10  // of its first line
	maxProcsField = "GOMAXPROCS="
)

// patience is how long to wait for a server.
type patience struct {
	start time.Duration // until it says where it listens
	stop  time.Duration // from SIGTERM to SIGKILL
}

// usual leaves a loaded machine enough time.
func usual() patience { return patience{start: 15 * time.Second, stop: 10 * time.Second} }

// process is a server that this package has started.
type process struct {
	addr   netip.AddrPort
	wait   patience
	cmd    *exec.Cmd
	stdout *output
	stderr *output
	exited chan struct{} // closed after Wait
	err    error         // of Wait, valid after exited
}

// start runs the command of t and makes it ready for the load.
func (p *Plan) start(ctx context.Context, t *Target) (*process, error) {
	if t.Before != nil {
		if err := t.Before(ctx); err != nil {
			return nil, err
		}
	}
	server, err := start(ctx, t.Command, p.cpus.Server, p.wait)
	if err != nil || t.Ready == nil {
		return server, err
	}
	if err := t.Ready(ctx, server.addr); err != nil {
		server.stop()
		return nil, server.failure("did not get ready: " + err.Error())
	}
	return server, nil
}

// start runs argv on the given processors and waits until it listens.
func start(ctx context.Context, argv []string, cpus []int, wait patience) (*process, error) {
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), stdout: newOutput(), stderr: newOutput(), exited: make(chan struct{}), wait: wait}
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	p.cmd.Env = os.Environ()
	if len(cpus) > 0 {
		p.cmd.Env = append(p.cmd.Env, maxProcsField+strconv.Itoa(len(cpus)))
	}
	// The kernel ends the server with the thread that started it: not even a
	// killed benchmark leaves one behind. A group of its own keeps the
	// terminal's interrupt away from it, so that it ends when it is told to.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error, 1)
	go p.own(cpus, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	if err := p.awaitAddress(ctx); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// own forks from a thread with the server's affinity, which the child inherits
// before its first instruction, and keeps that thread until the server ended.
// The goroutine ends locked: the thread is not used again.
func (p *process) own(cpus []int, started chan<- error) {
	runtime.LockOSThread()
	defer close(p.exited)
	if len(cpus) > 0 {
		if err := proc.PinThread(cpus); err != nil {
			started <- err
			return
		}
	}
	err := p.cmd.Start()
	started <- err
	if err == nil {
		p.err = p.cmd.Wait()
	}
}

func (p *process) awaitAddress(ctx context.Context) error {
	timeout := time.NewTimer(p.wait.start)
	defer timeout.Stop()
	select {
	case line := <-p.stdout.first:
		return p.parseAddress(line)
	case <-p.exited:
		return p.failure("ended before it listened")
	case <-timeout.C:
		return p.failure(fmt.Sprintf("did not print %q within %v", listenMarker+"ADDR", p.wait.start))
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *process) parseAddress(line string) error {
	addr, ok := addressIn(line)
	if !ok {
		return p.failure(fmt.Sprintf("printed %q where %q was expected", line, listenMarker+"ADDR"))
	}
	p.addr = addr
	return nil
}

// addressIn finds the address that follows the marker; of a list, the first. The
// services of the system say more in that line.
func addressIn(line string) (netip.AddrPort, bool) {
	_, text, ok := strings.Cut(line, listenMarker)
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' })
	if !ok || len(words) == 0 {
		return netip.AddrPort{}, false
	}
	word := strings.TrimSpace(words[0])
	addr, err := netip.ParseAddrPort(word)
	if err != nil {
		addr, err = netip.ParseAddrPort(strings.TrimPrefix(word, "["))
	}
	return addr, err == nil
}

// failure explains a server that is of no use, with its own words.
func (p *process) failure(what string) error {
	text := fmt.Sprintf("the server %s", what)
	select {
	case <-p.exited:
		if p.err != nil {
			text += " (" + p.err.Error() + ")"
		}
	default:
	}
	if said := strings.TrimSpace(p.stderr.tail()); said != "" {
		text += ":\n  " + strings.ReplaceAll(said, "\n", "\n  ")
	}
	return fmt.Errorf("%s\n  command: %s", text, strings.Join(p.cmd.Args, " "))
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// alive is nil while the server runs.
func (p *process) alive() error {
	select {
	case <-p.exited:
		return p.failure("ended by itself")
	default:
		return nil
	}
}

// dying waits a moment for the end of a server that has dropped connections, so
// that its own words can be told.
func (p *process) dying() {
	timeout := time.NewTimer(time.Second)
	defer timeout.Stop()
	select {
	case <-p.exited:
	case <-timeout.C:
	}
}

// stop ends the server and waits for it: politely, then not.
func (p *process) stop() {
	if p.cmd.Process == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
	timeout := time.NewTimer(p.wait.stop)
	defer timeout.Stop()
	select {
	case <-p.exited:
	case <-timeout.C:
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// report is the JSON object at the end of the line that the server printed last,
// nil without one.
func (p *process) report() map[string]any {
	out := strings.TrimSpace(p.stdout.tail())
	last := out[strings.LastIndexByte(out, '\n')+1:]
	var report map[string]any
	if json.Unmarshal([]byte(last[max(0, strings.IndexByte(last, '{')):]), &report) != nil {
		return nil
	}
	return report
}

// output keeps the end of what a process writes, and hands over its first line.
type output struct {
	first chan string // gets one line

	mu   sync.Mutex
	kept []byte
	told bool
}

func newOutput() *output { return &output{first: make(chan string, 1)} }

// Write never fails: a server must not be stopped by its own chatter.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept = append(o.kept, b...)
	if !o.told {
		line, _, ok := strings.Cut(string(o.kept), "\n")
		if ok || len(o.kept) > lineBytesMax {
			o.told = true
			o.first <- line[:min(len(line), lineBytesMax)]
		}
	}
	if over := len(o.kept) - tailBytesMax; over > 0 {
		o.kept = append(o.kept[:0], o.kept[over:]...)
	}
	return len(b), nil
}

func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.kept)
}

// errNoProcess is a process that is not there to be measured.
var errNoProcess = errors.New("no such process")

// checkPID looks whether a process can be measured.
func checkPID(pid int) error {
	if _, err := proc.ReadMemory(pid); err != nil {
		return fmt.Errorf("process %d: %w: %v", pid, errNoProcess, err)
	}
	return nil
}
