package cli

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lars/bench/pace"
	"lars/bench/record"
)

// startWorker runs "lars bench worker" as a process of its own.
func startWorker(t *testing.T, args ...string) (addr string, p *os.Process) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"worker", "--listen", "127.0.0.1:0"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(line, "listening on ")), cmd.Process
}

// countingEcho is an echo that counts what it has received.
func countingEcho(t *testing.T) (addr string, bytes *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	bytes = new(atomic.Int64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, io.TeeReader(c, counter{bytes})); c.Close() }()
		}
	}()
	return l.Addr().String(), bytes
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return len(b), nil
}

const echoBytes = 28 // a frame with the original's content

// TestWorkers: three processes send every arrival of the schedule once.
func TestWorkers(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, _ := startWorker(t, "--name", "one", "--token-file", token)
	b, _ := startWorker(t, "--name", "two", "--token-file", token)
	c, _ := startWorker(t, "--name", "three", "--token-file", token)
	addr, bytes := countingEcho(t)
	dir := filepath.Join(t.TempDir(), "result")
	code, stdout, stderr := larsOnce(backends(), "run", "--addr", addr, "--rate", "1500", "--seed", "9", "--conns", "7", "--warmup", "50ms", "--duration", "200ms",
		"--workers", a+","+b+","+c, "--token-file", token, "--out", dir)
	if !measured(code) || !strings.Contains(stdout, "the load comes from 3 workers: one (127.0.0.1:") {
		t.Fatalf("code %d: %s %s", code, stdout, stderr)
	}
	s, err := pace.New(pace.Poisson, 1500, 9)
	if err != nil {
		t.Fatal(err)
	}
	due := int64(0)
	for s.Next() < int64(250*time.Millisecond) {
		due++
	}
	if got := bytes.Load(); got != (due+1)*echoBytes { // one is the question before
		t.Errorf("the server received %v frames, %d were due", float64(got)/echoBytes-1, due)
	}
	r, err := record.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	round := r.Arms[0].Rounds[0]
	sent := int64(0)
	for _, w := range round.Workers {
		sent += w.Sent
	}
	if len(round.Workers) != 3 || sent != round.Counts["sent"] {
		t.Errorf("%+v of %d sent", round.Workers, round.Counts["sent"])
	}
}

// TestCapacityByWorker: the windows of a search are made by a worker.
func TestCapacityByWorker(t *testing.T) {
	a, _ := startWorker(t, "--name", "one")
	code, stdout, stderr := lars("capacity", "--slo", "p50:1s", "--backend", "alpha", "--to", "1500", "--duration", "50ms", "--warmup", "0s", "--conns", "3",
		"--workers", a, "--markdown", "--out", "none")
	for _, want := range []string{"* **alpha**: p50:1s", "| from below |", "note: the load comes from worker one (127.0.0.1:"} {
		if code != 0 || !strings.Contains(stdout, want) {
			t.Errorf("code %d, the output lacks %q:\n%s%s", code, want, stdout, stderr)
		}
	}
}

// TestWorkerDies: the run is invalid, names the worker, and is over.
func TestWorkerDies(t *testing.T) {
	a, _ := startWorker(t, "--name", "steady")
	b, victim := startWorker(t, "--name", "mortal")
	addr, bytes := countingEcho(t)
	go func() {
		for bytes.Load() < 100*echoBytes {
			time.Sleep(time.Millisecond)
		}
		_ = victim.Kill()
	}()
	code, stdout, stderr := lars("run", "--addr", addr, "--conns", "4", "--warmup", "0s", "--duration", "1h", "--repeat", "5", "--workers", a+","+b, "--out", "none")
	if code != 3 || !strings.Contains(stdout, "verdict: invalid") || !strings.Contains(stdout, "worker mortal ("+b+") failed: its connection ended") {
		t.Errorf("code %d: %s %s", code, stdout, stderr)
	}
}

// TestManifest: the command in the manifest is one that this package has.
func TestManifest(t *testing.T) {
	raw, err := os.ReadFile("../../deploy/kubernetes/bench-workers.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"command: [": "lars, bench, worker", "args: [": "--listen"} {
		_, rest, _ := strings.Cut(string(raw), "\n          "+key)
		list, _, _ := strings.Cut(rest, "]")
		if !strings.HasPrefix(list, want) {
			t.Fatalf("%s%s: want %s", key, list, want)
		}
		if key != "args: [" {
			continue
		}
		args := strings.Split(strings.ReplaceAll(list, `"`, ""), ", ")
		if code, stdout, stderr := lars(append(append([]string{"worker"}, args...), "--help")...); code != 0 || !strings.Contains(stdout, "Usage: lars bench worker") {
			t.Errorf("%q: code %d, %s", args, code, stderr)
		}
	}
}
