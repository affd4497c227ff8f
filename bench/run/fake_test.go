package run

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// fakeArg makes the test binary a server of the kind that follows.
const fakeArg = "fake-server"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == fakeArg {
		fake(os.Args[2])
		return
	}
	// The race detector's runtime sleeps a second before each fake ends.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	os.Exit(m.Run())
}

// fakeServer is the command of a fake: what a real server may do to us.
func fakeServer(kind string) []string { return []string{os.Args[0], fakeArg, kind} }

func fake(kind string) {
	switch kind {
	case "refuses":
		fmt.Fprintln(os.Stderr, "no such backend: quux")
		os.Exit(2)
	case "chatters":
		fmt.Println("hello there")
		select {}
	case "silent":
		select {}
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
	}
	if kind == "udp" {
		fakeUDP()
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if kind != "stubborn" {
		go reportAtEnd()
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

func reportAtEnd() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	fmt.Println(`{"messages_in":10,"reads":20,"writes":10,"waits":5}`)
	os.Exit(0)
}

func fakeUDP() {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	fmt.Printf("listening on %s\n", c.LocalAddr())
	buf := make([]byte, 65536)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = c.WriteTo(buf[:n], from)
	}
}

// goodReplies is how many replies a bad server gives rightly, so that it gets
// past the first question.
const goodReplies = 50

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
		switch {
		case kind == "wrong", kind == "worsens" && n > goodReplies:
			frame[12] ^= 1
		case kind == "hangs up":
			return
		case kind == "dies" && n > goodReplies:
			fmt.Fprintln(os.Stderr, "out of luck")
			os.Exit(7)
		}
		if _, err := c.Write(frame); err != nil {
			return
		}
	}
}
