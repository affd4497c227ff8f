package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func table() Table {
	inner := Table{Name: "lars bench", Summary: "The lab.", Commands: []Command{
		{Name: "run", Summary: "run it", Run: func(_ context.Context, stdout, _ io.Writer, args []string) error {
			f := NewFlags("lars bench run", "--conns N", "Run it.", "lars bench run --conns 3")
			conns := f.Int("conns", 100, "how many connections, `n`")
			f.Duration("for", 0, "`d`uration")
			f.Bool("live", false, "show it")
			if done, err := f.Parse(stdout, args); done || err != nil {
				return err
			}
			fmt.Fprintf(stdout, "conns=%d", *conns)
			return nil
		}},
	}}
	return Table{Name: "lars", Summary: "All.", Examples: []string{"lars bench run"}, Commands: []Command{
		{Name: "bench", Summary: "the lab", Run: inner.Run},
		{Name: "fail", Run: func(context.Context, io.Writer, io.Writer, []string) error { return errors.New("broken pipe") }},
		{Name: "invalid", Run: func(context.Context, io.Writer, io.Writer, []string) error { return Reported(ExitInvalid) }},
	}}
}

func TestTable(t *testing.T) {
	for _, c := range []struct {
		args   string
		code   int
		stdout string // contained
		stderr string // contained
	}{
		{"", 2, "", "Known: bench, fail, invalid"},
		{"help", 0, "lars bench run", ""},
		{"--help", 0, "Commands:", ""},
		{"bnech", 2, "", `unknown command "bnech". Known: bench`},
		{"bench", 2, "", "lars bench: which command? Known: run"},
		{"bench run", 0, "conns=100", ""},
		{"bench run --conns 7", 0, "conns=7", ""},
		{"bench run -conns=7", 0, "conns=7", ""},
		{"bench run --help", 0, "--conns N  how many connections, n (default 100)", ""},
		{"help bench run", 0, "Examples:\n  lars bench run --conns 3", ""},
		{"bench run --conns x", 2, "", "lars bench run: invalid value \"x\" for flag -conns: write a whole number\n"},
		{"bench run --conns 99999999999999999999", 2, "", "flag -conns: write a whole number\n"},
		{"bench run --for 5", 2, "", "invalid value \"5\" for flag -for: write a time with its unit, such as 10s or 500ms\n"},
		{"bench run --live=x", 2, "", "true or false"},
		{"bench run --cons 7", 2, "", "lars bench run --help"},
		{"bench run 7", 2, "", `unexpected argument "7"`},
		{"fail", 1, "", "broken pipe\n"},
		{"invalid", 3, "", ""},
	} {
		t.Run(c.args, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := Main(table().Run, &stdout, &stderr, strings.Fields(c.args))
			if code != c.code {
				t.Errorf("code %d, want %d", code, c.code)
			}
			if !strings.Contains(stdout.String(), c.stdout) {
				t.Errorf("stdout %q lacks %q", stdout.String(), c.stdout)
			}
			if !strings.Contains(stderr.String(), c.stderr) || (c.stderr == "") != (stderr.Len() == 0) {
				t.Errorf("stderr %q, want %q", stderr.String(), c.stderr)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	var out bytes.Buffer
	if err := Version(t.Context(), &out, io.Discard, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"lars ", "commit ", "go  "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q lacks %q", out.String(), want)
		}
	}
}

// TestInterrupt runs itself as a child: the first signal cancels, the second
// ends a command that does not listen.
func TestInterrupt(t *testing.T) {
	if mode := os.Getenv("CLI_TEST_MODE"); mode != "" {
		os.Exit(Main(interrupted(mode), os.Stdout, os.Stderr, nil))
	}
	for _, c := range []struct {
		mode    string
		signals int
		code    int
	}{{"polite", 1, ExitFailed}, {"stubborn", 2, exitInterrupted}} {
		t.Run(c.mode, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=TestInterrupt$")
			cmd.Env = append(os.Environ(), "CLI_TEST_MODE="+c.mode)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for range c.signals {
				// One byte says that the child waits for the next signal.
				if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
					t.Fatal(err)
				}
			}
			_, _ = io.Copy(io.Discard, out)
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != c.code {
				t.Errorf("code %d, want %d", code, c.code)
			}
		})
	}
}

// TestSupervisorsSignalTwice: what the child above cannot tell from a race.
func TestSupervisorsSignalTwice(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	signals := make(chan os.Signal)
	ended := make(chan bool)
	go func() { ended <- watch(signals, nil, cancel) }()
	for range 3 {
		select {
		case signals <- syscall.SIGTERM: // taken, and not the end
		case <-ended:
			t.Fatal("a second SIGTERM ends at once")
		}
	}
	<-ctx.Done()
	signals <- syscall.SIGINT
	if !<-ended {
		t.Error("a SIGINT after it does not")
	}
}

func interrupted(mode string) Func {
	return func(ctx context.Context, stdout, _ io.Writer, _ []string) error {
		fmt.Fprint(stdout, ".")
		<-ctx.Done()
		if mode == "stubborn" {
			fmt.Fprint(stdout, ".")
			select {}
		}
		return ctx.Err()
	}
}
