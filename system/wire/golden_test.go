package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"
)

// message is what every struct of this package can do.
type message interface {
	Size() int
	AppendTo(dst []byte) []byte
	Decode(body []byte) error
}

// byName makes the struct for a vector's name.
func byName(name string) message {
	switch strings.TrimPrefix(name, "API_") {
	case "GetRouteRequest":
		return new(GetRouteRequest)
	case "GetRouteResponse":
		return new(GetRouteResponse)
	case "ReportStatusRequest":
		return new(ReportStatusRequest)
	case "GetHostRequest":
		return new(GetHostRequest)
	case "GetHostResponse":
		return new(GetHostResponse)
	case "ReportRequest":
		return new(ReportRequest)
	case "EchoMessage":
		return new(EchoMessage)
	}
	return nil
}

// vector is one line of the captures.
type vector struct {
	name string // as in the file
	kind string // the message's name
	id   int32
	size int32 // msglen of the head
	body []byte
}

func vectors(t testing.TB) []vector {
	text, err := os.ReadFile("testdata/original-captures.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	for _, line := range strings.Split(string(text), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		parts := strings.Split(line, "\t")
		raw, err := hex.DecodeString(parts[1])
		if err != nil || len(raw) < 8 {
			t.Fatalf("bad line %q: %v", line, err)
		}
		kind := parts[0][strings.LastIndex(parts[0], ":")+1:]
		kind, _, _ = strings.Cut(kind, "-")
		all = append(all, vector{
			name: parts[0], kind: kind, body: raw[8:],
			id:   int32(binary.LittleEndian.Uint32(raw)),
			size: int32(binary.LittleEndian.Uint32(raw[4:])),
		})
	}
	return all
}

// Every message that the original sent decodes and encodes to the same bytes.
// The probes that are no message give the defined error.
func TestGolden(t *testing.T) {
	checked := map[string]int{}
	for _, v := range vectors(t) {
		m := byName(v.kind)
		switch {
		case strings.HasPrefix(v.name, "probe:") && strings.HasSuffix(v.name, "-badpb"):
			if err := m.Decode(v.body); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: error %v, want ErrMalformed", v.name, err)
			}
			checked["malformed"]++
			continue
		case m == nil: // header-toobig, header-neg, unknown-msgid: heads, for reactor/frame
			checked["heads"]++
			continue
		}
		if err := m.Decode(v.body); err != nil {
			t.Errorf("%s %x: %v", v.name, v.body, err)
			continue
		}
		if got := m.AppendTo(nil); !bytes.Equal(got, v.body) || m.Size() != len(v.body) || int(v.size) != len(v.body) {
			t.Errorf("%s: encoded %x (Size %d), captured %x", v.name, got, m.Size(), v.body)
		}
		checked[v.kind]++
	}
	want := map[string]int{
		"malformed": 2, "heads": 3, "EchoMessage": 2, "GetRouteRequest": 10, "GetRouteResponse": 14,
		"ReportStatusRequest": 15, "GetHostRequest": 22, "GetHostResponse": 22, "ReportRequest": 9,
		"API_GetRouteRequest": 8, "API_GetRouteResponse": 15,
	}
	for kind, n := range want {
		if checked[kind] < n {
			t.Errorf("%d vectors of %s checked, want %d", checked[kind], kind, n)
		}
	}
}

// Some captures by value, so that an error that decoding and encoding share is
// seen.
func TestGoldenValues(t *testing.T) {
	body := func(s string) []byte {
		raw, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	var r GetHostResponse
	if err := r.Decode(body("08ffffffff0f100118012a0e08b183a085fcffffffff0110e13c")); err != nil {
		t.Fatal(err)
	}
	ip := uint32(0xC0A801B1)
	if want := (GetHostResponse{Seq: 4294967295, ModID: 1, CmdID: 1, HasHost: true, Host: HostInfo{int32(ip), 7777}}); r != want {
		t.Errorf("got %+v, want %+v", r, want)
	}
	var s ReportStatusRequest
	if err := s.Decode(body("08021001187b2208080110011864200322080802100418642003220a08031009186420032801289bc383d806")); err != nil {
		t.Fatal(err)
	}
	if s.ModID != 2 || s.CmdID != 1 || s.Caller != 123 || s.TS != 1795219867 || len(s.Results) != 3 ||
		s.Results[2] != (HostCallResult{IP: 3, Port: 9, Succ: 100, Err: 3, Overload: true}) {
		t.Errorf("got %+v", s)
	}
}
