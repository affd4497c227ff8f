package lars

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"google.golang.org/protobuf/proto"

	"lars/internal/loopback"
	"lars/reactor/frame"
	"lars/system/larspb"
	"lars/system/wire"
)

// told is an answer to a question for counters, as a frame.
func told(t testing.TB, figures string) []byte {
	t.Helper()
	body, err := proto.Marshal(&larspb.StatsResponse{Seq: 1, Service: "dns", Figures: figures})
	if err != nil {
		t.Fatal(err)
	}
	return frame.Append(nil, wire.IDStatsResponse, body)
}

// tcpService answers each connection's first bytes with parts.
func tcpService(t *testing.T, parts ...[]byte) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 100))
			for _, b := range parts {
				_, _ = c.Write(b)
			}
			_, _ = io.Copy(io.Discard, c) // until it closes
			c.Close()
		}
	}()
	return ln.Addr().String()
}

func TestAskStatsOverTCP(t *testing.T) {
	answer := told(t, `{"service":{}}`)
	push := frame.Append(nil, wire.IDGetRouteResponse, []byte("\x08\x01"))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, c := range []struct {
		name  string
		parts [][]byte
		want  error // nil: the figures
	}{
		{"in one", [][]byte{answer}, nil},
		{"behind another message, in parts", [][]byte{push[:3], append(push[3:], answer[:20]...), answer[20:]}, nil},
		{"no object", [][]byte{told(t, `[1]`)}, ErrBadStats},
		{"null", [][]byte{told(t, `null`)}, ErrBadStats},
		{"no message", [][]byte{frame.Append(nil, wire.IDStatsResponse, []byte{0})}, ErrBadStats},
		{"no frame", [][]byte{[]byte("HTTP/1.1 400 Bad Request\r\n")}, frame.ErrTooLarge},
	} {
		s, err := AskStats(ctx, "tcp", tcpService(t, c.parts...))
		if !errors.Is(err, c.want) || err == nil && (s.Name != "dns" || string(s.Figures) != `{"service":{}}`) {
			t.Errorf("%s: %+v, %v; want %v", c.name, s, err, c.want)
		}
	}
}

// The original's services, and those of older releases, pass the question over.
func TestAskStatsOfAnOldService(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		addr := tcpService(t)
		if network == "udp" {
			u, err := net.ListenPacket("udp", loopback.Own().String()+":0")
			if err != nil {
				t.Fatal(err)
			}
			defer u.Close()
			addr = u.LocalAddr().String()
		}
		ctx, cancel := context.WithTimeout(t.Context(), statsAgain/10)
		defer cancel()
		if _, err := AskStats(ctx, network, addr); !errors.Is(err, ErrNoStats) {
			t.Errorf("%s: %v", network, err)
		}
	}
}

// A datagram that is lost is asked for again, and one that is no frame passed
// over.
func TestAskStatsAgainOverUDP(t *testing.T) {
	u, err := net.ListenUDP("udp", &net.UDPAddr{IP: loopback.Own().AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	answer := told(t, `{"service":{}}`)
	go func() {
		for n := 1; ; n++ {
			_, from, err := u.ReadFromUDPAddrPort(make([]byte, 100))
			if err != nil {
				return
			}
			if n > 1 {
				_, _ = u.WriteToUDPAddrPort([]byte("garbage garbage"), from)
				_, _ = u.WriteToUDPAddrPort(answer, from)
			}
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if s, err := AskStats(ctx, "udp", u.LocalAddr().String()); err != nil || s.Name != "dns" {
		t.Errorf("%+v, %v", s, err)
	}
}

func FuzzReadStats(f *testing.F) {
	for _, figures := range []string{"", "{}", `{"service":{"requests":1}}`, "[]", "{"} {
		f.Add(told(f, figures)[frame.HeadBytes:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := readStats(body)
		if (err == nil) != (len(s.Figures) > 0) || err != nil && !errors.Is(err, ErrBadStats) {
			t.Errorf("%x: %+v, %v", body, s, err)
		}
	})
}
