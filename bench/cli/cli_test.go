package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	open "lars/backends"
	"lars/bench/record"
	"lars/bench/server"
	"lars/internal/cli"
	system "lars/system/cli"
)

// TestMain plays "lars serve", and is the services: the commands start
// their own binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "serve" {
		if i := slices.Index(os.Args, "--backend"); slices.Contains(open.Names(), os.Args[i+1]) {
			os.Exit(cli.Main(server.Commands(open.Open, open.Names()).Run, os.Stdout, os.Stderr, os.Args[2:]))
		}
		serve(os.Args[2:])
		return
	}
	if len(os.Args) > 2 && (os.Args[1] == "worker" || os.Args[1] == "run") {
		os.Exit(cli.Main(Commands(backends()).Run, os.Stdout, os.Stderr, os.Args[1:]))
	}
	if len(os.Args) > 2 && os.Args[1] == "bench" {
		os.Exit(cli.Main(Commands(backends()).Run, os.Stdout, os.Stderr, os.Args[2:]))
	}
	if len(os.Args) > 2 && slices.Contains([]string{agentService, dnsService, reporterService}, os.Args[1]) {
		services := cli.Table{Commands: []cli.Command{
			{Name: reporterService, Run: system.Reporter(open.Open, open.Names())},
			{Name: agentService, Run: system.Agent(open.Open, open.Names())},
			{Name: dnsService, Run: system.DNS(open.Open, open.Names())},
		}}
		os.Exit(cli.Main(services.Run, os.Stdout, os.Stderr, os.Args[1:]))
	}
	// The race detector's runtime sleeps a second before each server ends.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	os.Exit(m.Run())
}

// serve is an echo of bytes; only the backend "broken" is not, and epoll is the
// real server.
func serve(args []string) {
	line := strings.Join(args, " ")
	if strings.Contains(line, "--backend epoll") {
		os.Exit(cli.Main(server.Commands(open.Open, open.Names()).Run, os.Stdout, os.Stderr, args))
	}
	if strings.Contains(line, "--backend broken") {
		fmt.Fprintln(os.Stderr, "broken: cannot open")
		os.Exit(1)
	}
	if strings.Contains(line, "--udp") {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			os.Exit(1)
		}
		fmt.Printf("listening on %s\n", c.LocalAddr())
		buf := make([]byte, 65536)
		for {
			n, from, _ := c.ReadFrom(buf)
			_, _ = c.WriteTo(buf[:n], from)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	fmt.Printf("listening on %s\n", l.Addr())
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(c, c) }()
	}
}

func backends() []Backend {
	return []Backend{{Name: "alpha"}, {Name: "beta", Module: "example.org/beta@v1", UDPStandIns: []string{"UDP by alpha"}}, {Name: "broken"}}
}

// lars runs a command line below "lars bench". A short run in which a busy
// machine gave a server no time at all has no figures to look at: it is made
// again.
func lars(args ...string) (code int, stdout, stderr string) {
	return larsOn(backends(), args...)
}

func larsOn(b []Backend, args ...string) (code int, stdout, stderr string) {
	for range 10 {
		code, stdout, stderr = larsOnce(b, args...)
		if code != cli.ExitInvalid || !strings.Contains(stdout, "no request was answered") {
			break
		}
		if i := slices.Index(args, "--out"); i >= 0 {
			_ = os.RemoveAll(args[i+1]) // TestRun notices what is left
		}
	}
	return code, stdout, stderr
}

func larsOnce(b []Backend, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = cli.Main(Commands(b).Run, &out, &errs, args)
	return code, out.String(), errs.String()
}

// brief makes a run short.
func brief(args ...string) []string {
	return append(args, "--duration", "100ms", "--warmup", "20ms", "--conns", "3")
}

// measured says that a run was made. A busy machine may call a short one
// invalid, which is no fault of the code under test.
func measured(code int) bool { return code == 0 || code == 3 }

