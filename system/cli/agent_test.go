package cli

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"lars/backends"
	"lars/internal/cli"
	"lars/reactor/frame"
	"lars/system/lars"
	"lars/system/wire"
)

// plainDNS answers modules (1, n) with n hosts, and others with none.
func plainDNS(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { ln.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { defer c.Close(); answerRoutes(c) })
		}
	})
	return ln.Addr().String()
}

func answerRoutes(c net.Conn) {
	for {
		var head [frame.HeadBytes]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		body := make([]byte, binary.LittleEndian.Uint32(head[4:]))
		var q wire.GetRouteRequest
		if _, err := io.ReadFull(c, body); err != nil || q.Decode(body) != nil {
			return
		}
		a := wire.GetRouteResponse{ModID: q.ModID, CmdID: q.CmdID}
		for n := int32(1); q.ModID == 1 && n <= q.CmdID; n++ {
			a.Hosts = append(a.Hosts, wire.HostInfo{IP: -1062731520 + n, Port: 7000 + n}) // 192.168.1.0
		}
		if _, err := c.Write(frame.Append(nil, wire.IDGetRouteResponse, a.AppendTo(nil))); err != nil {
			return
		}
	}
}

// agentProcess runs the command "lars agent" until the test ends, and returns
// its addresses as a value for --agent.
func agentProcess(t *testing.T, args ...string) (agent string, stopped func() string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		var log bytes.Buffer
		err := Agent(backends.Open, backends.Names())(ctx, w, &log, args)
		w.Close()
		ended <- err
	}()
	line := make([]byte, 4096)
	n, err := r.Read(line)
	if err != nil {
		t.Fatal(err, <-ended)
	}
	found := regexp.MustCompile(`listening on \[(\S+) (\S+) (\S+)\], backend`).FindStringSubmatch(string(line[:n]))
	if found == nil {
		t.Fatalf("first line %q", line[:n])
	}
	var once sync.Once
	last := ""
	stop := func() string {
		once.Do(func() {
			cancel()
			rest, _ := io.ReadAll(r)
			last = string(rest)
			if err := <-ended; err != nil {
				t.Error("lars agent:", err)
			}
		})
		return last
	}
	t.Cleanup(func() { stop() })
	return strings.Join(found[1:], ","), stop
}

// run runs a command and returns what it prints and its exit code.
func runCommand(t *testing.T, f cli.Func, args ...string) (stdout, message string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	err := f(ctx, &out, &errs, args)
	cli.Print(&errs, err)
	return out.String(), errs.String(), cli.Code(err)
}

// until runs a command until it gets its exit code. It is for calls of an agent:
// their time is short, as people want it, and a busy machine may not let the
// agent run in it, or not let it hear from dns.
func until(t *testing.T, want int, f cli.Func, args ...string) (stdout, message string, code int) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		stdout, message, code = runCommand(t, f, args...)
		late := code == exitAgent+lars.Retcode(lars.ErrTimeout) || code == exitAgent+lars.Retcode(lars.ErrNotExist)
		if code == want || !late || time.Now().After(end) {
			return stdout, message, code
		}
	}
}

