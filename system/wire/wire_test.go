package wire

import (
	"errors"
	"math"
	"testing"
)

func TestPortFor(t *testing.T) {
	for _, c := range []struct {
		modid, cmdid int32
		index        int
		ok           bool
	}{
		{1, 1, 2, true},
		{3, 3, 0, true},
		{404, 500, 1, true},
		{0, 0, 0, true},
		{math.MaxInt32, math.MaxInt32, 2, true}, // 4294967294 = 3 * 1431655764 + 2
		{math.MaxInt32, 1, 2, true},
		{-1, 5, 0, false},
		{5, -1, 0, false},
		{math.MinInt32, math.MinInt32, 0, false},
	} {
		if index, ok := PortFor(c.modid, c.cmdid); index != c.index || ok != c.ok {
			t.Errorf("PortFor(%d, %d) = %d, %v; want %d, %v", c.modid, c.cmdid, index, ok, c.index, c.ok)
		}
	}
}

// B9: with a negative id the original indexes its ports with -1 and dies.
func TestB9NegativeIdsHaveNoPort(t *testing.T) {
	for modid := int32(-7); modid <= 7; modid++ {
		for cmdid := int32(-7); cmdid <= 7; cmdid++ {
			index, ok := PortFor(modid, cmdid)
			if index < 0 || index >= AgentPorts || ok != (modid >= 0 && cmdid >= 0) {
				t.Errorf("PortFor(%d, %d) = %d, %v", modid, cmdid, index, ok)
			}
		}
	}
}

// B1: eight bytes, the head of a message without a body, abort the original's
// servers. It is a legal message: all fields zero.
func TestB1EmptyBodyIsAMessage(t *testing.T) {
	for _, m := range sample() {
		if err := m.Decode(nil); err != nil || m.Size() != 0 || len(m.AppendTo(nil)) != 0 {
			t.Errorf("%T from an empty body: %+v, %v", m, m, err)
		}
	}
}

