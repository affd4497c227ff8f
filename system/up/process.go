package up

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// listenWithin is how long a process may take until it listens.
	listenWithin = 20 * time.Second
	// lineBytesMax bounds a line of a process; what is longer is cut in two.
	lineBytesMax = 64 << 10
	// wordsBytesMax bounds what is kept of a process's messages.
	wordsBytesMax = 4 << 10
)

// child is a service as a process.
type child struct {
	name      string
	cmd       *exec.Cmd
	listening chan struct{} // closed at the line that says so
	exited    chan struct{} // closed after Wait
	err       error         // of Wait; after exited

	mu    sync.Mutex
	last  string // line of stdout
	words []byte // the end of stderr
}

// spawn starts a service as a process and waits until it listens.
func (s *System) spawn(ctx context.Context, name string) (part, error) {
	args := append([]string{name, "--backend", s.cfg.Backend}, s.args(name)...)
	if name != Agent {
		args = append(args, "--store", s.cfg.StoreURL)
	}
	c := &child{name: name, cmd: exec.Command(s.cfg.Program, args...), listening: make(chan struct{}), exited: make(chan struct{})}
	c.cmd.Stdout = &lines{each: c.said}
	c.cmd.Stderr = &lines{each: func(line string) { c.warned(s.cfg.Stderr, line) }}
	// A group of its own keeps the terminal's Ctrl-C away from it, so that the
	// services end in order; and the kernel ends it with the thread that started
	// it, so that not even a killed parent leaves one behind.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go c.own(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("up: start %s: %w", name, err)
	}
	if err := c.await(ctx); err != nil {
		c.kill()
		return nil, err
	}
	return c, nil
}

// own starts the process and keeps the thread for its life.
func (c *child) own(started chan<- error) {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	defer close(c.exited)
	err := c.cmd.Start()
	started <- err
	if err == nil {
		c.err = c.cmd.Wait()
	}
}

func (c *child) await(ctx context.Context) error {
	late := time.NewTimer(listenWithin)
	defer late.Stop()
	select {
	case <-c.listening:
		return nil
	case <-c.exited:
		c.mu.Lock()
		defer c.mu.Unlock()
		return fmt.Errorf("up: %s ended before it listened (%v): %s", c.name, c.err, bytes.TrimSpace(c.words))
	case <-late.C:
		return fmt.Errorf("up: %s does not listen after %v", c.name, listenWithin)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// said takes a line of stdout.
func (c *child) said(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = line
	if strings.Contains(line, "listening on ") {
		select {
		case <-c.listening:
		default:
			close(c.listening)
		}
	}
}

// warned takes a line of stderr.
func (c *child) warned(stderr io.Writer, line string) {
	_, _ = fmt.Fprintf(stderr, "%s: %s\n", c.name, line) // nobody to tell
	c.mu.Lock()
	defer c.mu.Unlock()
	c.words = append(append(c.words, line...), '\n')
	if over := len(c.words) - wordsBytesMax; over > 0 {
		c.words = append(c.words[:0], c.words[over:]...)
	}
}

func (c *child) stop(ctx context.Context) (json.RawMessage, error) {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
	select {
	case <-c.exited:
	case <-ctx.Done():
		c.kill()
		return nil, ctx.Err()
	}
	return c.stats(), c.err
}

// stats are in the last line: "lars dns: stopped {...}".
func (c *child) stats() json.RawMessage {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, text, ok := strings.Cut(c.last, ": stopped ")
	if !ok || !json.Valid([]byte(text)) {
		return nil
	}
	return json.RawMessage(text)
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may be gone already
	<-c.exited
}

func (c *child) ended() <-chan struct{} { return c.exited }

func (c *child) pid() int { return c.cmd.Process.Pid }

// lines is a Writer that gives whole lines to each.
type lines struct {
	each func(line string)
	part []byte
}

// Write never fails: a service must not end by its own chatter.
func (l *lines) Write(b []byte) (int, error) {
	l.part = append(l.part, b...)
	for {
		i := bytes.IndexByte(l.part, '\n')
		if i < 0 && len(l.part) < lineBytesMax {
			return len(b), nil
		}
		if i < 0 {
			i = len(l.part) - 1
		}
		l.each(strings.TrimRight(string(l.part[:i+1]), "\n"))
		l.part = append(l.part[:0], l.part[i+1:]...)
	}
}
