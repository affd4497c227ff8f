package frame

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
)

// The echo message of the original's QPS test, as captured between its programs.
const goldenEcho = "01000000110000000a0d48656c6c6f204c617273212121100a"

func TestGolden(t *testing.T) {
	raw, err := hex.DecodeString(goldenEcho)
	if err != nil {
		t.Fatal(err)
	}
	id, size, err := Next(raw, BodyBytesDefault)
	if err != nil || id != 1 || size != len(raw) {
		t.Fatalf("Next = id %d, size %d, %v; want 1, %d, nil", id, size, err, len(raw))
	}
	if got := Append(nil, id, raw[HeadBytes:]); !bytes.Equal(got, raw) {
		t.Fatalf("Append = %x, want %x", got, raw)
	}
}

func TestNext(t *testing.T) {
	tests := []struct {
		name string
		in   string
		max  int
		id   int32
		size int
		err  error
	}{
		{"empty", "", 100, 0, 0, nil},
		{"half a head", "01000000110000", 100, 0, 0, nil},
		{"head alone, no body due", "0700000000000000", 0, 7, 8, nil},
		{"head alone, body due", "0100000001000000", 100, 1, 0, nil},
		{"negative id", "ffffffff00000000", 100, -1, 8, nil},
		{"whole, more follows", "01000000020000006162ff", 100, 1, 10, nil},
		{"at the limit", "0100000002000000" + "6162", 2, 1, 10, nil},
		{"above the limit, head only", "0100000003000000", 2, 1, 0, ErrTooLarge},
		{"original's limit", "01000000f8ff0000", BodyBytesDefault, 1, 0, ErrTooLarge},
		{"negative", "01000000ffffffff", BodyBytesMax, 1, 0, ErrNegative},
		{"most negative", "0100000000000080", BodyBytesMax, 1, 0, ErrNegative},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in, err := hex.DecodeString(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			id, size, err := Next(in, tt.max)
			if size != tt.size || id != tt.id || !errors.Is(err, tt.err) {
				t.Errorf("Next = %d, %d, %v; want %d, %d, %v", id, size, err, tt.id, tt.size, tt.err)
			}
		})
	}
}

func TestDatagram(t *testing.T) {
	tests := []struct {
		name, in string
		body     string
		err      error
	}{
		{"one frame", "01000000020000006162", "6162", nil},
		{"empty body", "0100000000000000", "", nil},
		{"empty datagram", "", "", ErrLength},
		{"short head", "01000000020000", "", ErrLength},
		{"body cut", "010000000200000061", "", ErrLength},
		{"trailing byte", "0100000002000000616263", "", ErrLength},
		{"negative", "01000000ffffffff", "", ErrNegative},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in, _ := hex.DecodeString(tt.in)
			_, body, err := Datagram(in, BodyBytesDefault)
			if !errors.Is(err, tt.err) || hex.EncodeToString(body) != tt.body {
				t.Errorf("Datagram = %x, %v; want %s, %v", body, err, tt.body, tt.err)
			}
		})
	}
}

// FuzzNext: whatever the bytes, a frame that is found re-encodes to the very
// bytes it was read from, and never reaches beyond them.
func FuzzNext(f *testing.F) {
	raw, _ := hex.DecodeString(goldenEcho)
	f.Add(raw, 65527)
	f.Add(raw[:9], 65527)
	f.Add([]byte{1, 0, 0, 0, 255, 255, 255, 255}, 100)
	f.Fuzz(func(t *testing.T, in []byte, max int) {
		if max < 0 || max > BodyBytesMax {
			max = BodyBytesDefault
		}
		id, size, err := Next(in, max)
		if err != nil || size == 0 {
			return
		}
		if size > len(in) || size-HeadBytes > max {
			t.Fatalf("size %d of %d bytes, limit %d", size, len(in), max)
		}
		if got := Append(nil, id, in[HeadBytes:size]); !bytes.Equal(got, in[:size]) {
			t.Fatalf("round trip: %x from %x", got, in[:size])
		}
	})
}

func BenchmarkNext(b *testing.B) {
	raw, _ := hex.DecodeString(goldenEcho)
	b.ReportAllocs()
	for b.Loop() {
		if _, size, err := Next(raw, BodyBytesDefault); size == 0 || err != nil {
			b.Fatal("no frame")
		}
	}
}
