package cli

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lars/backends"
	"lars/internal/cli"
	"lars/reactor/frame"
	"lars/system/wire"
)

// patience is for what must happen at last; nothing is measured by it.
const patience = time.Minute

var listening = regexp.MustCompile(`listening on (\S+), backend (\S+), (\d+) loops, store (\S+)`)

// service runs a command until the test ends it, and returns its address and
// a function that stops it and returns the rest of its output.
func service(t *testing.T, run cli.Func, args ...string) (addr string, stop func() string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, out, io.Discard, args)
		ended <- err
		_ = out.CloseWithError(err)
	}()
	lines := bufio.NewReader(in)
	line, err := lines.ReadString('\n')
	found := listening.FindStringSubmatch(line)
	if err != nil || found == nil {
		cancel()
		t.Fatalf("first line %q, %v", line, err)
	}
	return found[1], func() string {
		cancel()
		rest, _ := io.ReadAll(lines)
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
		return string(rest)
	}
}

func TestServicesServeAndStop(t *testing.T) {
	for _, backend := range []string{"epoll", "std"} {
		t.Run(backend, func(t *testing.T) {
			db := "sqlite:" + filepath.Join(t.TempDir(), "lars.db")
			if _, _, err := command(t, Route().Run, "add", "--store", db, "--module", "1,1", "--host", "192.168.1.177:7777"); err != nil {
				t.Fatal(err)
			}
			open, all := backends.Open, []string{"epoll", "std"}
			dnsAddr, stopDNS := service(t, DNS(open, all), "--backend", backend, "--config", "../conf/lars_dns.conf", "--port", "0", "--store", db)
			repAddr, stopRep := service(t, Reporter(open, all), "--backend", backend, "--config", "../conf/lars_reporter.conf", "--port", "0", "--writers", "2", "--store", db)

			req := wire.GetRouteRequest{ModID: 1, CmdID: 1}
			body := exchange(t, dnsAddr, frame.Append(nil, wire.IDGetRouteRequest, req.AppendTo(nil)))
			var got wire.GetRouteResponse
			if err := got.Decode(body); err != nil || len(got.Hosts) != 1 || got.Hosts[0].Port != 7777 {
				t.Errorf("route: %+v, %v", got, err)
			}
			rep := wire.ReportStatusRequest{ModID: 1, CmdID: 1, Boot: 1, Number: 1, Results: []wire.HostCallResult{{IP: 1, Port: 1, SuccAdd: 1}}}
			c, err := net.Dial("tcp", repAddr)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(frame.Append(nil, wire.IDReportStatusRequest, rep.AppendTo(nil))); err != nil {
				t.Fatal(err)
			}
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = c.Read(make([]byte, 1)) // the reporter has read all and closed
			_ = c.Close()
			if out := stopRep(); !strings.Contains(out, `"stored":1`) {
				t.Errorf("the reporter's end: %s", out)
			}
			if out := stopDNS(); !strings.Contains(out, `"requests":1`) {
				t.Errorf("the dns's end: %s", out)
			}
		})
	}
}

func exchange(t *testing.T, addr string, message []byte) []byte {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(message); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, frame.HeadBytes)
	if _, err := io.ReadFull(c, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.LittleEndian.Uint32(head[4:]))
	if _, err := io.ReadFull(c, body); err != nil {
		t.Fatal(err)
	}
	return body
}

func TestServicesRefuse(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	port := fmt.Sprint(busy.Addr().(*net.TCPAddr).Port)
	open, all := backends.Open, []string{"epoll", "std"}
	store := "sqlite:" + filepath.Join(t.TempDir(), "lars.db")
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"--backend", "quic"}, "quic"},
		{[]string{"--port", "-1"}, "from 0 to 65535"},
		{[]string{"--port", port, "--store", store}, "address already in use"},
		{[]string{"--ip", "localhost"}, "IP address"},
		{[]string{"--store", "mysql://a:b@c/d"}, "no password"},
		{[]string{"--db-passwd", "x"}, "not defined"},
		{[]string{"--config", "/nonexistent"}, "no such file"},
		{[]string{"extra"}, "unexpected argument"},
	}
	for name, run := range map[string]cli.Func{"dns": DNS(open, all), "reporter": Reporter(open, all)} {
		for _, test := range tests {
			_, code, err := command(t, run, test.args...)
			if code != cli.ExitUsage || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s %v: code %d, %v; want 2 and %q", name, test.args, code, err, test.want)
			}
		}
		if out, code, _ := command(t, run, "--help"); code != 0 || !strings.Contains(out, "Examples:") || !strings.Contains(out, "--db-passwd-file") {
			t.Errorf("%s --help: %d %s", name, code, out)
		}
	}
}
