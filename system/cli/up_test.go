package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"lars/backends"
	"lars/system/up"
)

// upLine is a line of "lars up --json".
type upLine struct {
	upEvent
	Services []up.ServiceStatus `json:"services"`
	Samples  int                `json:"samples"`
	Version  int64              `json:"routes_version"`
}

// startUp runs "lars up" until stop, which returns what it printed after its
// first line.
func startUp(t *testing.T, args ...string) (first string, stop func() string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := Up(backends.Open, backends.Names())(ctx, out, io.Discard, args)
		ended <- err
		_ = out.CloseWithError(err)
	}()
	lines := bufio.NewReader(in)
	first, err := lines.ReadString('\n')
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	stop = func() string {
		cancel()
		rest, _ := io.ReadAll(lines)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		return string(rest)
	}
	return first, stop
}

// A first start has samples, a second one what the first left; the commands
// that it names work as they stand.
func TestUp(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new", "folder")
	for start, samples := range []int{4, 0} {
		text, stop := startUp(t, "--backend", "std", "--base-port", "0", "--data", folder, "--json")
		var line upLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err, text)
		}
		if line.Event != "up" || line.Samples != samples || len(line.Services) != 3 || line.Version != int64(start+1) {
			t.Errorf("start %d: %s", start, text)
		}
		if line.Store != "sqlite:"+filepath.Join(folder, "lars.db") {
			t.Errorf("store %q", line.Store)
		}
		agent := strings.Fields(line.Next[0])
		if out, msg, code := until(t, 0, GetHost, agent[2:]...); code != 0 || !strings.HasPrefix(out, "host is ") {
			t.Errorf("%s: %q %q", line.Next[0], out, msg)
		}
		if start == 0 {
			add := strings.Fields(strings.ReplaceAll(line.Next[1], "'", ""))
			if out, msg, code := runCommand(t, Route().Run, add[2:]...); code != 0 || !strings.Contains(out, "1 added") {
				t.Errorf("%s: %q %q", line.Next[1], out, msg)
			}
		}
		rest := stop()
		if !strings.Contains(rest, `{"event":"stopping"}`) || !strings.Contains(rest, `"agent":{"counts":`) {
			t.Errorf("end of start %d: %s", start, rest)
		}
	}
}

func TestUpTellsAPerson(t *testing.T) {
	first, stop := startUp(t, "--base-port", "0", "--data", t.TempDir(), "--no-samples", "--agent-flags", "--probe-num 5")
	text := first + stop()
	for _, want := range []string{
		"lars is up: backend epoll, in one process\n", "  dns       127.0.0.1:", "(TCP)\n", "(UDP)\n", "version 0: none yet",
		"Try in another terminal:\n  ", " gethost 1 1 --agent 127.0.0.1:", " route add --module 1,1", "Ctrl-C ends it", "stopping; Ctrl-C once more", "\n  dns       loads ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestUpRefuses(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	port := strconv.Itoa(busy.Addr().(*net.TCPAddr).Port)
	folder := t.TempDir()
	for _, c := range []struct {
		args string
		want []string
	}{
		{"--base-port 0 --reporter-port " + port, []string{"nothing was started", port + "/tcp (reporter): address already in use", "lars up --base-port 0", "--dns-port"}},
		{"--backend quic", []string{"quic", "epoll, evio, netpoll, std"}},
		{"--base-port 65532", []string{"want 1 to 65531"}},
		{"--agent-port 65534", []string{"port 65534"}},
		{"--dns-port -1", []string{"port -1"}},
		{"--ip localhost", []string{"want an IPv4 address"}},
		{"--loops -1", []string{"-1 loops"}},
		{"--store oracle://x", []string{"sqlite:PATH or mysql"}},
		{"--store mysql://a:b@c/d", []string{"no password in the address"}},
		{"--data /dev/null/x", []string{"/dev/null"}},
		{"--processes=maybe", []string{"maybe"}},
		{"now", []string{"unexpected argument"}},
	} {
		_, msg, code := runCommand(t, Up(backends.Open, backends.Names()), append([]string{"--data", folder}, strings.Fields(c.args)...)...)
		if code != 2 {
			t.Errorf("%s: code %d", c.args, code)
		}
		for _, want := range c.want {
			if !strings.Contains(msg, want) {
				t.Errorf("%s: no %q in %q", c.args, want, msg)
			}
		}
	}
	_, msg, code := runCommand(t, Up(backends.Open, backends.Names()), "--base-port", "0", "--data", folder, "--agent-flags", "--probe-num x")
	if code == 0 || !strings.Contains(msg, "probe-num") {
		t.Errorf("code %d, %q", code, msg)
	}
}

func TestUpPorts(t *testing.T) {
	original := up.Ports{DNS: 7778, Reporter: 7779, Agent: 8888}
	for _, c := range []struct {
		base  int
		named up.Ports
		want  up.Ports
	}{
		{-1, up.Ports{}, original},
		{-1, up.Ports{Agent: 9000}, up.Ports{DNS: 7778, Reporter: 7779, Agent: 9000}},
		{100, up.Ports{}, up.Ports{DNS: 100, Reporter: 101, Agent: 102}},
		{0, up.Ports{DNS: 5}, up.Ports{DNS: 5}},
	} {
		if got, err := upPorts(c.base, c.named); err != nil || got != c.want {
			t.Errorf("%d, %+v: %+v, %v", c.base, c.named, got, err)
		}
	}
}

func TestHelpOfUp(t *testing.T) {
	out, _, code := runCommand(t, Up(backends.Open, backends.Names()), "--help")
	for _, want := range []string{"Usage: lars up", "--processes", "--base-port PORT", "Examples:\n  lars up"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("code %d, no %q in\n%s", code, want, out)
		}
	}
}
