package load

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"lars/reactor/frame"
)

// The message as the original's client sends it, with a four-byte id.
const goldenEcho = "01000000140000000a0d48656c6c6f204c61727321212110" + "80808001"

func TestEchoGolden(t *testing.T) {
	want, err := hex.DecodeString(goldenEcho)
	if err != nil {
		t.Fatal(err)
	}
	if got := (Echo{}).MakeRequest(nil, 0, 0); !bytes.Equal(got, want) {
		t.Errorf("request 0 is\n%x, want\n%x", got, want)
	}
	same, err := NewEcho(0)
	if err != nil || same.template != nil {
		t.Errorf("NewEcho(0): %v, %v", same, err)
	}
	if got := echoTemplate([]byte(EchoContent)); !bytes.Equal(got, want) {
		t.Errorf("the template is\n%x, want\n%x", got, want)
	}
}

func TestEchoSizes(t *testing.T) {
	for _, n := range []int{1, 13, 127, 128, 16383, 16384, 65000, EchoContentBytesMax} {
		e, err := NewEcho(n)
		if err != nil {
			t.Fatal(err)
		}
		size, _ := e.FrameBytesMax()
		request := e.MakeRequest(nil, 0, 5)
		if _, got, err := frame.Next(request, frame.BodyBytesMax); err != nil || got != size || len(request) != size {
			t.Errorf("content of %d bytes: frame of %d, announced %d, %v", n, len(request), size, err)
		}
		if seq, is := e.CheckReply(request, 0, 3); is != Answer || seq != 5 {
			t.Errorf("content of %d bytes: its own request is %d, %v", n, seq, is)
		}
	}
	for _, n := range []int{-1, EchoContentBytesMax + 1} {
		if _, err := NewEcho(n); !errors.Is(err, ErrConfig) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestEchoNumbers: the number in a reply is completed to the one nearest to the
// oldest request, also where the ids begin again.
func TestEchoNumbers(t *testing.T) {
	e := Echo{}
	for _, oldest := range []uint64{0, 1, 1000, echoIDs - 2, echoIDs, echoIDs + 5, 7*echoIDs + 3} {
		for _, d := range []int64{-3, -1, 0, 1, 100, 65536} {
			if d < 0 && oldest < uint64(-d) {
				continue
			}
			want := uint64(int64(oldest) + d)
			if seq, is := e.CheckReply(e.MakeRequest(nil, 0, want), 0, oldest); is != Answer || seq != want {
				t.Errorf("oldest %d: request %d is read as %d, %v", oldest, want, seq, is)
			}
		}
	}
}

// TestEchoEveryBit: no reply with a single wrong bit passes for the right one.
func TestEchoEveryBit(t *testing.T) {
	small, err := NewEcho(40)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []Echo{{}, small} {
		right := e.MakeRequest(nil, 0, 9)
		for i := range len(right) * 8 {
			bad := bytes.Clone(right)
			bad[i/8] ^= 1 << (i % 8)
			if seq, is := e.CheckReply(bad, 0, 9); is == Answer && seq == 9 {
				t.Errorf("bit %d of %x is not noticed", i, right)
			}
		}
		for n := range right {
			if _, is := e.CheckReply(right[:n], 0, 9); is != Wrong {
				t.Errorf("%d of %d bytes pass", n, len(right))
			}
		}
	}
}

func FuzzEchoReply(f *testing.F) {
	f.Add((Echo{}).MakeRequest(nil, 0, 3), uint64(3))
	f.Add([]byte{}, uint64(0))
	f.Fuzz(func(t *testing.T, reply []byte, oldest uint64) {
		oldest %= 1 << 60
		seq, is := (Echo{}).CheckReply(reply, 0, oldest)
		if is == Answer && !bytes.Equal((Echo{}).MakeRequest(nil, 0, seq), reply) {
			t.Fatalf("%x passes for request %d", reply, seq)
		}
	})
}

func BenchmarkEcho(b *testing.B) {
	var w Workload = Echo{}
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		buf = w.MakeRequest(buf[:0], 0, i)
		if _, is := w.CheckReply(buf, 0, i); is != Answer {
			b.Fatal("refused")
		}
	}
}
