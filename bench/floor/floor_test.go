package floor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"lars/reactor/frame"
)

// start builds the server into a directory of the test and runs it.
func start(t *testing.T, args ...string) string {
	t.Helper()
	path, err := Build(t.Context(), t.TempDir())
	if errors.Is(err, ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("after SIGTERM: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		t.Fatalf("first line is %q", line)
	}
	return addr
}

func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c
}

func frames(n, body int) []byte {
	var b []byte
	for i := range n {
		b = frame.Append(b, int32(i), bytes.Repeat([]byte{byte(i)}, body))
	}
	return b
}

func TestEchoTCP(t *testing.T) {
	addr := start(t)
	tests := []struct {
		name     string
		n, body  int
		writeMax int // bytes of one write
	}{
		{"one", 1, 20, 1 << 20},
		{"empty body", 3, 0, 1 << 20},
		{"byte by byte", 3, 20, 1},
		{"many in one segment", 500, 20, 1 << 20},
		{"cut in odd places", 300, 100, 77},
		{"largest", 3, 65527, 1 << 20},
		{"more than the buffers hold", 200, 60000, 1 << 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, "tcp", addr)
			want := frames(tt.n, tt.body)
			failed := make(chan error, 1)
			go func() { failed <- writeCut(c, want, tt.writeMax) }()
			got := make([]byte, len(want))
			if _, err := io.ReadFull(c, got); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Error("the echo differs")
			}
			if err := <-failed; err != nil {
				t.Error(err)
			}
		})
	}
}

func writeCut(w io.Writer, b []byte, n int) error {
	for len(b) > 0 {
		k := min(n, len(b))
		if _, err := w.Write(b[:k]); err != nil {
			return err
		}
		b = b[k:]
	}
	return nil
}

// TestSlowReader fills every buffer between the two before it reads, so that
// short writes happen for certain, in the middle of a frame and with a partial
// frame behind.
func TestSlowReader(t *testing.T) {
	c := dial(t, "tcp", start(t))
	want := frames(1000, 50001)
	if err := c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, err := c.Write(want)
	if err == nil {
		t.Fatalf("%d bytes were taken without a reader", n)
	}
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() { _, err := c.Write(want[n:]); failed <- err }()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the echo differs")
	}
	if err := <-failed; err != nil {
		t.Error(err)
	}
}

func TestHostileLength(t *testing.T) {
	addr := start(t)
	for _, length := range []uint32{65528, 1 << 24, 1 << 31, 1<<32 - 1} {
		c := dial(t, "tcp", addr)
		head := binary.LittleEndian.AppendUint32([]byte{1, 0, 0, 0}, length)
		if _, err := c.Write(head); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("length %d: read %d bytes, %v; want the end of the connection", length, n, err)
		}
	}
}

func TestLargerBodies(t *testing.T) {
	c := dial(t, "tcp", start(t, "-m", "16777216"))
	want := frames(2, 16<<20)
	failed := make(chan error, 1)
	go func() { _, err := c.Write(want); failed <- err }()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the echo differs")
	}
	if err := <-failed; err != nil {
		t.Error(err)
	}
}

func TestEchoUDP(t *testing.T) {
	c := dial(t, "udp", start(t, "-u"))
	tests := []struct {
		name string
		in   []byte
		echo bool
	}{
		{"cut", frames(1, 20)[:27], false},
		{"two frames", frames(2, 20), false},
		{"no head", []byte("x"), false},
		{"small", frames(1, 20), true},
		{"empty body", frames(1, 0), true},
		{"largest", frames(1, 65507-frame.HeadBytes), true},
	}
	got := make([]byte, 65536)
	for _, tt := range tests {
		if _, err := c.Write(tt.in); err != nil {
			t.Fatal(tt.name, err)
		}
		if !tt.echo {
			continue // an answer would be read in place of the next one
		}
		n, err := c.Read(got)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		if !bytes.Equal(got[:n], tt.in) {
			t.Errorf("%s: %d bytes came back for %d", tt.name, n, len(tt.in))
		}
	}
}

func TestNoCompiler(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if path, err := Build(context.Background(), t.TempDir()); !errors.Is(err, ErrNoCompiler) {
		t.Errorf("Build = %q, %v; want ErrNoCompiler", path, err)
	}
}

func TestBuildOnce(t *testing.T) {
	dir := t.TempDir()
	first, err := Build(t.Context(), dir)
	if errors.Is(err, ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir()) // no compiler any more: the built one must do
	again, err := Build(t.Context(), dir)
	if err != nil || again != first {
		t.Errorf("again: %q, %v; want %q", again, err, first)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%d entries in the directory, %v; want the executable alone", len(entries), err)
	}
}
