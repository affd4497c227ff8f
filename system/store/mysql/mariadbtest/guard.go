package mariadbtest

import (
	"io"
	"os/exec"
	"strconv"
	"syscall"
)

// guard is a process that outlives a test program which was killed, and then ends
// the server and removes its folder, which a signal of the kernel to the server
// could not. It learns of the death by the end of its input.
type guard struct {
	cmd   *exec.Cmd
	input io.WriteCloser
}

func newGuard(pid int, folder string) (*guard, error) {
	cmd := exec.Command("/bin/sh", "-c", `read -r word; [ "$word" = dismissed ] || { kill -9 "$1"; rm -rf "$2"; }`,
		"guard", strconv.Itoa(pid), folder)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for the test program
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &guard{cmd, input}, nil
}

// dismiss ends the guard; the server must be gone.
func (g *guard) dismiss() {
	_, _ = io.WriteString(g.input, "dismissed\n")
	_ = g.input.Close()
	_ = g.cmd.Wait()
}
