package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// exitInterrupted is the shell's code of a process that SIGINT ended.
const exitInterrupted = 130

// Main runs a command for a process and returns its exit code. The first SIGINT
// or SIGTERM cancels the context; a second one ends the process at once.
func Main(run Func, stdout, stderr io.Writer, args []string) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	done := make(chan struct{})
	defer close(done)
	go watch(signals, done, cancel, stderr)
	err := run(ctx, stdout, stderr, args)
	Print(stderr, err)
	return Code(err)
}

// watch cancels on the first signal and exits on the second.
func watch(signals <-chan os.Signal, done <-chan struct{}, cancel func(), stderr io.Writer) {
	select {
	case <-done:
		return
	case <-signals:
		cancel()
	}
	select {
	case <-done:
	case <-signals:
		fmt.Fprintln(stderr, "stopped at once")
		os.Exit(exitInterrupted)
	}
}