// With the tools of a shell on a whole agent, on every backend.
func TestAgentAndItsTools(t *testing.T) {
	dns := plainDNS(t)
	for _, backend := range backends.Names() {
		t.Run(backend, func(t *testing.T) {
			at, stop := agentProcess(t, "--backend", backend, "--port", "0", "--dns", dns, "--reporter", "127.0.0.1:9",
				"--routes-file", filepath.Join(t.TempDir(), "routes"), "--loops", "2")
			for _, c := range []struct {
				run  cli.Func
				args string
				code int
				out  string // all of it
				err  string // a part of it
			}{
				{Register, "1 2", 0, "modid = 1, cmdid = 2 is registered\n", ""},
				{GetHost, "1 1", 0, "host is 192.168.1.1:7001\n", ""},
				{GetRoute, "1 1", 0, "ip = 192.168.1.1, port = 7001\n", ""},
				{Report, "1 1 192.168.1.1 7001 0", 0, "report modid = 1, cmdid = 1 | 192.168.1.1:7001 SUCC\n", ""},
				{Report, "1 1 192.168.1.1 7001 1", 0, "report modid = 1, cmdid = 1 | 192.168.1.1:7001 OVERLOAD\n", ""},
				{Report, "1 1 192.168.1.1:70000 0", 2, "", `"192.168.1.1" and "70000": want an IPv4 address and a port`},
				{Report, "1 1 192.168.1.1:7001 -1111", 0, "report modid = 1, cmdid = 1 | 192.168.1.1:7001 OVERLOAD\n", ""},
				{Register, "1 2 --json", 0, `{"modid":1,"cmdid":2}` + "\n", ""},
				{GetHost, "1 1 --json", 0, `{"modid":1,"cmdid":1,"host":"192.168.1.1:7001"}` + "\n", ""},
				{GetRoute, "1 2 --json", 0, `{"modid":1,"cmdid":2,"hosts":["192.168.1.1:7001","192.168.1.2:7002"],"cut":false}` + "\n", ""},
				{Report, "1 1 192.168.1.1:7001 0 --json", 0, `{"modid":1,"cmdid":1,"host":"192.168.1.1:7001","retcode":0}` + "\n", ""},
				{GetHost, "9 9 --json", 13, "", "modid 9, cmdid 9"},
				{GetHost, "9 9", 13, "", "modid 9, cmdid 9"},
				{GetRoute, "9 9", 13, "", "no host"},
				{Register, "9 9", 13, "", "no host"},
				{HostStates, "9 9", 13, "", "no host"},
				{HostStates, "1", 2, "", "1 arguments: want 2"},
				{Report, "9 9 1.2.3.4 5 0", 13, "", "no host"},
				{GetHost, "1", 2, "", "1 arguments: want 2"},
				{GetHost, "x 1", 2, "", `"x" is not a module id`},
				{GetHost, "1 4294967296", 2, "", "not a module id"},
				{Report, "1 1 localhost 80 0", 2, "", "IPv4"},
				{Report, "1 1 1.2.3.4 0 0", 2, "", "port"},
				{Report, "1 1 1.2.3.4 80 yes", 2, "", "retcode"},
			} {
				out, msg, code := until(t, c.code, c.run, append(strings.Fields(c.args), "--agent", at)...)
				if out != c.out || !strings.Contains(msg, c.err) || code != c.code {
					t.Errorf("%s: code %d, %q, %q; want %d, %q, %q", c.args, code, out, msg, c.code, c.out, c.err)
				}
			}
			if out, _, code := until(t, 0, GetHost, "--agent", at, "1", "1"); out == "" || code != 0 {
				t.Errorf("flags first: code %d, %q", code, out)
			}
			out, _, code := runCommand(t, HostStates, "1", "2", "--agent", at)
			if !strings.HasPrefix(out, "algorithm=ewma  (the agent's own)\nHOST ") || strings.Count(out, "\n") != 4 || code != 0 {
				t.Errorf("hosts: code %d, %q", code, out)
			}
			out, _, code = runCommand(t, HostStates, "1", "1", "--json", "--agent", at)
			var h lars.Hosts
			if err := json.Unmarshal([]byte(out), &h); err != nil || code != 0 || len(h.Hosts) != 1 || h.Hosts[0].Succ != 2 || h.Hosts[0].Err != 2 {
				t.Errorf("hosts as JSON: code %d, %q, %v", code, out, err)
			}
			if last := stop(); !strings.Contains(last, `"reports":4`) {
				t.Errorf("last words %q", last)
			}
		})
	}
}

