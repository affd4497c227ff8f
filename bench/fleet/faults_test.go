package fleet

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lars/bench/load"
)

// mute is a worker that greets, and is then played by the test.
func mute(t *testing.T, play func(*link)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		k := newLink(c)
		if _, err := k.greet(roleWorker, "odd", []byte("secret")); err == nil {
			play(k)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// upTo answers as a worker does until a kind of message has come.
func upTo(k *link, kind string) {
	for {
		m, err := k.receive(0)
		if err != nil {
			return
		}
		switch m.Kind {
		case kindPing:
			_ = k.send(message{Kind: kindPong, Clock: 1})
		case kindJob:
			_ = k.send(message{Kind: kindReady})
		}
		if m.Kind == kind {
			return
		}
	}
}

func raw(k *link, body string) {
	_, _ = k.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
}

// TestWorkerFails: whatever a worker does, the coordinator ends soon, names it,
// and has stopped the others.
func TestWorkerFails(t *testing.T) {
	for name, c := range map[string]struct {
		play   func(*link)
		before bool // the load
		says   string
	}{
		"refuses the job": {func(k *link) { upTo(k, kindPing); raw(k, `{"kind":"failed","text":"no\u001bsockets"}`) }, true, "no sockets"},
		"leaves early":    {func(k *link) { upTo(k, kindPing) }, true, "its connection ended"},
		"leaves":          {func(k *link) { upTo(k, kindStart) }, false, "its connection ended"},
		"fails":           {func(k *link) { upTo(k, kindStart); raw(k, `{"kind":"failed","text":"disk on fire"}`) }, false, "disk on fire"},
		"talks rubbish":   {func(k *link) { upTo(k, kindStart); raw(k, `rubbish`) }, false, "not the protocol"},
		"broken figures": {func(k *link) {
			upTo(k, kindStart)
			raw(k, `{"kind":"interval","interval":{"phase":1,"response":"AQIC"}}`)
		}, false, "not a recorder"},
		"no figures":  {func(k *link) { upTo(k, kindStart); raw(k, `{"kind":"report","report":{}}`) }, false, "incomplete"},
		"greets":      {func(k *link) { upTo(k, kindStart); raw(k, `{"kind":"ready"}`) }, false, "ready during a load"},
		"far too big": {func(k *link) { upTo(k, kindStart); _, _ = k.conn.Write([]byte{0xff, 0, 0, 0}) }, false, "at most 4194304 are allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			e := startEcho(t)
			play := c.play
			f := connect(t, startWorker(t, "good", "secret"), mute(t, func(k *link) { play(k); _, _ = io.Copy(io.Discard, deadline(k)) }))
			var lost error
			f.OnLoss = func(err error) { lost = err }
			run := f.Drive(Spec{Name: "echo"})
			config := load.Config{Addr: e.addr, Conns: 4, Duration: time.Hour, Every: 50 * time.Millisecond}
			r, err := run(t.Context(), config)
			if c.before {
				if err == nil || !strings.Contains(err.Error(), "worker odd (127.0.0.1:") || !strings.Contains(err.Error(), c.says) {
					t.Error(err)
				}
			} else {
				if err != nil {
					t.Fatal(err)
				}
				reasons := r.Judge()
				i := 0
				for i < len(reasons) && !strings.Contains(reasons[i].Text, "worker odd (127.0.0.1:") {
					i++
				}
				if i == len(reasons) || reasons[i].Verdict != load.Invalid || !strings.Contains(reasons[i].Text, c.says) || !r.Cut {
					t.Errorf("%v", reasons)
				}
				for _, reason := range reasons {
					if strings.Contains(reason.Text, "worker good") {
						t.Errorf("the other one is blamed: %s", reason.Text)
					}
				}
			}
			if lost == nil {
				t.Error("nobody was told")
			}
			if _, err := run(t.Context(), config); err == nil {
				t.Error("another load began")
			}
		})
	}
}

// deadline ends the odd worker's connection soon: "leaves" is to leave.
func deadline(k *link) io.Reader {
	_ = k.conn.SetReadDeadline(time.Now())
	return k.conn
}

// TestInterrupted: a context that ends gives what there is, from all workers.
func TestInterrupted(t *testing.T) {
	e := startEcho(t)
	ctx, cancel := context.WithCancel(t.Context())
	c := load.Config{Addr: e.addr, Conns: 3, Duration: time.Hour, Every: 50 * time.Millisecond}
	c.OnInterval = func(*load.Interval) { cancel() }
	r, err := three(t).Drive(Spec{Name: "echo"})(ctx, c)
	if err != nil || !r.Cut || r.Completed == 0 || len(r.Parts) != 3 {
		t.Fatalf("%v, %+v", err, r)
	}
}

func TestRefusals(t *testing.T) {
	e := startEcho(t)
	good := load.Config{Addr: e.addr, Conns: 3, Duration: 50 * time.Millisecond}
	for name, c := range map[string]struct {
		spoil func(*load.Config)
		spec  string
		says  string
	}{
		"too few connections": {func(c *load.Config) { c.Conns = 2 }, "echo", "2 connections for 3 workers"},
		"duet":                {func(c *load.Config) { c.Rival = netip.MustParseAddrPort("127.0.0.1:9") }, "echo", "by one machine"},
		"nothing measured":    {func(c *load.Config) { c.Duration = 0 }, "echo", "nothing would be measured"},
		"unknown workload":    {func(*load.Config) {}, "soup", `workload "soup": unknown`},
		"nobody listens":      {func(c *load.Config) { c.Addr = netip.MustParseAddrPort("127.0.0.1:1") }, "echo", "cannot connect"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			c.spoil(&bad)
			if _, err := three(t).Drive(Spec{Name: c.spec})(t.Context(), bad); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Error(err)
			}
		})
	}
}

