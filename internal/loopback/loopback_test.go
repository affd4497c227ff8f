package loopback

import (
	"net"
	"net/netip"
	"strconv"
	"testing"
)

// TestOwn: two have the same port at once, and who connects comes from another
// address.
func TestOwn(t *testing.T) {
	a, b := Own(), Own()
	for b == a {
		b = Own()
	}
	la, err := net.Listen("tcp", netip.AddrPortFrom(a, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer la.Close()
	port := la.Addr().(*net.TCPAddr).Port
	lb, err := net.Listen("tcp", net.JoinHostPort(b.String(), strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer lb.Close()
	c, err := net.Dial("tcp", la.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if from := c.LocalAddr().(*net.TCPAddr).IP.String(); from != "127.0.0.1" {
		t.Errorf("connected from %s", from)
	}
}
