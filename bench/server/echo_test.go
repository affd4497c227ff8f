package server

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lars/backends"
	"lars/internal/cli"
	"lars/reactor"
	"lars/reactor/frame"
)

const patience = 30 * time.Second

// start runs "lars serve echo" until the test ends or stop is called, which
// returns its last line.
func start(t *testing.T, args ...string) (addr string, stop func() string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := Commands(backends.Open, backends.Names()).Run(ctx, w, io.Discard, append([]string{"echo"}, args...))
		w.CloseWithError(err)
		done <- err
	}()
	t.Cleanup(cancel)
	lines := bufio.NewReader(r)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(line, "listening on ")), func() string {
		cancel()
		last, _ := lines.ReadString('\n')
		if err := <-done; err != nil {
			t.Errorf("echo ended with %v", err)
		}
		return last
	}
}

func TestEcho(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			args := []string{"--listen", "127.0.0.1:0", "--loops", "2"}
			if network == "udp" {
				args = append(args, "--udp")
			}
			addr, stop := start(t, args...)
			c, err := net.Dial(network, addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(patience))
			message := frame.Append(nil, 1, []byte("Hello Lars!!!"))
			if _, err := c.Write(message); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(message))
			if _, err := io.ReadFull(c, got); err != nil || string(got) != string(message) {
				t.Fatalf("answer %q, %v", got, err)
			}
			c.Close()
			var s reactor.Stats
			if err := json.Unmarshal([]byte(stop()), &s); err != nil || s.MessagesIn != 1 || s.MessagesOut != 1 {
				t.Errorf("last line: %+v, %v", s, err)
			}
		})
	}
}

func TestAddressIPv6(t *testing.T) {
	o, _, err := parse(io.Discard, []string{"--ip", "::1", "--port", "0"}, nil)
	if err != nil || o.listen != "[::1]:0" {
		t.Errorf("listens on %q, %v", o.listen, err)
	}
}

func TestConfigurationFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "serv.conf")
	text := "; the original's example\n[reactor]\nip = 127.0.0.1\nport = 0\nmaxConn = 1\nthreadNum = 2\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	addr, _ := start(t, "--config", path)
	first, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_ = first.SetDeadline(time.Now().Add(patience))
	message := frame.Append(nil, 1, nil)
	_, _ = first.Write(message)
	if _, err := io.ReadFull(first, message); err != nil {
		t.Fatal(err)
	}
	second, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	_ = second.SetDeadline(time.Now().Add(patience))
	if n, err := second.Read(message); n != 0 || os.IsTimeout(err) {
		t.Errorf("maxConn = 1: a second connection lives (%d bytes, %v)", n, err)
	}
}

func TestUsageErrors(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.conf")
	if err := os.WriteFile(bad, []byte("[reactor]\nport = high\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, tt := range []struct{ args, want string }{
		{"--backend nope", `unknown backend "nope"`},
		{"--listen 127.0.0.1", "want ip:port"},
		{"--listen " + taken.Addr().String(), "address already in use: choose another port"},
		{"--backend evio --listen 127.0.0.1:0 --reuseport", "with ReusePort on evio: not supported by this backend"},
		{"--udp --reuseport", "--reuseport with --udp"},
		{"--loops 0", "whole number from 1 to 1024"},
		{"--body-max 99999999", "BodyBytesMax"},
		{"--config " + bad, `bad.conf:2: [reactor] port: "high" is not a whole number`},
		{"--config " + bad + ".none", "no such file"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			args := append([]string{"echo"}, strings.Fields(tt.args)...)
			err := Commands(backends.Open, backends.Names()).Run(context.Background(), io.Discard, io.Discard, args)
			if err == nil || !strings.Contains(err.Error(), tt.want) || cli.Code(err) != cli.ExitUsage {
				t.Errorf("error %v (exit %d), want %q and exit %d", err, cli.Code(err), tt.want, cli.ExitUsage)
			}
		})
	}
}

// TestCounters: two readings hold the requests between them.
func TestCounters(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		args := []string{"--listen", "127.0.0.1:0"}
		if network == "udp" {
			args = append(args, "--udp")
		}
		addr, stop := start(t, args...)
		c, err := net.Dial(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		ask := func(id int32, body string) []byte {
			t.Helper()
			if _, err := c.Write(frame.Append(nil, id, []byte(body))); err != nil {
				t.Fatal(err)
			}
			buf, have := make([]byte, 64<<10), 0
			for {
				n, err := c.Read(buf[have:])
				if err != nil {
					t.Fatal(err)
				}
				have += n
				if got, size, _ := frame.Next(buf[:have], len(buf)); size > 0 {
					if got != id {
						t.Fatalf("a reply of id %d to %d", got, id)
					}
					return buf[frame.HeadBytes:size]
				}
			}
		}
		read := func() (got Counters) {
			t.Helper()
			if err := json.Unmarshal(ask(CountersID, ""), &got); err != nil {
				t.Fatal(err)
			}
			return got
		}
		before := read()
		for range 5 {
			ask(1, "x")
		}
		after := read()
		if n := after.MessagesIn - before.MessagesIn; n != 6 || after.Mallocs <= before.Mallocs || after.AllocBytes <= before.AllocBytes {
			t.Errorf("%s: %d messages between, %d mallocs, then %d", network, n, before.Mallocs, after.Mallocs)
		}
		var last Counters
		if err := json.Unmarshal([]byte(stop()), &last); err != nil || last.MessagesIn < after.MessagesIn {
			t.Errorf("%s: at the end %+v, %v", network, last, err)
		}
	}
}
