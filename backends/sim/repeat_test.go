package sim_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"lars/backends/sim"
)

var update = flag.Bool("update", false, "write testdata/hashes.txt anew")

// faultyLink has every fault that packets can meet.
var faultyLink = sim.Link{
	Delay: 2 * time.Millisecond, Jitter: time.Millisecond,
	Loss: 0.03, Duplicate: 0.02, Reorder: 0.05, ReorderBy: 5 * time.Millisecond,
	BytesPerSecond: 10 << 20,
}

// storm runs two servers and four clients for thirty seconds of every fault.
func storm(t testing.TB, seed uint64) (*sim.World, []*client) {
	w := sim.New(sim.Config{Seed: seed, Link: faultyLink})
	a, b := w.Host("a"), w.Host("b")
	serveEcho(t, w, "a")
	serveEcho(t, w, "b")
	var clients []*client
	var hosts []*sim.Host
	for i := range 4 {
		name := fmt.Sprintf("client%d", i)
		clients = append(clients, startClient(t, w, name, []string{"a", "b"}[i%2], time.Duration(50+i)*time.Millisecond))
		hosts = append(hosts, w.Host(name))
	}
	for _, e := range []struct {
		second int
		f      func()
	}{
		{3, func() { w.Cut(hosts[:2], []*sim.Host{a, b}) }},
		{5, func() { w.Heal(hosts[:2], []*sim.Host{a, b}) }},
		{6, func() { a.Crash(sim.Reset); serveEcho(t, w, "a") }},
		{8, func() { b.Crash(sim.Vanish) }},
		{11, func() { b.Restart(); serveEcho(t, w, "b") }},
		{13, func() { a.Pause() }},
		{14, func() { a.Continue(); a.SetSkew(-time.Hour) }},
		{15, func() { hosts[3].Crash(sim.Vanish) }},
		{16, func() { w.SetLink(hosts[0], a, sim.Link{Cut: true}) }},
		{20, func() { w.SetLink(hosts[0], a, faultyLink) }},
		{22, func() { w.Note("calm") }},
	} {
		w.At(time.Duration(e.second)*time.Second, e.f)
	}
	w.Run(30 * time.Second)
	return w, clients
}

// hashes runs the storm for some seeds.
func hashes(t testing.TB) string {
	var b strings.Builder
	for seed := range uint64(3) {
		w, _ := storm(t, seed)
		fmt.Fprintf(&b, "seed %d: %016x after %d events\n", seed, w.Hash(), w.Events())
	}
	return b.String()
}

// childVariable makes the test binary print hashes and nothing else.
const childVariable = "LARS_SIM_CHILD"

// TestRepeats: the same seed gives the same trace, in this process again, in
// another one that has one processor, and on the machine where the file was
// written. Other seeds give others.
func TestRepeats(t *testing.T) {
	if os.Getenv(childVariable) != "" {
		fmt.Print("hashes:\n", hashes(t), ".\n")
		return
	}
	goroutines := runtime.NumGoroutine()
	first := hashes(t)
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
	if second := hashes(t); second != first {
		t.Errorf("the same seeds gave\n%sand then\n%s", first, second)
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^TestRepeats$")
	cmd.Env = append(os.Environ(), childVariable+"=1", "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "hashes:\n"+first+".\n") {
		t.Errorf("another process: %v\n%swant\n%s", err, out, first)
	}
	lines := strings.Split(strings.TrimSpace(first), "\n")
	for i, line := range lines {
		for _, other := range lines[:i] {
			if line[8:] == other[8:] {
				t.Errorf("two seeds gave the same trace: %s", line)
			}
		}
	}
	golden(t, filepath.Join("testdata", "hashes.txt"), first)
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("the traces are\n%s%s has\n%s(a change of the network, of reactor or of this test changes them: "+
			"then run this test with -update)", got, file, want)
	}
}

// TestStormCalms: after the last fault every client that lives is connected and
// gets its answers, for any seed.
func TestStormCalms(t *testing.T) {
	seeds := uint64(10)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		w, clients := storm(t, 1000+seed)
		before := make([]client, len(clients))
		for i, c := range clients {
			before[i] = *c
		}
		w.Run(w.Now() + 30*time.Second)
		for i, c := range clients[:3] { // the last one's host is off
			sent := c.sent - before[i].sent
			messages, packets := (c.bytes-before[i].bytes)/messageBytes, c.packets-before[i].packets
			if messages < sent*95/100 || packets < sent*80/100 {
				t.Errorf("seed %d: of %d messages client %d got %d back over TCP, %d over UDP: %v\n%s",
					1000+seed, sent, i, messages, packets, c.ends, w.Trace())
			}
		}
	}
}

// TestReactorRepeats: reactor above the network draws nothing and orders
// nothing by itself.
func TestReactorRepeats(t *testing.T) {
	run := func() (uint64, []string) {
		w := sim.New(sim.Config{Seed: 3, Link: faultyLink})
		serve(t, w, "server")
		c := call(t, w, "client", "server", 20*time.Millisecond)
		w.At(3*time.Second, func() { w.Host("server").Crash(sim.Reset) })
		w.At(8*time.Second, func() { serve(t, w, "server") })
		w.Run(20 * time.Second)
		return w.Hash(), c.states
	}
	hash, states := run()
	if again, other := run(); again != hash {
		t.Errorf("hashes %016x and %016x; %v and %v", hash, again, states, other)
	}
	if len(states) < 6 {
		t.Errorf("the client did not reconnect: %v", states)
	}
}

func BenchmarkWorld(b *testing.B) {
	for _, link := range []struct {
		name string
		link sim.Link
	}{{"calm", sim.Link{Delay: 100 * time.Microsecond}}, {"faulty", faultyLink}} {
		b.Run(link.name, func(b *testing.B) {
			w := sim.New(sim.Config{Seed: 1, Link: link.link})
			serve(b, w, "server")
			for i := range 8 {
				call(b, w, fmt.Sprintf("caller%d", i), "server", time.Millisecond)
			}
			w.Run(time.Second)
			start, at := w.Events(), w.Now()
			b.ReportAllocs()
			b.ResetTimer()
			for w.Events()-start < uint64(b.N) {
				w.Step()
			}
			b.ReportMetric(float64(w.Events()-start)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(w.Now()-at)/float64(b.Elapsed()), "virtual/real")
		})
	}
}