func TestConnectRefusals(t *testing.T) {
	good := startWorker(t, "a", "secret")
	other := startWorker(t, "b", "other secret")
	connect(t, good)
	for name, c := range map[string]struct {
		addrs []string
		says  string
	}{
		"nobody there": {[]string{"127.0.0.1:1"}, "does lars bench worker --listen run there?"},
		"wrong token":  {[]string{other}, "another token: give both the same --token-file"},
		"twice":        {[]string{good, good}, "named twice"},
	} {
		if _, err := Connect(t.Context(), c.addrs, "test", []byte("secret")); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	busy, err := Connect(t.Context(), []string{good}, "test", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	e := startEcho(t)
	if _, err := busy.Drive(Spec{Name: "echo"})(t.Context(), load.Config{Addr: e.addr, Duration: time.Millisecond}); err == nil || !strings.Contains(err.Error(), "another coordinator") {
		t.Errorf("a second coordinator: %v", err)
	}
}

// TestStrangers: a worker outlives whatever connects to it.
func TestStrangers(t *testing.T) {
	addr := startWorker(t, "a", "secret")
	valid := `{"kind":"hello","hello":{"protocol":"` + Protocol + `","role":"coordinator","name":"x","nonce":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}`
	for name, bodies := range map[string][]string{
		"rubbish":       {"GET / HTTP/1.1"},
		"unknown field": {`{"kind":"hello","extra":1}`},
		"empty":         {`{}`},
		"other version": {strings.Replace(valid, "/v1", "/v9", 1)},
		"same role":     {strings.Replace(valid, "coordinator", "worker", 1)},
		"short nonce":   {strings.Replace(valid, "AAAA", "", 1)},
		"wrong proof":   {valid, `{"kind":"proof","proof":"AAAA"}`},
		"no proof":      {valid, `{"kind":"job","job":{}}`},
		"too long":      {`{"kind":"hello","text":"` + strings.Repeat("x", helloBytesMax) + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			k := newLink(c)
			for _, b := range bodies {
				raw(k, b)
			}
			// It hangs up, perhaps with a reset for what it has not read; a
			// proof of its own it has not shown.
			said, _ := io.ReadAll(c)
			if bytes.Contains(said, []byte(`"kind":"proof"`)) {
				t.Errorf("it said %q", said)
			}
		})
	}
	e := startEcho(t)
	r, err := connect(t, addr).Drive(Spec{Name: "echo"})(t.Context(), load.Config{Addr: e.addr, Duration: 50 * time.Millisecond, Every: 50 * time.Millisecond})
	if err != nil || r.Completed == 0 {
		t.Errorf("after the strangers: %v", err)
	}
}

// TestCoordinatorLeaves: the load of a coordinator that is gone stops, and the
// worker serves the next.
func TestCoordinatorLeaves(t *testing.T) {
	e := startEcho(t)
	addr := startWorker(t, "a", "secret")
	f, err := Connect(t.Context(), []string{addr}, "test", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan struct{})
	c := load.Config{Addr: e.addr, Duration: time.Hour, Every: 50 * time.Millisecond}
	var once bool
	c.OnInterval = func(*load.Interval) {
		if !once {
			once = true
			f.workers[0].link.conn.Close() // as if the machine were gone
			close(left)
		}
	}
	if _, err := f.Drive(Spec{Name: "echo"})(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	<-left
	f.Close()
	c.OnInterval, c.Duration = nil, 50*time.Millisecond
	for until := time.Now().Add(30 * time.Second); ; {
		next, err := Connect(t.Context(), []string{addr}, "test", []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := next.Drive(Spec{Name: "echo"})(t.Context(), c)
		next.Close()
		if err == nil && r.Completed > 0 {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("the worker did not get free: %v", err)
		}
	}
}

func TestSpread(t *testing.T) {
	part := func(name string, p50, skew time.Duration) load.PartResult {
		return load.PartResult{Name: name, P50: p50, Skew: skew}
	}
	parts := []load.PartResult{
		part("a", 1000, 0), part("b", 1010, 0), part("c", 990, 0), part("d", 1005, 0), part("e", 5000, 0), part("f", 1001, time.Second),
	}
	got := spread(parts)
	if len(got) != 2 || !strings.Contains(got[0].Text, "worker e") || !strings.Contains(got[1].Text, "worker f") || got[0].Verdict != load.Degraded {
		t.Errorf("%v", got)
	}
	if got := spread(parts[:4]); got != nil {
		t.Errorf("%v", got)
	}
	if got := spread([]load.PartResult{part("a", 1000, 0), part("b", 5000, 0)}); len(got) != 2 {
		t.Errorf("of two that differ: %v", got)
	}
	if got := spread(nil); got != nil {
		t.Errorf("%v", got)
	}
}

func FuzzReadMessage(f *testing.F) {
	for _, body := range []string{`{"kind":"ping"}`, `{"kind":"report","report":{"response":"AQAAAAAAAAA="}}`, `{"kind":"job","job":{"addr":"127.0.0.1:1"}}`, ``} {
		f.Add(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readMessage(bytes.NewReader(b), messageBytesMax)
		if err == nil && m.check() != nil {
			t.Fatal("an incomplete message was accepted")
		}
		if err != nil && m != nil && m.check() == nil && errors.Is(err, ErrProtocol) {
			t.Fatal("a good message was refused")
		}
	})
}
