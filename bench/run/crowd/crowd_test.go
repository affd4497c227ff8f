package crowd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"lars/bench/load"
)

// TestMain plays the servers: they have to be processes of their own, whose
// descriptors and memory can be read.
func TestMain(m *testing.M) {
	if kind := os.Getenv("CROWD_SERVER"); kind != "" {
		serve(kind)
		return
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	os.Exit(m.Run())
}

// serve echoes. The greedy one keeps what a peer does not take; the impatient
// one ends connections that send nothing.
func serve(kind string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	fmt.Printf("listening on %s\n", l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0) // with the test
	}()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		switch kind {
		case "greedy":
			go greedy(c)
		case "impatient":
			go impatient(c)
		default:
			go func() {
				_, _ = io.Copy(c, c)
				c.Close()
			}()
		}
	}
}

func impatient(c net.Conn) {
	defer c.Close()
	first := make([]byte, 4096)
	_ = c.SetReadDeadline(time.Now().Add(patience))
	n, err := c.Read(first)
	if err != nil {
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	_, _ = c.Write(first[:n])
	_, _ = io.Copy(c, c)
}

// patience is what the load's own connection has time for to send something.
const patience = 300 * time.Millisecond

func greedy(c net.Conn) {
	parts := make(chan []byte, 1<<20)
	go func() {
		for p := range parts {
			_, _ = c.Write(p)
		}
	}()
	for {
		p := make([]byte, 64<<10)
		n, err := c.Read(p)
		if err != nil {
			return
		}
		parts <- p[:n]
	}
}

func config(t *testing.T, kind string) load.Config {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CROWD_SERVER="+kind)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return load.Config{
		Addr: netip.MustParseAddrPort(strings.TrimPrefix(strings.TrimSpace(line), "listening on ")),
		PIDs: []int{cmd.Process.Pid}, Conns: 2, Duration: 100 * time.Millisecond,
	}
}

// faults are what the crowd and the load found wrong.
func faults(t *testing.T, r *load.Result, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if r.Arrivals == 0 {
		t.Errorf("%+v", r.Counts)
	}
	return strings.Join(r.Violations(), "; ")
}

func TestIdle(t *testing.T) {
	r, err := Idle{Conns: 300}.Run(t.Context(), config(t, "good"))
	if got := faults(t, r, err); got != "" {
		t.Error(got)
	}
	c := config(t, "impatient")
	c.Duration = 2 * patience
	r, err = Idle{Conns: 30}.Run(t.Context(), c)
	if got := faults(t, r, err); !strings.Contains(got, "30 of 30 idle connections") || load.Worst(r.Judge()) != load.Invalid {
		t.Errorf("%q", got)
	}
	c.Addr = netip.MustParseAddrPort("127.0.0.1:1")
	if _, err := (Idle{Conns: 1}).Run(t.Context(), c); !errors.Is(err, load.ErrDial) {
		t.Errorf("%v", err)
	}
	if _, err := (Idle{Conns: 1 << 30}).Run(t.Context(), c); !errors.Is(err, load.ErrConfig) {
		t.Errorf("%v", err)
	}
}

func TestStalled(t *testing.T) {
	// The kernel itself takes some MiB for each, outside of the process.
	s := Stalled{Readers: 4, SendBytes: 24 << 20, MemoryBytes: 32 << 20}
	r, err := s.Run(t.Context(), config(t, "good"))
	if got := faults(t, r, err); got != "" {
		t.Error(got)
	}
	// A machine that gives the server no time lets it keep little: then again.
	found := ""
	for try := 0; try < 10 && !strings.Contains(found, "the server grew by"); try++ {
		r, err = s.Run(t.Context(), config(t, "greedy"))
		found = faults(t, r, err)
	}
	if !strings.Contains(found, "the server grew by") || load.Worst(r.Judge()) != load.Invalid {
		t.Errorf("%q", found)
	}
	// One that ends them is right too: the load's own connections go on.
	impatient := config(t, "impatient")
	if _, err := s.Run(t.Context(), impatient); err != nil {
		t.Error(err)
	}
	impatient.Addr = netip.MustParseAddrPort("127.0.0.1:1")
	if _, err := s.Run(t.Context(), impatient); !errors.Is(err, load.ErrDial) {
		t.Errorf("%v", err)
	}
}
