package systest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"lars/system/up"
)

// upLine is what these tests read of a line of "lars up --json".
type upLine struct {
	Event   string                     `json:"event"`
	Samples int                        `json:"samples"`
	Next    []string                   `json:"next"`
	Stats   map[string]json.RawMessage `json:"stats"`
	up.Status
}

// command is "lars up" as a person runs it.
type command struct {
	cmd   *exec.Cmd
	lines *bufio.Reader
}

func startUp(t *testing.T, folder string, args ...string) (*command, upLine) {
	t.Helper()
	c := &command{cmd: exec.Command(program(t), append([]string{"up", "--json", "--base-port", "0"}, args...)...)}
	c.cmd.Dir = folder // where all commands find the database without being told
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			_ = c.cmd.Process.Kill()
			_ = c.cmd.Wait()
		}
	})
	c.lines = bufio.NewReader(out)
	return c, c.next(t)
}

func (c *command) next(t *testing.T) (line upLine) {
	t.Helper()
	text, err := c.lines.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &line); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return line
}

// run runs another command of the program in a folder.
func runIn(t *testing.T, folder string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(program(t), args...)
	cmd.Dir = folder
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestUp is a new user's session: up, the commands that it names, Ctrl-C, and
// up again with what was there.
func TestUp(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, form := range [][]string{{}, {"--processes"}} {
		c, line := startUp(t, folder, form...)
		if line.Event != "up" || (line.Samples > 0) != (len(form) == 0) || len(line.Services) != 3 || len(line.Next) < 4 {
			t.Errorf("first line %+v", line)
		}
		for i, text := range line.Next {
			if i == 1 && len(form) > 0 {
				continue // the host is there by now
			}
			args := strings.Fields(strings.ReplaceAll(text, "'", ""))
			if args[1] == "qps" {
				args = append(args, "--duration", "100ms")
			}
			if args[1] == "route" {
				if out, err := runIn(t, folder, args[1:]...); err != nil {
					t.Errorf("%s: %v\n%s", text, err, out)
				}
				continue
			}
			// The agent may not have asked dns yet, and an answer may be late.
			within(t, text, func(context.Context) error {
				out, err := runIn(t, folder, args[1:]...)
				if err != nil {
					err = fmt.Errorf("%w\n%s", err, out)
				}
				return err
			})
		}
		if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if line := c.next(t); line.Event != "stopping" {
			t.Errorf("after Ctrl-C: %+v", line)
		}
		if line := c.next(t); line.Event != "stopped" || len(line.Stats) != 3 {
			t.Errorf("after Ctrl-C: %+v", line)
		}
		if err := c.cmd.Wait(); err != nil {
			t.Error(err)
		}
		gone(t, line)
	}
}

// TestUpEndsAtOnce: processes go with their parent, however that ends.
func TestUpEndsAtOnce(t *testing.T) {
	t.Parallel()
	for _, signals := range [][]syscall.Signal{{syscall.SIGKILL}, {syscall.SIGTERM, syscall.SIGINT}} {
		c, line := startUp(t, t.TempDir(), "--processes")
		for _, s := range signals {
			_ = c.cmd.Process.Signal(s)
		}
		_, _ = io.Copy(io.Discard, c.lines)
		_ = c.cmd.Wait()
		gone(t, line)
	}
}

// gone waits until no service is a process any more.
func gone(t *testing.T, line upLine) {
	t.Helper()
	for _, v := range line.Services {
		if v.PID == 0 {
			continue
		}
		within(t, v.Name+" has ended", func(context.Context) error {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", v.PID))
			if err == nil && !strings.Contains(string(stat), ") Z ") { // only to be buried
				return fmt.Errorf("it runs: %s", stat)
			}
			return nil
		})
	}
}