func TestDecodeRules(t *testing.T) {
	for _, c := range []struct {
		name string
		body string
		want GetHostResponse
		bad  bool
	}{
		{name: "empty", body: ""},
		{name: "last wins", body: "\x10\x01\x10\x02", want: GetHostResponse{ModID: 2}},
		{name: "last wins with zero", body: "\x10\x01\x10\x00"},
		{name: "singular message merged", body: "\x2a\x02\x08\x07\x2a\x02\x10\x50", want: GetHostResponse{HasHost: true, Host: HostInfo{7, 80}}},
		{name: "empty message is present", body: "\x2a\x00", want: GetHostResponse{HasHost: true}},
		{name: "unknown fields skipped", body: "\x30\x05\x3a\x01x\x45\x01\x02\x03\x04\x10\x09", want: GetHostResponse{ModID: 9}},
		{name: "unknown group skipped", body: "\x33\x10\x01\x34\x10\x09", want: GetHostResponse{ModID: 9}},
		{name: "packed scalar is not a scalar", body: "\x12\x02\x01\x02\x18\x03", want: GetHostResponse{CmdID: 3}},
		{name: "wide number is cut", body: "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", want: GetHostResponse{ModID: -1}},
		{name: "64 bits into uint32", body: "\x08\x81\x80\x80\x80\x10", want: GetHostResponse{Seq: 1}},
		{name: "long form of a tag", body: "\x90\x00\x09", want: GetHostResponse{ModID: 9}},
		{name: "cut varint", body: "\x10", bad: true},
		{name: "cut varint 2", body: "\x10\x80", bad: true},
		{name: "varint of 11 bytes", body: "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", bad: true},
		{name: "field number 0", body: "\x00\x01", bad: true},
		{name: "length beyond the end", body: "\x2a\x05\x08", bad: true},
		{name: "length of 2^63", body: "\x2a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", bad: true},
		{name: "bad host inside", body: "\x2a\x01\x08", bad: true},
		{name: "wire type 6", body: "\x16", bad: true},
		{name: "stray end of group", body: "\x14", bad: true},
		{name: "open group", body: "\x33\x10\x01", bad: true},
	} {
		got := GetHostResponse{Seq: 99, HasHost: true, Retcode: 5} // Decode must forget it
		err := got.Decode([]byte(c.body))
		if c.bad {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: error %v, want ErrMalformed", c.name, err)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

func TestFit(t *testing.T) {
	route := func(n int) *GetRouteResponse {
		m := &GetRouteResponse{ModID: 1, CmdID: 2}
		for i := range n {
			m.Hosts = append(m.Hosts, HostInfo{IP: int32(-1 - i), Port: int32(i + 1)})
		}
		return m
	}
	for _, c := range []struct{ hosts, max, cut int }{
		{0, 4, 0}, {10, 1 << 20, 0}, {1, 0, 1}, {3, 4 + 2*15, 2}, // 15 bytes a host; the flag costs the second one
		{6000, DatagramBodyBytesMax, 0}, // judged below
	} {
		m := route(c.hosts)
		whole := m.Size()
		cut := m.Fit(c.max)
		switch {
		case c.hosts == 6000:
			if cut == 0 || m.Size() > c.max || c.max-m.Size() > 20 {
				t.Errorf("6000 hosts: cut %d, size %d of %d", cut, m.Size(), c.max)
			}
		case cut != c.cut:
			t.Errorf("%d hosts in %d bytes: cut %d, want %d", c.hosts, c.max, cut, c.cut)
		}
		if m.Truncated != (cut > 0) || cut+len(m.Hosts) != c.hosts || (cut == 0 && m.Size() != whole) {
			t.Errorf("%d hosts in %d bytes: %d left, cut %d, truncated %v", c.hosts, c.max, len(m.Hosts), cut, m.Truncated)
		}
	}
}

// sample returns one of each hot message, all fields set.
func sample() []message {
	m := &GetRouteResponse{ModID: 1, CmdID: 2}
	s := &ReportStatusRequest{ModID: 1, CmdID: 2, Caller: 2130706433, TS: 1795219867, Boot: 1 << 60, Number: 77, Sharing: true}
	for i := range 10 {
		m.Hosts = append(m.Hosts, HostInfo{IP: int32(-1062731343 + i), Port: 7777})
		s.Results = append(s.Results, HostCallResult{IP: int32(-1062731343 + i), Port: 7777, Succ: 100, Err: 3, Overload: i == 3, SuccAdd: 20, ErrAdd: uint32(i), Suspect: uint32(i % 3)})
	}
	m.HasPolicy, m.Policy = true, Policy{Settings: []byte("algorithm=p2c"), Version: 1 << 40, Hosts: []HostPolicy{
		{HostInfo: m.Hosts[0], Weight: 3, Zone: 2, Draining: true}, {HostInfo: m.Hosts[1], Weight: 300},
	}}
	return []message{
		&GetRouteRequest{ModID: 1, CmdID: 2, Hints: true}, m, s,
		&Hints{ModID: 1, CmdID: 2, Agents: 1000, Hosts: []HostHint{{m.Hosts[0], 300}, {m.Hosts[1], 1}}},
		&GetHostRequest{Seq: 4000000000, ModID: 1, CmdID: 2, Key: 1 << 63, Zone: 3},
		&GetHostResponse{Seq: 7, ModID: 1, CmdID: 2, HasHost: true, Host: HostInfo{-1062731343, 7777}},
		&ReportRequest{ModID: 1, CmdID: 2, HasHost: true, Host: HostInfo{-1062731343, 7777}, Retcode: -1111, LatencyUS: 1500},
		&EchoMessage{Content: []byte("Hello Lars!!!"), ID: 10},
	}
}

// What the database says nothing of costs no byte, and the original's programs
// skip the rest: the first fields of a message are theirs, unchanged.
func TestOurFieldsAreOptional(t *testing.T) {
	hosts := []HostInfo{{IP: 1, Port: 80}}
	for _, c := range []struct {
		ours, plain message
		want        string // of ours, behind plain
	}{
		{&GetHostRequest{Seq: 1, ModID: 1, Key: 300, Zone: 2}, &GetHostRequest{Seq: 1, ModID: 1}, "\x80\x01\xac\x02\x88\x01\x02"},
		{&GetRouteRequest{ModID: 1, Hints: true}, &GetRouteRequest{ModID: 1}, "\x80\x01\x01"},
		{&ReportStatusRequest{ModID: 1, TS: 5, Sharing: true}, &ReportStatusRequest{ModID: 1, TS: 5}, "\x90\x01\x01"},
		{&ReportStatusRequest{Results: []HostCallResult{{IP: 1, Suspect: Suspected}}}, &ReportStatusRequest{}, "\x22\x05\x08\x01\x90\x01\x01"},
		{&Hints{ModID: 1, Agents: 5, Hosts: []HostHint{{hosts[0], 2}}}, &ReportRequest{ModID: 1}, "\x18\x05\x22\x06\x08\x01\x10\x50\x18\x02"},
		{&ReportRequest{ModID: 1, Retcode: 2, LatencyUS: 5}, &ReportRequest{ModID: 1, Retcode: 2}, "\x80\x01\x05"},
		{&GetRouteResponse{Hosts: hosts, HasPolicy: true}, &GetRouteResponse{Hosts: hosts}, "\x8a\x01\x00"},
		{
			&GetRouteResponse{Hosts: hosts, HasPolicy: true, Policy: Policy{
				Settings: []byte("algorithm=rr"), Version: 9, Hosts: []HostPolicy{{HostInfo: hosts[0], Weight: 3, Zone: 4, Draining: true}},
			}},
			&GetRouteResponse{Hosts: hosts},
			"\x8a\x01\x1c\x0a\x0calgorithm=rr\x10\x09\x1a\x0a\x08\x01\x10\x50\x18\x03\x20\x04\x28\x01",
		},
	} {
		plain := string(c.plain.AppendTo(nil))
		if got := string(c.ours.AppendTo(nil)); got != plain+c.want || c.ours.Size() != len(got) {
			t.Errorf("%+v: %x (Size %d), want %x and %x", c.ours, got, c.ours.Size(), plain, c.want)
		}
	}
	bad := new(GetRouteResponse)
	if err := bad.Decode([]byte("\x8a\x01\x03\x0a\x01\xff")); !errors.Is(err, ErrMalformed) {
		t.Errorf("settings that are not UTF-8: %v", err)
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, 4096)
	for _, m := range sample() {
		body := m.AppendTo(nil)
		if n := testing.AllocsPerRun(100, func() {
			if m.Decode(body) != nil {
				t.Fatal("does not decode")
			}
			buf = m.AppendTo(buf[:0])
		}); n != 0 {
			t.Errorf("%T: %v allocations", m, n)
		}
	}
}

func BenchmarkGetHostDecodeEncode(b *testing.B) {
	b.ReportAllocs()
	req := (&GetHostRequest{Seq: 70000, ModID: 1, CmdID: 2}).AppendTo(nil)
	buf := make([]byte, 0, 64)
	for b.Loop() {
		var q GetHostRequest
		if q.Decode(req) != nil {
			b.Fatal("does not decode")
		}
		a := GetHostResponse{Seq: q.Seq, ModID: q.ModID, CmdID: q.CmdID, HasHost: true, Host: HostInfo{-1062731343, 7777}}
		buf = a.AppendTo(buf[:0])
	}
}

func BenchmarkGetRouteResponse10(b *testing.B) {
	m := sample()[1].(*GetRouteResponse)
	body := m.AppendTo(nil)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		buf := make([]byte, 0, 512)
		for b.Loop() {
			buf = m.AppendTo(buf[:0])
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		var to GetRouteResponse
		for b.Loop() {
			if to.Decode(body) != nil {
				b.Fatal("does not decode")
			}
		}
	})
}
