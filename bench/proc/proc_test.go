package proc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// nobody is a process number that does not exist: above every pid_max.
const nobody = 1 << 23

// child runs cmd until the test ends.
func child(t *testing.T, cmd *exec.Cmd, cpus []int) int {
	t.Helper()
	if err := StartPinned(cmd, cpus); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// TestCPUTime burns a known time of this process's CPU clock, and looks for it
// from outside.
func TestCPUTime(t *testing.T) {
	before, err := CPUTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	self, err := SelfCPU()
	if err != nil {
		t.Fatal(err)
	}
	if d := self - before; d < 0 || d > time.Second {
		t.Errorf("this process by number used %v, by itself %v", before, self)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start, err := ThreadCPU()
	if err != nil {
		t.Fatal(err)
	}
	const burn = 20 * time.Millisecond
	for now := start; now-start < burn; {
		if now, err = ThreadCPU(); err != nil {
			t.Fatal(err)
		}
	}
	after, err := CPUTime(os.Getpid())
	if err != nil || after-before < burn {
		t.Errorf("%v of CPU time burnt, %v seen, %v", burn, after-before, err)
	}
	if _, err := CPUTime(nobody); !errors.Is(err, ErrUnavailable) {
		t.Errorf("no process: %v", err)
	}
}

func TestMemoryAndScheduling(t *testing.T) {
	m, err := ReadMemory(0)
	if err != nil {
		t.Fatal(err)
	}
	if m.RSSBytes < 1<<20 || m.RSSMaxBytes < m.RSSBytes/2 || m.PSSErr == nil && m.PSSBytes <= 0 {
		t.Errorf("%+v", m)
	}
	s, err := ReadScheduling(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if s.Threads < 2 || s.Voluntary == 0 {
		t.Errorf("%+v", s)
	}
	if _, err := ReadMemory(nobody); !errors.Is(err, ErrUnavailable) {
		t.Errorf("memory of no process: %v", err)
	}
	if _, err := ReadScheduling(nobody); !errors.Is(err, ErrUnavailable) {
		t.Errorf("threads of no process: %v", err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if _, err := ThreadRunDelay(); err != nil {
		t.Error(err)
	}
}

func TestPinning(t *testing.T) {
	allowed, err := AllowedCPUs(0)
	if err != nil || len(allowed) == 0 {
		t.Fatal(allowed, err)
	}
	last := allowed[len(allowed)-1:]
	pid := child(t, exec.Command("sleep", "60"), last)
	if got, err := AllowedCPUs(pid); err != nil || !reflect.DeepEqual(got, last) {
		t.Errorf("the child may use %v, %v; want %v", got, err, last)
	}
	if got, err := AllowedCPUs(0); err != nil || !reflect.DeepEqual(got, allowed) {
		t.Errorf("starting a child left %v, %v; want %v", got, err, allowed)
	}
	if err := Pin(pid, allowed[:1]); err != nil {
		t.Fatal(err)
	}
	if got, _ := AllowedCPUs(pid); !reflect.DeepEqual(got, allowed[:1]) {
		t.Errorf("moved to %v, want %v", got, allowed[:1])
	}
	for _, cpus := range [][]int{nil, {-1}, {5000}, {1023}} {
		if err := Pin(pid, cpus); !errors.Is(err, ErrPin) {
			t.Errorf("Pin(%v) = %v", cpus, err)
		}
	}
	if err := Pin(nobody, allowed); !errors.Is(err, ErrPin) {
		t.Errorf("no process: %v", err)
	}
	if err := StartPinned(exec.Command("sleep", "0"), []int{1023}); !errors.Is(err, ErrPin) {
		t.Errorf("a processor that is not there: %v", err)
	}
	if err := StartPinned(exec.Command("/nonexistent"), last); err == nil {
		t.Error("a command that is not there was started")
	}
}

// TestPinMeetsAll: no thread escapes that is started meanwhile.
func TestPinMeetsAll(t *testing.T) {
	allowed, err := AllowedCPUs(0)
	if err != nil {
		t.Fatal(err)
	}
	if len(allowed) < 2 {
		t.Skip("one processor")
	}
	defer func() {
		if err := Pin(0, allowed); err != nil {
			t.Error(err)
		}
	}()
	var ended atomic.Bool
	var churn sync.WaitGroup
	for range 4 {
		churn.Go(func() {
			for !ended.Load() {
				gone := make(chan struct{})
				go func() {
					runtime.LockOSThread() // the thread ends with it, and another must be started
					close(gone)
				}()
				<-gone
			}
		})
	}
	defer churn.Wait()
	defer ended.Store(true)
	for i := range 40 {
		cpus := allowed[i%2 : i%2+1]
		if err := Pin(0, cpus); err != nil {
			t.Fatal(err)
		}
		tasks, _ := filepath.Glob(procPath(0, "task/*"))
		for _, task := range tasks {
			tid, _ := strconv.Atoi(filepath.Base(task))
			if got, err := AllowedCPUs(tid); err == nil && !reflect.DeepEqual(got, cpus) {
				t.Fatalf("round %d: thread %d may use %v, want %v", i, tid, got, cpus)
			}
		}
	}
}

func TestParseCPUs(t *testing.T) {
	for list, want := range map[string][]int{"0": {0}, "0,2-4": {0, 2, 3, 4}, " 1 , 3": {1, 3}, "2-2": {2}} {
		if got, err := ParseCPUs(list); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q = %v, %v", list, got, err)
		}
	}
	for _, list := range []string{"", "a", "1-", "-1", "3-1", "0,,1", "0-99999999", "1024"} {
		if got, err := ParseCPUs(list); !errors.Is(err, ErrPin) {
			t.Errorf("%q = %v, %v", list, got, err)
		}
	}
}

func FuzzParseCPUs(f *testing.F) {
	f.Add("0,2-3")
	f.Add("-")
	f.Fuzz(func(t *testing.T, list string) {
		if len(list) > 64 {
			return
		}
		cpus, err := ParseCPUs(list)
		if err == nil && len(cpus) == 0 {
			t.Fatalf("%q gives none", list)
		}
		for _, cpu := range cpus {
			if cpu < 0 || cpu >= cpusMax {
				t.Fatalf("%q gives %d", list, cpu)
			}
		}
	})
}

func TestFiles(t *testing.T) {
	before, err := OpenFiles(0)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if after, err := OpenFiles(os.Getpid()); err != nil || after != before+1 {
		t.Errorf("%d open, then %d, %v", before, after, err)
	}
	if err := NeedFiles(10); err != nil {
		t.Error(err)
	}
	err = NeedFiles(1 << 40)
	if !errors.Is(err, ErrFiles) || !strings.Contains(err.Error(), "ulimit -n") {
		t.Errorf("too many: %v", err)
	}
}

func TestParseStat(t *testing.T) {
	const text = "cpu  100 20 300 4000 50 6 7 80 9 10\ncpu0 50 10 150 2000 25 3 3 40 4 5\ncpu1 50 10 150 2000 25 3 4 40 5 5\nintr 1 2 3\n"
	var s System
	if err := s.parseStat(text); err != nil {
		t.Fatal(err)
	}
	if s.CPUs != 2 || s.Busy != 433*tick || s.Idle != 4050*tick || s.Steal != 80*tick {
		t.Errorf("%+v", s)
	}
	for _, bad := range []string{"", "cpu 1 2 3\n", "cpu a b c d e f g h\ncpu0 1 2 3 4 5 6 7 8\n"} {
		if err := new(System).parseStat(bad); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("cpu  100 20 300 4000 50 6 7 80 9 10\ncpu0 50 10 150 2000 25 3 3 40 4 5\n")
	f.Fuzz(func(t *testing.T, text string) {
		var s System
		if err := s.parseStat(text); err == nil && s.CPUs == 0 {
			t.Fatal("no processors and no error")
		}
	})
}

func TestUsage(t *testing.T) {
	pressure := func(total time.Duration) map[string]Pressure { return map[string]Pressure{"cpu": {Total: total}} }
	at := time.Now()
	a := System{At: at, Busy: 10 * time.Second, Idle: 20 * time.Second, Steal: time.Second, CPUs: 2, Pressure: pressure(0)}
	b := System{At: at.Add(2 * time.Second), Busy: 12 * time.Second, Idle: 21 * time.Second, Steal: 2 * time.Second, CPUs: 2, Pressure: pressure(time.Second)}
	u, err := b.Since(a)
	if err != nil {
		t.Fatal(err)
	}
	if u.Busy != 0.5 || u.Steal != 0.25 || u.Waiting != 0.5 || u.WaitingErr != nil || u.Elapsed != 2*time.Second {
		t.Errorf("%+v", u)
	}
	if got := u.Others(500*time.Millisecond, 500*time.Millisecond); got != 0.5 {
		t.Errorf("others used %v processors, want 0.5", got)
	}
	if got := u.Others(time.Minute); got != 0 {
		t.Errorf("others used %v processors, want 0", got)
	}
	b.PressureErr = ErrUnavailable
	if u, _ := b.Since(a); u.WaitingErr == nil {
		t.Error("missing pressure is not said")
	}
	if _, err := a.Since(a); !errors.Is(err, ErrNoTime) {
		t.Errorf("no time: %v", err)
	}
	if _, err := ReadSystem(); err != nil {
		t.Error(err)
	}
}

func TestParsePressure(t *testing.T) {
	p, err := parsePressure("some avg10=0.38 avg60=10.07 avg300=5.37 total=36503398\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
	if err != nil || p.Avg10 != 0.38 || p.Total != 36503398*time.Microsecond {
		t.Errorf("%+v, %v", p, err)
	}
	for _, bad := range []string{"", "some", "full avg10=1"} {
		if _, err := parsePressure(bad); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestParsePerf(t *testing.T) {
	const text = "# started on Mon\n\n200,ns,duration_time,200,100.00,,\n109,,raw_syscalls:sys_enter,1000,100.00,,\n40,,syscalls:sys_enter_read,1000,100.00,,\n0,,syscalls:sys_enter_futex,1000,100.00,,\n"
	s, err := parsePerf(text)
	if err != nil || s.Total != 109 || s.Elapsed != 200 || !reflect.DeepEqual(s.ByName, map[string]uint64{"read": 40}) {
		t.Errorf("%+v, %v", s, err)
	}
	const asleep = "200,ns,duration_time,200,100.00,,\n<not counted>,,raw_syscalls:sys_enter,0,100.00,,\n"
	if s, err := parsePerf(asleep); err != nil || s.Total != 0 {
		t.Errorf("a process that slept: %+v, %v", s, err)
	}
	for _, bad := range []string{"", "109,,raw_syscalls:sys_enter,1,1,,\n", "<not supported>,,raw_syscalls:sys_enter,0,100.00,,\n", "5,,cycles\n"} {
		if _, err := parsePerf(bad); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestParseStrace(t *testing.T) {
	const text = `strace: Process 7 attached
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000060           1        60         4 epoll_wait
 40.00    0.000040           1        40           read
------ ----------- ----------- --------- --------- ----------------
100.00    0.000100           1       100         4 total
`
	s, err := parseStrace(text)
	if err != nil || s.Total != 100 || s.ByName["epoll_wait"] != 60 || s.ByName["read"] != 40 {
		t.Errorf("%+v, %v", s, err)
	}
	if got := s.Names(); !reflect.DeepEqual(got, []string{"epoll_wait", "read"}) {
		t.Errorf("names %v", got)
	}
	if _, err := parseStrace("nothing"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("nothing: %v", err)
	}
}

func FuzzParseTools(f *testing.F) {
	f.Add("109,,raw_syscalls:sys_enter,1,1,,\n")
	f.Add(" 60.00    0.000060           1        60         4 epoll_wait\n")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := parsePerf(text); err == nil && s.ByName == nil {
			t.Fatal("no map and no error")
		}
		if s, err := parseStrace(text); err == nil && s.Total == 0 {
			t.Fatal("no figure and no error")
		}
		Counters{}.parse(text)
	})
}

// TestCountSyscalls counts those of a shell that loops over a built-in which
// writes. Where no tool works, the error must say so.
func TestCountSyscalls(t *testing.T) {
	cmd := exec.Command("sh", "-c", "echo ready; while :; do echo x >/dev/null; done")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	pid := child(t, cmd, nil)
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	s, err := CountSyscalls(t.Context(), pid, 200*time.Millisecond, "write", "openat")
	if errors.Is(err, ErrNoCounter) {
		t.Log(err)
		return
	}
	if err != nil || s.Total == 0 || s.ByName["write"] == 0 || s.ByName["write"] > s.Total || s.Elapsed <= 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestCountSyscallsWithoutTools(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := CountSyscalls(context.Background(), os.Getpid(), time.Millisecond)
	if !errors.Is(err, ErrNoCounter) {
		t.Errorf("%v", err)
	}
}

func TestMachine(t *testing.T) {
	m := ReadMachine()
	if m.CPUs < 1 || m.MemoryBytes < 1<<20 || m.Kernel == "" || m.Clock == "" && m.Missing["clock_source"] == "" {
		t.Errorf("%+v", m)
	}
	for name, value := range map[string]string{"cpu_model": m.CPUModel, "governor": m.Governor, "smt": m.SMT} {
		if value == "" && m.Missing[name] == "" {
			t.Errorf("%s is neither there nor missing", name)
		}
	}
	if again := ReadMachine(); m.ID() != again.ID() {
		t.Errorf("two readings, two machines:\n%+v\n%+v", m, again)
	}
	other := m
	other.Kernel += "x"
	if m.ID() == other.ID() {
		t.Error("two machines, one ID")
	}
	t.Setenv("GOGC", "77")
	p := ReadProcess()
	if p.Go == "" || p.GOMAXPROCS < 1 || len(p.Allowed) == 0 || p.Variables["GOGC"] != "77" {
		t.Errorf("%+v", p)
	}
}

func TestCounters(t *testing.T) {
	c := Counters{}
	c.parse("Tcp: RtoMin RetransSegs\nTcp: 200 5\nUdp: InErrors\nUdp: 3\n")
	if c["Tcp.RetransSegs"] != 5 || c["Udp.InErrors"] != 3 {
		t.Errorf("%v", c)
	}
	if d := c.Since(Counters{"Tcp.RetransSegs": 4, "Tcp.RtoMin": 200, "Udp.InErrors": 3}); !reflect.DeepEqual(d, Counters{"Tcp.RetransSegs": 1}) {
		t.Errorf("moved %v", d)
	}
	if _, err := ReadNetwork(); err != nil {
		t.Error(err)
	}
}

func BenchmarkCPUTime(b *testing.B) {
	pid := os.Getpid()
	for b.Loop() {
		if _, err := CPUTime(pid); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleParseCPUs() {
	cpus, err := ParseCPUs("0,2-3")
	fmt.Println(cpus, err, strconv.Itoa(len(cpus)))
	// Output: [0 2 3] <nil> 3
}

func TestTuning(t *testing.T) {
	got := tuning("console=ttyS0 mitigations=auto isolcpus=1 root=/dev/sda1 token=secret psi=1 -- --listen 0.0.0.0:1 psi=0")
	if want := "mitigations=auto isolcpus=1 psi=1"; got != want {
		t.Errorf("kept %q, want %q", got, want)
	}
}
