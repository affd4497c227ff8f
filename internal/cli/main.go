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
// or SIGTERM cancels the context; a SIGINT after it ends the process at once.
func Main(run Func, stdout, stderr io.Writer, args []string) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	done := make(chan struct{})
	defer close(done)
	go func() {
		if watch(signals, done, cancel) {
			fmt.Fprintln(stderr, "stopped at once")
			os.Exit(exitInterrupted)
		}
	}()
	err := run(ctx, stdout, stderr, args)
	Print(stderr, err)
	return Code(err)
}

// watch cancels on the first signal and returns true on a SIGINT after it, false
// when done. A second SIGTERM is nobody's impatience: timeout(1) signals a
// process and then its group, and systemd a parent and the children that this
// ends in order.
func watch(signals <-chan os.Signal, done <-chan struct{}, cancel func()) (atOnce bool) {
	for first := true; ; first = false {
		select {
		case <-done:
			return false
		case s := <-signals:
			if !first && s == syscall.SIGINT {
				return true
			}
			cancel()
		}
	}
}
