package systest

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"lars/reactor/frame"
	"lars/system/store"
	"lars/system/up"
	"lars/system/wire"
)

// captured are the bytes of the original's programs, by their names.
func captured(t *testing.T) map[string][][]byte {
	t.Helper()
	text, err := os.ReadFile("../wire/testdata/original-captures.tsv")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][][]byte{}
	for line := range strings.Lines(string(text)) {
		parts := strings.Split(line, "\t")
		if len(parts) < 3 || line[0] == '#' {
			continue
		}
		raw, err := hex.DecodeString(parts[1])
		if err != nil {
			t.Fatalf("%s: %v", parts[0], err)
		}
		all[parts[0]] = append(all[parts[0]], raw)
	}
	return all
}

// exchanged are the requests of the original's agent to dns with the answers
// that its dns gave, where those follow from the sample routes and the two of
// goldenRoutes alone.
var exchanged = []struct{ name, request, answer string }{
	{"1,1", "010000000400000008011001", "0200000014000000080110011a0e08b183a085fcffffffff0110e13c"},
	{"1,2", "010000000400000008011002", "0200000014000000080110021a0e08b283a085fcffffffff0110e03c"},
	{"2,1", "010000000400000008021001", "0200000014000000080210011a0e08b383a085fcffffffff0110e23c"},
	{"2,2", "010000000400000008021002", "0200000014000000080210021a0e08b483a085fcffffffff0110e33c"},
	{"7,2", "010000000400000008071002", "0200000015000000080710021a0f089185a085fcffffffff0110d18c01"},
	{"9,9, which has no hosts", "010000000400000008091009", "020000000400000008091009"},
	{"404,500, which has no hosts", "010000000600000008940310f403", "020000000600000008940310f403"},
}

// golden replays conversations of the original's programs against dns and
// agent, over real sockets.
func golden(t *testing.T, e *env) {
	vectors := captured(t)
	e.edit(t, store.Module{ModID: 7, CmdID: 2}, store.OpAdd, mustHost(t, "192.168.2.145:18001"))
	t.Run("dns", func(t *testing.T) { goldenDNS(t, e, vectors) })
	t.Run("agent", func(t *testing.T) { goldenAgent(t, e, vectors) })
}

// known fails for bytes that are not in the captures: the table above must not
// drift from what was captured.
func known(t *testing.T, vectors map[string][][]byte, name, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors[name] {
		if bytes.Equal(v, raw) {
			return raw
		}
	}
	t.Fatalf("no %s %s was captured", name, text)
	return nil
}

func goldenDNS(t *testing.T, e *env, vectors map[string][][]byte) {
	c := dialTCP(t, e.sys.Addrs(up.DNS)[0])
	// dns may not have seen the edit yet; the push that then follows is the
	// answer that the others are compared with.
	want := known(t, vectors, "GetRouteResponse", exchanged[4].answer)
	for answer := c.ask(t, known(t, vectors, "GetRouteRequest", exchanged[4].request)); !bytes.Equal(answer, want); answer = c.read(t) {
		if string(answer) != "\x02\x00\x00\x00\x04\x00\x00\x00\x08\x07\x10\x02" {
			t.Fatalf("before the edit: %x", answer)
		}
	}
	for _, x := range exchanged {
		request := known(t, vectors, "GetRouteRequest", x.request)
		if answer := c.ask(t, request); !bytes.Equal(answer, known(t, vectors, "GetRouteResponse", x.answer)) {
			t.Errorf("%s: answer %x, want %s", x.name, answer, x.answer)
		}
	}
	// Two in one segment, and one in pieces.
	both := append(bytes.Clone(vectors["probe:GetRouteRequest"][0]), vectors["probe:GetRouteRequest-empty"][0]...)
	c.write(t, both[:3], both[3:20], both[20:])
	if answer := c.read(t); !bytes.Equal(answer, vectors["reply:GetRouteResponse"][0]) {
		t.Errorf("negative id: %x", answer)
	}
	// The original dies of an empty body; its meaning is module 0,0, and the
	// answer's bytes are those that it gives to a body cut to nothing.
	if answer := c.read(t); !bytes.Equal(answer, vectors["reply:GetRouteResponse-badpb"][0]) {
		t.Errorf("empty body: %x", answer)
	}
	// Passed over, and the connection goes on.
	c.write(t, vectors["probe:unknown-msgid"][0], vectors["probe:GetRouteRequest-badpb"][0])
	if answer := c.ask(t, known(t, vectors, "GetRouteRequest", exchanged[0].request)); hex.EncodeToString(answer) != exchanged[0].answer {
		t.Errorf("after what is passed over: %x", answer)
	}
	// The original closes at the head; we close when the body is there,
	// since one limit of the connection serves what is received and sent.
	for _, name := range []string{"probe:header-toobig", "probe:header-neg"} {
		c := dialTCP(t, e.sys.Addrs(up.DNS)[0])
		c.write(t, vectors[name][0])
		if name == "probe:header-toobig" {
			_, _ = c.Write(make([]byte, wire.BodyBytesMax+1))
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %d bytes, %v; want the connection closed", name, n, err)
		}
	}
}

