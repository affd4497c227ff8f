package agent

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lars/backends"
	"lars/reactor"
	"lars/reactor/driver"
	"lars/reactor/frame"
	"lars/system/wire"
)

// serveEnv makes the test binary a server: "agent BACKEND" or "echo BACKEND".
const serveEnv = "LARS_AGENT_TEST_SERVE"

func TestMain(m *testing.M) {
	if what := os.Getenv(serveEnv); what != "" {
		if err := serve(what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serve is the child process: an agent, or a bare UDP server that answers
// every message with as many bytes as the agent would. It prints the address,
// and its CPU time in microseconds for each line that it reads.
func serve(what string) error {
	kind, name, _ := strings.Cut(what, " ")
	d, err := backends.Open(name)
	if err != nil {
		return err
	}
	at, err := serveOn(kind, d)
	if err != nil {
		return err
	}
	fmt.Println(at)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			return err
		}
		fmt.Println(u.Utime.Nano()/1000 + u.Stime.Nano()/1000)
	}
	return nil
}

func serveOn(kind string, d driver.Driver) (netip.AddrPort, error) {
	r, err := reactor.Open(d, reactor.Config{})
	if err != nil {
		return netip.AddrPort{}, err
	}
	if kind == "agent" {
		s, err := filled(r, Config{})
		if err != nil {
			return netip.AddrPort{}, err
		}
		return s.Addrs()[0], nil
	}
	a := wire.GetHostResponse{Seq: 1 << 20, ModID: 30, HasHost: true, Host: info(addr(1))}
	answer := a.AppendTo(nil)
	router := reactor.NewRouter()
	router.Handle(wire.IDGetHostRequest, func(q *reactor.Request) { _ = q.Reply(wire.IDGetHostResponse, answer) }, nil)
	p, err := r.ListenPacket("127.0.0.1:0", reactor.PacketConfig{Router: router, RecvBufferBytes: recvBufferBytes})
	if err != nil {
		return netip.AddrPort{}, err
	}
	return p.LocalAddr(), nil
}

// child is a server in a process of its own.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
	udp *net.UDPConn
	seq uint32
	buf [128]byte
}

func startChild(b *testing.B, what string) *child {
	b.Helper()
	c := &child{cmd: exec.Command(os.Args[0]), seq: 1 << 20}
	c.cmd.Env = append(os.Environ(), serveEnv+"="+what)
	c.cmd.Stderr = os.Stderr
	c.in, _ = c.cmd.StdinPipe()
	out, _ := c.cmd.StdoutPipe()
	c.out = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		c.in.Close()
		_ = c.cmd.Wait()
	})
	if !c.out.Scan() {
		b.Fatal(what, "did not start")
	}
	at, err := netip.ParseAddrPort(c.out.Text())
	if err != nil {
		b.Fatal(err)
	}
	if c.udp, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at)); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.udp.Close() })
	return c
}

// cpu is the server's CPU time so far.
func (c *child) cpu(b *testing.B) time.Duration {
	fmt.Fprintln(c.in)
	if !c.out.Scan() {
		b.Fatal("the server is gone")
	}
	n, err := strconv.Atoi(c.out.Text())
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(n) * time.Microsecond
}

// round asks n times, window at once, and returns the server's CPU time per
// answer.
func (c *child) round(b *testing.B, n, window int) float64 {
	before := c.cpu(b)
	for asked := 0; asked < n; asked += window {
		for i := range window {
			c.seq++
			if _, err := c.udp.Write(frame.Append(c.buf[:0], wire.IDGetHostRequest, hostQuestion(c.seq, i))); err != nil {
				b.Fatal(err)
			}
		}
		_ = c.udp.SetReadDeadline(time.Now().Add(patience))
		for range window {
			if _, err := c.udp.Read(c.buf[:]); err != nil {
				b.Fatal(err)
			}
		}
	}
	return float64(c.cpu(b)-before) / float64(n)
}

// BenchmarkAgainstEcho compares the CPU time of get_host over UDP with that of
// a bare server of the same sizes on the same backend, in rounds that take
// turns. The figures are medians of rounds; ratio is the median of the rounds'
// ratios.
//
//	go test -run xxx -bench AgainstEcho -benchtime 1x ./system/agent
func BenchmarkAgainstEcho(b *testing.B) {
	for _, name := range backends.Names() {
		for _, window := range []int{1, 32} {
			b.Run(fmt.Sprintf("%s/window=%d", name, window), func(b *testing.B) {
				agent, echo := startChild(b, "agent "+name), startChild(b, "echo "+name)
				const rounds, n = 15, 6400
				agent.round(b, n, window)
				echo.round(b, n, window)
				var a, e, ratios []float64
				for b.Loop() {
					for i := range rounds {
						var x, y float64
						if i%2 == 0 {
							x, y = agent.round(b, n, window), echo.round(b, n, window)
						} else {
							y, x = echo.round(b, n, window), agent.round(b, n, window)
						}
						a, e, ratios = append(a, x), append(e, y), append(ratios, x/y)
					}
				}
				b.ReportMetric(median(a), "agent-ns/answer")
				b.ReportMetric(median(e), "echo-ns/answer")
				b.ReportMetric(median(ratios), "ratio")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
