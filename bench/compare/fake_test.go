package compare

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"lars/backends"
	"lars/bench/server"
	"lars/internal/cli"
)

// TestMain makes the test binary a server: "echo" is that of package server
// with its flags; the others know nothing but bytes, and what they do wrong.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "echo":
			os.Exit(cli.Main(server.Commands(backends.Open, backends.Names()).Run, os.Stdout, os.Stderr, os.Args[1:]))
		case "plain", "dies", "worsens":
			fake(os.Args[1])
			return
		}
	}
	// The race detector's runtime sleeps a second before each server ends.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	os.Exit(m.Run())
}

// goodReplies get a bad server past the first questions.
const goodReplies = 2

func fake(kind string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	fmt.Printf("listening on %s\n", l.Addr())
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go fakeEcho(c, kind)
	}
}

func fakeEcho(c net.Conn, kind string) {
	defer c.Close()
	for n := 0; ; n++ {
		head := make([]byte, 8)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		frame := append(head, make([]byte, binary.LittleEndian.Uint32(head[4:]))...)
		if _, err := io.ReadFull(c, frame[8:]); err != nil {
			return
		}
		if binary.LittleEndian.Uint32(head) != 1 {
			continue // it has never heard of other messages
		}
		switch {
		case kind == "worsens" && n > goodReplies:
			frame[12] ^= 1
		case kind == "dies" && n > goodReplies:
			fmt.Fprintln(os.Stderr, "out of luck")
			os.Exit(7)
		}
		if _, err := c.Write(frame); err != nil {
			return
		}
	}
}