// goldenAgent replays the session that was captured on port 8890, whose agent
// owns module 1,1.
func goldenAgent(t *testing.T, e *env, vectors map[string][][]byte) {
	addrs := e.sys.Addrs(up.Agent)
	c := dialUDP(t, addrs[2])
	probe := vectors["probe:GetHostRequest"]
	if answer := c.ask(t, probe[0]); !bytes.Equal(answer, vectors["reply:GetHostResponse-noexist"][0]) {
		t.Errorf("first request: %x", answer)
	}
	route := known(t, vectors, "API_GetRouteRequest", "070000000400000008011001")
	served := known(t, vectors, "API_GetRouteResponse", "0800000014000000080110011a0e08b183a085fcffffffff0110e13c")
	for answer := c.ask(t, route); !bytes.Equal(answer, served); answer = c.ask(t, route) {
		if string(answer) != "\x08\x00\x00\x00\x04\x00\x00\x00\x08\x01\x10\x01" {
			t.Fatalf("route before it is there: %x", answer)
		}
	}
	for _, x := range []struct{ name, request, answer string }{
		{"host", hex.EncodeToString(probe[1]), hex.EncodeToString(vectors["reply:GetHostResponse"][0])},
		{"greatest seq", hex.EncodeToString(vectors["probe:GetHostRequest-maxseq"][0]), hex.EncodeToString(vectors["reply:GetHostResponse-maxseq"][0])},
		{"seq 0", "040000000400000010011801", "0500000014000000100118012a0e08b183a085fcffffffff0110e13c"},
	} {
		request, _ := hex.DecodeString(x.request)
		if answer := c.ask(t, request); hex.EncodeToString(answer) != x.answer {
			t.Errorf("%s: answer %x, want %s", x.name, answer, x.answer)
		}
	}
	// A module without hosts, on its own port and on a wrong one.
	none := known(t, vectors, "GetHostRequest", "0400000006000000"+"10940318f403")
	for _, port := range []int{1, 0} { // (404 + 500) mod 3 = 1
		if answer := dialUDP(t, addrs[port]).ask(t, none); hex.EncodeToString(answer) != "050000000800000010940318f4032003" {
			t.Errorf("no hosts, port %d: %x", port, answer)
		}
	}
	// Not answered, and what comes next is: the report, an id that the agent
	// does not have, and what killed the original's agent.
	c.write(t, known(t, vectors, "ReportRequest", "0600000014000000080110011a0e08b183a085fcffffffff0110e13c"))
	c.write(t, known(t, vectors, "GetRouteRequest", exchanged[0].request))
	c.write(t, vectors["probe:GetHostRequest-negative"][0])
	c.write(t, vectors["probe:GetHostRequest-badpb"][0])
	if answer := c.ask(t, probe[1]); !bytes.Equal(answer, vectors["reply:GetHostResponse"][0]) {
		t.Errorf("after what is not answered: %x", answer)
	}
}

// peer is a plain socket that speaks frames.
type peer struct {
	net.Conn
	datagrams bool
}

func dialTCP(t *testing.T, addr string) *peer { return dial(t, "tcp", addr) }

func dialUDP(t *testing.T, addr string) *peer { return dial(t, "udp", addr) }

func dial(t *testing.T, network, addr string) *peer {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &peer{c, network == "udp"}
}

func (p *peer) write(t *testing.T, parts ...[]byte) {
	t.Helper()
	for _, b := range parts {
		if _, err := p.Write(b); err != nil {
			t.Fatal(err)
		}
	}
}

// read reads one frame.
func (p *peer) read(t *testing.T) []byte {
	t.Helper()
	if p.datagrams {
		b := make([]byte, 1<<16)
		n, err := p.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return b[:n]
	}
	head := make([]byte, frame.HeadBytes)
	if _, err := io.ReadFull(p, head); err != nil {
		t.Fatal(err)
	}
	b := append(head, make([]byte, binary.LittleEndian.Uint32(head[4:]))...)
	if _, err := io.ReadFull(p, b[frame.HeadBytes:]); err != nil {
		t.Fatal(err)
	}
	return b
}

func (p *peer) ask(t *testing.T, request []byte) []byte {
	t.Helper()
	p.write(t, request)
	return p.read(t)
}
