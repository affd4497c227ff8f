package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"time"

	"lars/bench/load"
	"lars/bench/proc"
)

// Prepare checks everything that can keep the run from ending well: the
// configuration, processors, descriptors, ports, and each server, which is
// started, asked one question and stopped. Its errors are ErrRefused or
// load.ErrConfig and say what to do.
func Prepare(ctx context.Context, c Config) (*Plan, error) {
	c = c.withDefaults()
	p := &Plan{config: c, wait: usual()}
	if err := c.validate(); err != nil {
		return nil, err
	}
	if err := p.chooseProcessors(); err != nil {
		return nil, err
	}
	if err := c.checkFiles(); err != nil {
		return nil, err
	}
	for i := range c.Targets {
		if err := p.tryTarget(ctx, i); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (c Config) withDefaults() Config {
	c.Workers = max(c.Workers, 1)
	c.Loops = max(c.Loops, 1)
	c.Rounds = max(c.Rounds, 1)
	if c.Load.Network == "" {
		c.Load.Network = "tcp"
	}
	c.Name = cmp.Or(c.Name, "echo")
	return c
}

func (c *Config) validate() error {
	switch {
	case len(c.Targets) == 0:
		return refuse("no server to measure")
	case c.Rounds > RoundsMax:
		return refuse("%d rounds: choose 1 to %d", c.Rounds, RoundsMax)
	case c.Idle < 0 || c.Idle > IdleMax:
		return refuse("%d idle connections: choose 0 (do not measure) to %d", c.Idle, IdleMax)
	case c.Idle > 0 && c.Load.Network == "udp":
		return refuse("idle connections are measured over TCP: UDP has none")
	}
	seen := map[string]bool{}
	for i := range c.Targets {
		t := &c.Targets[i]
		if seen[t.Name] || t.Name == "" {
			return refuse("two servers are named %q", t.Name)
		}
		seen[t.Name] = true
		if err := c.validateTarget(t); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) validateTarget(t *Target) error {
	probe := c.Load
	probe.Workload = c.workloadOf(t)
	if len(t.Command) == 0 {
		if t.PID != 0 {
			if err := checkPID(t.PID); err != nil {
				return refuse("%v: give the id of the server's process, or 0", err)
			}
		}
		probe.Addr = t.Addr
	} else {
		probe.Addr = loopback
	}
	probe.Workers = c.Workers
	return probe.Validate()
}

func (p *Plan) chooseProcessors() error {
	cpus, note, err := choose(p.config.Pin, p.config.Loops, p.config.Workers)
	if err != nil {
		return err
	}
	if note != "" {
		p.Notes = append(p.Notes, note)
	}
	p.cpus = cpus
	return nil
}

// filesSpare is for everything that is no connection.
const filesSpare = 64

// checkFiles makes room for the connections; started servers inherit it.
func (c *Config) checkFiles() error {
	if err := proc.NeedFiles(c.filesMost()); err != nil {
		return refuse("%v", err)
	}
	return nil
}

// filesMost is how many descriptors one process needs at a time: the connections
// of Idle come after the rounds, when the others are gone.
func (c *Config) filesMost() int {
	return max(c.Load.Conns+c.Beside, c.Idle) + filesSpare
}

// tryTarget makes sure that a target can be reached and answers.
func (p *Plan) tryTarget(ctx context.Context, i int) error {
	t := &p.config.Targets[i]
	if len(t.Command) == 0 {
		return p.ask(ctx, t, t.Addr.String())
	}
	if _, err := exec.LookPath(t.Command[0]); err != nil {
		return refuse("%s: %v: build it, or give the whole path", t.Name, err)
	}
	server, err := p.start(ctx, t)
	if err != nil {
		return refuse("%s: %v", t.Name, err)
	}
	defer server.stop()
	return p.ask(ctx, t, server.addr.String())
}

// tryTimeout is how long a server may take to answer the first question.
const tryTimeout = 5 * time.Second

// ask sends one request of the workload, and judges the answer.
func (p *Plan) ask(ctx context.Context, t *Target, addr string) error {
	dialer := net.Dialer{Timeout: tryTimeout}
	conn, err := dialer.DialContext(ctx, p.config.Load.Network, addr)
	if err != nil {
		return refuse("%s: %v: is the server running, and the address right?", t.Name, err)
	}
	defer conn.Close()
	if err := askOnce(conn, p.config.workloadOf(t)); err != nil {
		return refuse("%s at %s did not answer one request of %s: %v", t.Name, addr, p.config.Name, err)
	}
	return nil
}

// workload is that of the run.
func (c *Config) workload() load.Workload {
	if w := c.Load.Workload; w != nil {
		return w
	}
	return load.Echo{}
}

func (c *Config) workloadOf(t *Target) load.Workload {
	if t.Workload != nil {
		return t.Workload
	}
	return c.workload()
}

var errWrongReply = errors.New("the reply has the wrong content")

// askOnce does one request and reply on a fresh connection of either network.
func askOnce(conn net.Conn, w load.Workload) error {
	if w.OneWay() {
		return nil
	}
	if err := conn.SetDeadline(time.Now().Add(tryTimeout)); err != nil {
		return err
	}
	request := w.MakeRequest(nil, 0, 0)
	_, replyMax := w.FrameBytesMax()
	// Write beside reading: neither socket buffer need hold a whole frame.
	wrote := make(chan error, 1)
	go func() {
		_, err := conn.Write(request)
		wrote <- err
	}()
	reply, err := readFrame(conn, replyMax)
	if err != nil {
		conn.Close()
		<-wrote
		return err
	}
	if err := <-wrote; err != nil {
		return err
	}
	if seq, is := w.CheckReply(reply, 0, 0); is != load.Answer || seq != 0 {
		return fmt.Errorf("%w: %s", errWrongReply, strings.ToValidUTF8(fmt.Sprintf("%.40q", reply), "?"))
	}
	return nil
}
