package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lars/bench/load"
	"lars/bench/run"
)

func TestLiveLines(t *testing.T) {
	l := &live{}
	at := func(target string, round, interval int, rate float64) run.Progress {
		return run.Progress{
			Target: target, Round: round, Rounds: 7, Phase: load.Measured, Elapsed: 12 * time.Second, Expected: 35 * time.Second,
			Intervals: interval, Rate: rate, P50: 812 * time.Microsecond, P99: 1240 * time.Microsecond, Errors: 3,
		}
	}
	for i := range 30 {
		l.take(at("epoll", 0, i+1, 100_000))
		l.take(at("epoll", 0, i+1, 100_000)) // the same again, as at a change of phase
	}
	l.take(at("std", 0, 1, 50_000))
	now := at("std", 1, 1, 10_000)
	l.take(now)
	want := []string{
		"  12s of ~35s  round 2 of 7  std",
		"  epoll      100,000 req/s  ████████████  p50 812µs   p99 1.24ms  errors 3",
		"  std         10,000 req/s            ▅▁  p50 812µs   p99 1.24ms  errors 3",
	}
	if got := l.lines(now, 10); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, line := range want {
		if runes(line) > 79 {
			t.Errorf("%q is cut on a terminal of 80 columns", line)
		}
	}
	if got := l.lines(now, 2); len(got) != 2 {
		t.Errorf("%d lines on a screen for 2", len(got))
	}
	last := at("std", 1, 2, 0)
	last.Phase, last.P50 = load.Draining, 0
	l.take(last)
	if got := l.lines(now, 10)[2]; got != want[2] {
		t.Errorf("while draining %q", got)
	}
	now.Extra = "memory of idle connections"
	if got := headLine(now, "window 3"); got != "  12s  round 2 of 7  std  memory of idle connections  window 3" {
		t.Errorf("got %q", got)
	}
}

// screen is as much of a terminal as live needs.
type screen struct {
	lines []string
	row   int
}

func (s *screen) Write(b []byte) (int, error) {
	text := string(b)
	for len(text) > 0 {
		for len(s.lines) <= s.row {
			s.lines = append(s.lines, "")
		}
		var up int
		switch {
		case strings.HasPrefix(text, "\x1b[J"):
			s.lines, text = append(s.lines[:s.row], ""), text[3:]
		case strings.HasPrefix(text, "\x1b["):
			end := strings.IndexByte(text, 'A')
			if n, err := fmt.Sscanf(text[:end+1], "\x1b[%dA", &up); n != 1 || up > s.row {
				return 0, fmt.Errorf("sequence %q in row %d: %v", text[:end+1], s.row, err)
			}
			s.row, text = s.row-up, text[end+1:]
		case text[0] == '\n':
			s.row, text = s.row+1, text[1:]
		case text[0] == '\r':
			text = text[1:]
		default:
			end := strings.IndexAny(text, "\x1b\r\n")
			if end < 0 {
				end = len(text)
			}
			s.lines[s.row] += text[:end]
			text = text[end:]
		}
	}
	return len(b), nil
}

func (s *screen) String() string { return strings.TrimRight(strings.Join(s.lines, "\n"), "\n") }

func TestLiveScreen(t *testing.T) {
	s := &screen{}
	l := &live{w: s, size: func() (int, int) { return 40, 3 }}
	l.say("preparing: " + strings.Repeat("x", 60))
	if got := s.String(); len(got) != 39 {
		t.Errorf("a line of %d characters on 40 columns", len(got))
	}
	for i := range 4 {
		l.last = time.Time{}
		l.update(run.Progress{Target: fmt.Sprint("server", i%3), Intervals: 1, Rate: 5, Phase: load.Measured})
	}
	if got := strings.Split(s.String(), "\n"); len(got) != 2 || !strings.HasPrefix(got[1], "  server0 ") || strings.Contains(s.String(), "preparing") {
		t.Errorf("the screen:\n%s", s)
	}
	drawn := s.String()
	l.update(run.Progress{Target: "soon after", Intervals: 1})
	if s.String() != drawn {
		t.Error("drawn again at once")
	}
	l.clear()
	l.clear()
	if s.String() != "" {
		t.Errorf("left on the screen:\n%s", s)
	}
	off := newLive(s, true)
	off.say("x")
	off.update(run.Progress{Target: "x"})
	off.clear()
	if s.String() != "" {
		t.Error("something that is no terminal got text")
	}
}

// openTerminal makes a pseudo terminal.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 10, Col: 100})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// TestTerminal runs a command on a terminal, sees its figures there, and
// interrupts it from the keyboard: the terminal is then as it was.
func TestTerminal(t *testing.T) {
	master, slave := openTerminal(t)
	before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "run", "--backend", "alpha", "--duration", "1h", "--conns", "2", "--out", "none")
	var stdout bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, &stdout, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var said bytes.Buffer
	buf := make([]byte, 4096)
	for !bytes.Contains(said.Bytes(), []byte("█")) { // ends with the test's time-out
		n, err := master.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, said.String())
		}
		said.Write(buf[:n])
	}
	if _, err := master.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		_, _ = slave.WriteString("end of test")
	}()
	for !bytes.Contains(said.Bytes(), []byte("end of test")) {
		n, err := master.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, said.String())
		}
		said.Write(buf[:n])
	}
	if err := <-ended; cmd.ProcessState.ExitCode() != 3 || !strings.Contains(stdout.String(), "interrupted before its end") {
		t.Errorf("%v: %s", err, stdout.String())
	}
	s := &screen{}
	if _, err := s.Write(said.Bytes()); err != nil {
		t.Error(err)
	}
	if got := strings.ReplaceAll(s.String(), "^C", ""); got != "end of test" {
		t.Errorf("left on the screen:\n%s", got)
	}
	after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal's modes changed: %+v, before %+v (%v)", after, before, err)
	}
	for _, off := range []string{"--no-live", "--json"} {
		cmd := exec.Command(os.Args[0], brief("run", "--backend", "alpha", off, "--out", "none")...)
		cmd.Stderr = slave
		_ = cmd.Run() // a busy machine may call it invalid
	}
	if _, err := slave.WriteString("."); err != nil {
		t.Fatal(err)
	}
	if n, err := master.Read(buf); err != nil || string(buf[:n]) != "." {
		t.Errorf("without the live view the terminal got %q (%v)", buf[:n], err)
	}
}