func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "result")
	code, stdout, stderr := lars(brief("run", "--backend", "alpha", "--out", dir)...)
	if !measured(code) || stderr != "" {
		t.Fatalf("code %d, stderr %q", code, stderr)
	}
	for _, want := range []string{
		"echo over tcp on alpha", "3 connections, closed loop of depth 1, 28-byte frames, 100ms measured after 20ms of warm-up",
		"throughput", "req/s", "latency p99.99", "latency max", "server CPU", "µs/req", "generator CPU", "server memory", "connections", "errors",
		"verdict: ", "files: " + dir,
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the output lacks %q:\n%s", want, stdout)
		}
	}
	if code, stdout, stderr = lars("verify", dir); code != 0 || !strings.Contains(stdout, "as it was written") {
		t.Errorf("verify: code %d, %q, %q", code, stdout, stderr)
	}
	if code, _, stderr = lars(brief("run", "--backend", "alpha", "--out", dir)...); code != 2 || !strings.Contains(stderr, "holds a result already") {
		t.Errorf("a second run to the same directory: code %d, %q", code, stderr)
	}
	if err := os.WriteFile(filepath.Join(dir, record.BenchFile), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr = lars("verify", dir); code != 1 || !strings.Contains(stderr, record.BenchFile) {
		t.Errorf("verify of a spoilt result: code %d, %q", code, stderr)
	}
	if code, stdout, stderr = lars("render", dir); code != 0 || !strings.HasSuffix(stdout, "made again: bench.txt\n") {
		t.Errorf("render of a spoilt result: code %d, %q, %q", code, stdout, stderr)
	}
	if code, stdout, stderr = lars("verify", filepath.Dir(dir)); code != 0 {
		t.Errorf("verify of what was made again: code %d, %q, %q", code, stdout, stderr)
	}
}

func TestJSON(t *testing.T) {
	code, stdout, _ := lars(brief("run", "--backend", "beta", "--udp", "--json", "--out", "none")...)
	if !measured(code) {
		t.Fatalf("code %d: %s", code, stdout)
	}
	r, err := record.Parse([]byte(stdout))
	if err != nil {
		t.Fatal(err)
	}
	a := r.Arm("beta")
	if a == nil || a.Module != "example.org/beta@v1" || len(a.StandIns) != 1 || r.Scenario.Network != "udp" {
		t.Errorf("arm %+v, scenario %+v", a, r.Scenario)
	}
}

func TestAll(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "result")
	code, stdout, stderr := lars("all", "--backends", "alpha,beta", "--duration", "60ms", "--warmup", "10ms", "--conns", "3", "--repeat", "6", "--out", dir)
	if !measured(code) {
		t.Fatalf("code %d: %s %s", code, stdout, stderr)
	}
	for _, want := range []string{"alpha   ", "beta\n", "times alpha", "ratios within 6 rounds, with 95 % intervals", "medians of 6 rounds"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the output lacks %q:\n%s", want, stdout)
		}
	}
	svg, err := os.ReadFile(filepath.Join(dir, record.PictureFile))
	if err != nil || !bytes.Contains(svg, []byte("alpha")) || !bytes.Contains(svg, []byte("beta")) {
		t.Errorf("the picture lacks an arm (%v)", err)
	}
}

// TestCapacity makes a short search; whether it finds something is up to the
// machine.
func TestCapacity(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "result")
	code, stdout, stderr := lars("capacity", "--slo", "p50:1s", "--backend", "alpha", "--to", "1500", "--duration", "50ms", "--warmup", "10ms", "--conns", "3", "--out", dir)
	if code != 0 {
		t.Fatalf("code %d: %s %s", code, stdout, stderr)
	}
	for _, want := range []string{"open loop of 1000 to 1500 requests a second", "\nalpha: p50:1s", "offered", "from below", "verdict: ", "files: " + dir} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the output lacks %q:\n%s", want, stdout)
		}
	}
	r, err := record.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Arms[0].Sweep; r.Kind != "capacity" || s == nil || s.SLO.LimitNS != 1e9 || len(s.Points) < 2 {
		t.Errorf("%+v", r.Arms[0].Sweep)
	}
}

