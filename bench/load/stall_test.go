package load

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"lars/bench/hist"
)

// These tests stop a process for 200 ms and look for it in the figures: the only
// times they speak of are the ones they inject.

const (
	stallFor   = 200 * time.Millisecond
	stallFound = 100 * time.Millisecond
)

// slower counts the values of r of stallFound and more.
func slower(r *hist.Recorder) (n int64) {
	for b := range r.Buckets {
		if b.Low >= int64(stallFound) {
			n += b.Count
		}
	}
	return n
}

// stallServer runs c and stops the server after the first measured interval. A
// run in which the machine stopped the generator as well, as its audit tells,
// shows two stalls: it is made again.
func stallServer(t *testing.T, c Config) *Result {
	s := startFloor(t, nil)
	c.Addr, c.Every, c.Duration = s.addr, stallFor, 6*stallFor
	const triesMax = 20
	for range triesMax {
		var once sync.Once
		c.OnInterval = func(v *Interval) {
			once.Do(func() {
				if err := syscall.Kill(s.pid, syscall.SIGSTOP); err != nil {
					t.Error(err)
				}
				time.AfterFunc(stallFor, func() { _ = syscall.Kill(s.pid, syscall.SIGCONT) })
			})
		}
		if r := runLoad(t, c); r.Audit.StallMax < stallFound/2 {
			return r
		}
	}
	t.Skipf("in none of %d runs did this machine leave the generator alone for %v", triesMax, c.Duration)
	return nil
}

// TestServerStall is the test for coordinated omission: with one request in
// flight on each of 4 connections, at most 4 see the stall in their service
// time, but all the 400 that were due in it see it in their response time.
func TestServerStall(t *testing.T) {
	t.Parallel()
	r := stallServer(t, Config{Conns: 4, Depth: 1, Rate: 2000})
	response, service := slower(r.Response), slower(r.Service)
	if response < 100 {
		t.Errorf("%d responses of %v or more: the stall is hidden", response, stallFound)
	}
	if 5*service > response {
		t.Errorf("%d services of %v or more, for %d responses", service, stallFound, response)
	}
	if errors := r.Errors() + r.Lost; errors != 0 {
		t.Errorf("counts %+v", r.Counts)
	}
}

// TestServerStallClosed: a closed loop hides it, which is why its latency is not
// what users see.
func TestServerStallClosed(t *testing.T) {
	t.Parallel()
	r := stallServer(t, Config{Conns: 4})
	if n := slower(r.Response); n == 0 || n > 40 {
		t.Errorf("%d responses of %v or more with 4 requests in flight", n, stallFound)
	}
}

// TestServerStallUnlimited: without a limit the requests go out during the stall.
func TestServerStallUnlimited(t *testing.T) {
	t.Parallel()
	r := stallServer(t, Config{Conns: 4, Rate: 2000})
	if response, lag := slower(r.Response), slower(r.SendLag); response < 100 || lag*5 > response {
		t.Errorf("%d responses and %d send lags of %v or more", response, lag, stallFound)
	}
}

// childEnv makes this test binary a generator, driving the address it holds.
const childEnv = "LARS_TEST_LOAD_ADDR"

// childReport is what the child prints at its end, after "ready" lines.
type childReport struct {
	Slow    int64 // send lags of stallFound or more
	Stall   time.Duration
	Verdict string
	Reasons string
}

func TestMain(m *testing.M) {
	addr := os.Getenv(childEnv)
	if addr == "" {
		os.Exit(m.Run())
	}
	if err := childGenerator(addr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func childGenerator(addr string) error {
	ready := false
	r, err := Run(context.Background(), Config{
		Addr: netip.MustParseAddrPort(addr), Conns: 4, Rate: 2000, Every: stallFor, Duration: 10 * stallFor,
		OnInterval: func(*Interval) {
			if !ready {
				fmt.Println("ready")
				ready = true
			}
		},
	})
	if err != nil {
		return err
	}
	reasons := r.Judge()
	return json.NewEncoder(os.Stdout).Encode(childReport{
		slower(r.SendLag), r.Audit.StallMax, Worst(reasons).String(), fmt.Sprint(reasons),
	})
}

// TestGeneratorStall: a generator that was stopped itself says so.
func TestGeneratorStall(t *testing.T) {
	t.Parallel()
	s := startFloor(t, nil)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+s.addr.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	<-time.After(stallFor) // the stall itself
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	var got childReport
	if err := json.NewDecoder(lines).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Slow < 100 || got.Stall < stallFound || got.Verdict != Invalid.String() {
		t.Errorf("a stopped generator reports %+v", got)
	}
}
