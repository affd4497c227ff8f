package load

import (
	"bufio"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"lars/bench/floor"
	"lars/bench/proc"
)

// server is a child process that says where it listens.
type server struct {
	addr netip.AddrPort
	pid  int
}

// startFloor runs the C server on the given processors (none: anywhere).
func startFloor(tb testing.TB, cpus []int, args ...string) server {
	tb.Helper()
	path, err := floor.Build(tb.Context(), tb.TempDir())
	if errors.Is(err, floor.ErrNoCompiler) {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return startServer(tb, cpus, exec.Command(path, args...))
}

func startServer(tb testing.TB, cpus []int, cmd *exec.Cmd) server {
	tb.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := proc.StartPinned(cmd, cpus); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	addr, err := readAddr(out)
	if err != nil {
		tb.Fatal(err)
	}
	return server{addr, cmd.Process.Pid}
}

func readAddr(out io.Reader) (netip.AddrPort, error) {
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.ParseAddrPort(strings.TrimPrefix(strings.TrimSpace(line), "listening on "))
}