func TestRefusals(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, c := range []struct {
		args string
		says string
	}{
		{"run --backend nope", `unknown backend "nope". Known: alpha, beta, broken, floor`},
		{"run --backend broken", "broken: cannot open"},
		{"run --backend alpha --listen " + l.Addr().String(), "choose another port"},
		{"run --backend alpha --listen here", "write it as 127.0.0.1:7777"},
		{"run --addr here", "write it as 127.0.0.1:7777"},
		{"run --addr 127.0.0.1:1 --server x", "exclude each other"},
		{"run --server /nonexistent/server", "give the whole path"},
		{"run --backend alpha --pin 5", "SERVER:GENERATOR"},
		{"run --backend alpha --pin 900:901", "--pin off"},
		{"run --backend alpha --conns 0", "choose 1 or more"},
		{"run --backend alpha --repeat 0", "1 or more"},
		{"run --backend alpha --depth -3", "depth -3"},
		{"run --backend alpha --rate -3", "rate -3"},
		{"run --backend alpha --arrivals sometimes", "choose poisson or constant"},
		{"run --backend alpha --payload -1", "choose 0"},
		{"run --backend alpha --udp --idle 10", "UDP has none"},
		{"run --backend alpha --duration 0s", "nothing would be measured\nRun 'lars bench run --help'"},
		{"run --backend alpha --duration soon", "-duration"},
		{"run --backend alpha --out /proc/nowhere", "can be written"},
		{"run --workload nope", "Known: echo, churn, idle, slow, gethost, getroute, mixed, report, reportstore, push"},
		{"run --workload push --rate 5", "its own pace"},
		{"run --workload getroute --udp", "over TCP"},
		{"run --workload gethost --payload 9", "follows from --hosts"},
		{"run --workload gethost --addr 127.0.0.1:1", "needs one that knows its routes: lars agent"},
		{"run --workload gethost --loops 2", "one loop"},
		{"run --workload gethost --modules 0", "choose 1 to 15000"},
		{"run --workload report --hosts 1000", "choose 1 to 250"},
		{"run --workload getroute --depth 501", "choose up to 500"},
		{"run --workload getroute --backend floor", "no dns on it"},
		{"run --workload gethost --listen here", "write it as"},
		{"run alpha", "flags are written"},
		{"all --backends alpha,nope", "unknown backend"},
		{"all --backends alpha,alpha", "two servers are named"},
		{"all --backends alpha --baseline beta", "not among the servers"},
		{"run --backend alpha --json --markdown", "exclude each other"},
		{"run --backend alpha --workers 127.0.0.1:1", "does lars bench worker --listen run there?"},
		{"run --workers 127.0.0.1:1 --workers-listen 127.0.0.1:0", "exclude each other"},
		{"run --workers-listen 127.0.0.1:0", "choose 1 to 256"},
		{"run --workers-count 2", "is for --workers-listen"},
		{"run --backend alpha --workers-listen 0.0.0.0:0 --workers-count 1", "--token-file is needed"},
		{"run --backend alpha --workers 127.0.0.1:1 --token-file /nonexistent/token", "no such file"},
		{"run --backend alpha --workers 127.0.0.1:1 --token-file /dev/null", "a token has 1 to 4096 bytes"},
		{"worker", "either --listen or --join"},
		{"worker --listen 0.0.0.0:0", "--token-file is needed"},
		{"worker --listen here", "write it as"},
		{"worker --listen 127.0.0.1:0 --cpus x", "--cpus"},
		{"worker --listen 127.0.0.1:0 --cpus 900", "this process may use"},
		{"run --backend alpha --duration 1000000h", "choose up to 24h"},
		{"capacity --from 5000 --to 1000", "--from 5000 is above --to 1000"},
		{"compare --a alpha --b beta --epochs 0", "nothing would be compared"},
		{"scenarios --show mixed --schema", "exclude each other"},
		{"scenarios --check /nonexistent/mine.yaml", "give the path of a scenario file"},
		{"capacity --slo soon", "such as p99:5ms"},
		{"capacity --slo p99.999:5ms --to 10000", "cannot be measured: windows of 1s would have to have 1500000 requests"},
		{"capacity --for 20s", "--for 20s is time for 15 windows, and a search needs 60: choose 1m19s or more"},
		{"capacity --from 10", "choose 1500 or more, or a longer --duration"},
		{"capacity --from 5000 --to 4000", "is above --to"},
		{"capacity --to 0", "choose a rate above 0"},
		{"capacity --duration 0s", "nothing would be measured"},
		{"capacity --workload report", "requests with a reply: echo, churn, gethost, mixed, getroute"},
		{"capacity --backend nope", "unknown backend"},
		{"verify", "which folder"},
		{"render nowhere", "no such file"},
		{"stages --backend floor", "tells no times"},
		{"stages --backend nope", "unknown backend"},
		{"stages --backend alpha --generator-loops 2", "taken by one"},
		{"stages --backend alpha", "did not answer one request"},
		{"compare", "give --a NAME or --a-bin PATH"},
		{"compare --a alpha", "give --b NAME or --b-bin PATH"},
		{"compare --a alpha --a-bin x --b beta", "one of them"},
		{"compare --a alpha --b nope", "unknown backend"},
		{"compare --a alpha --b broken", "broken: cannot open"},
		{"compare --a alpha --base HEAD", "leave --a, --b"},
		{"compare --base nonesuch --backend alpha", "no such commit \"nonesuch\""},
		{"compare --base HEAD --backend alpha --repo /", "in no git repository"},
		{"compare --a alpha --b beta --epochs 3", "choose 9 or more"},
		{"compare --a alpha --b beta --depth 1 --epochs 7", "choose 8 or more"},
		{"compare --a alpha --b beta --design feeling", "choose auto, request-duet, process-duet, abba"},
		{"compare --a alpha --b beta --json --markdown", "exclude each other"},
		{"compare --a alpha --b beta --workload push", "requests with a reply"},
		{"compare --a alpha --b-bin /nonexistent/server --backend alpha", "give the whole path"},
		{"index", "which folder"},
		{"merge out/x out/y", "two or more"},
		{"run --backend alpha --archive x --out y", "exclude each other"},
		{"frobnicate", "Known: run, all, compare, stages, "},
	} {
		t.Run(c.args, func(t *testing.T) {
			code, stdout, stderr := lars(strings.Fields(c.args)...)
			if code != 2 || !strings.Contains(stderr, c.says) || stdout != "" {
				t.Errorf("code %d, stdout %q, stderr %q: want 2, nothing, %q", code, stdout, stderr, c.says)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"run", "--help"}, {"all", "--help"}, {"capacity", "--help"}, {"compare", "--help"}, {"stages", "--help"}, {"worker", "--help"}, {"verify", "-h"}, {"help"}} {
		code, stdout, _ := lars(args...)
		if code != 0 || !strings.Contains(stdout, "Examples:") || !strings.Contains(stdout, "Usage: lars bench") {
			t.Errorf("%v: code %d, %s", args, code, stdout)
		}
	}
}

// TestServerCommand: an arbitrary program that keeps to the one rule.
func TestServerCommand(t *testing.T) {
	code, stdout, stderr := lars(brief("run", "--server", os.Args[0]+" serve echo", "--json", "--out", "none")...)
	if !measured(code) {
		t.Fatalf("code %d, %s", code, stderr)
	}
	var r record.Run
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || r.Arms[0].Name != "external" {
		t.Errorf("%v: %+v", err, r.Arms)
	}
}