func TestQPS(t *testing.T) {
	at, _ := agentProcess(t, "--port", "0", "--dns", plainDNS(t), "--reporter", "127.0.0.1:9", "--routes-file", "")
	var r qpsResult
	out, msg, code := "", "", 0
	for range 10 { // until no call was late
		out, msg, code = until(t, 0, QPS, "--agent", at, "--module", "1,3", "--threads", "2", "--duration", "200ms", "--json")
		if r = (qpsResult{}); json.Unmarshal([]byte(out), &r) == nil && r.Calls > 0 && r.Succ == r.Calls {
			break
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
		t.Fatalf("%v, code %d, %q %q", err, code, out, msg)
	}
	if r.Calls == 0 || r.Succ != r.Calls || r.Rate <= 0 || len(r.Latency) != 5 || r.Latency[0].Micros <= 0 {
		t.Errorf("%+v", r)
	}
	// The original's argument; its thread 1 calls a module without hosts.
	for range 10 { // until its second was not over too late to be told
		if out, _, code = until(t, 0, QPS, "2", "--agent", at, "--duration", "1100ms"); strings.Contains(out, "thread:[1]") {
			break
		}
	}
	for _, want := range []string{
		"modid 2, cmdid 1 still not exist host, after register, ret = 3\n",
		"thread:[0] --> qps = [", "thread:[1] --> qps = [", "], average = [", "get_host p50 ", "get_host p100 ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if code != 0 {
		t.Errorf("code %d", code)
	}
	for _, args := range [][]string{{"--threads", "0"}, {"--duration", "-1s"}, {"1", "2"}, {"--module", "1"}, {"x"}} {
		if _, _, code := runCommand(t, QPS, args...); code != 2 {
			t.Errorf("%v: code %d", args, code)
		}
	}
}

// Nobody listens there.
func TestSimulator(t *testing.T) {
	at, _ := agentProcess(t, "--port", "0", "--dns", plainDNS(t), "--reporter", "127.0.0.1:9", "--routes-file", filepath.Join(t.TempDir(), "routes"))
	out, msg, code := until(t, 0, Simulator, "1", "1", "3", "50", "--agent", at, "--pause", "1ms")
	good, bad := strings.Count(out, "host 192.168.1.1:7001 called  SUCCESS.\n"), strings.Count(out, "host 192.168.1.1:7001 called  ERROR!!!\n")
	sum := fmt.Sprintf("ip : 192.168.1.1:7001: success: %d; error: %d\n", good, bad)
	over := strings.Count(out, "1,1 all hosts were overloaded!!!\n") // a host that fails so often
	if code != 0 || good+bad+over != 50 || good == 0 || bad == 0 || !strings.HasSuffix(out, sum) {
		t.Errorf("code %d, %q\n%s", code, msg, out)
	}
	for _, args := range []string{"1", "1 1 11", "1 1 2 -1", "1 1 2 3 4", "a 1"} {
		if _, msg, code := runCommand(t, Simulator, append(strings.Fields(args), "--agent", at)...); code != 2 {
			t.Errorf("%s: code %d, %q", args, code, msg)
		}
	}
	if _, msg, code := until(t, 13, Simulator, "9", "9", "--agent", at); code != 13 || !strings.Contains(msg, "modid 9, cmdid 9") {
		t.Errorf("no such module: code %d, %q", code, msg)
	}
}

func TestToolsWithoutAnAgent(t *testing.T) {
	var addrs []string
	for range wire.AgentPorts {
		u, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, u.LocalAddr().String())
		u.Close()
	}
	at := strings.Join(addrs, ",")
	for name, f := range map[string]cli.Func{"gethost": GetHost, "getroute": GetRoute, "register": Register, "hosts": HostStates} {
		if out, msg, code := runCommand(t, f, "1", "1", "--agent", at); code != 12 || out != "" || !strings.Contains(msg, "refused") {
			t.Errorf("%s: code %d, %q, %q", name, code, out, msg)
		}
	}
	if _, msg, code := runCommand(t, QPS, "--agent", at, "--duration", "10ms"); code != 12 {
		t.Errorf("qps: code %d, %q", code, msg)
	}
}

func TestAgentAddrs(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1:8888": "[127.0.0.1:8888 127.0.0.1:8889 127.0.0.1:8890]",
		"a:1,b:2,c:3":    "[a:1 b:2 c:3]", // lars.New judges them
		"127.0.0.1":      "", "127.0.0.1:65534": "", "127.0.0.1:0": "", "a:1,b:2": "",
	} {
		got, err := agentAddrs(text)
		if (err != nil) != (want == "") || err == nil && fmt.Sprint(got) != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

// Every command explains itself, with an example and the codes.
func TestHelpOfAgentAndTools(t *testing.T) {
	for name, f := range map[string]cli.Func{
		"agent": Agent(backends.Open, backends.Names()), "gethost": GetHost, "getroute": GetRoute,
		"report": Report, "register": Register, "hosts": HostStates, "qps": QPS, "sim": Simulator,
	} {
		out, _, code := runCommand(t, f, "--help")
		if code != 0 || !strings.Contains(out, "Usage: lars "+name) || !strings.Contains(out, "Examples:\n  lars "+name) {
			t.Errorf("%s: code %d\n%s", name, code, out)
		}
	}
	if _, msg, code := runCommand(t, Agent(backends.Open, backends.Names()), "--backend", "nosuch"); code != 2 || !strings.Contains(msg, "epoll") {
		t.Errorf("code %d, %q", code, msg)
	}
	if _, msg, code := runCommand(t, Agent(backends.Open, backends.Names()), "--config", "nosuch.conf"); code != 2 || !strings.Contains(msg, "nosuch.conf") {
		t.Errorf("code %d, %q", code, msg)
	}
}
