package hist

import (
	"errors"
	"math/rand/v2"
	"testing"
)

func wire(t testing.TB, r *Recorder) []byte {
	t.Helper()
	b, err := r.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func varied() map[string]*Recorder {
	rng := rand.New(rand.NewPCG(1, 2))
	many, odd, censored := New(), New(), New()
	for range 20_000 {
		many.Record(int64(rng.ExpFloat64() * 1e6))
	}
	for _, v := range []int64{-5, 0, 1, ValueMax, ValueMax + 1, 1 << 60} {
		odd.Record(v)
	}
	censored.Censor()
	return map[string]*Recorder{"empty": New(), "many": many, "odd": odd, "censored": censored}
}

func TestBinary(t *testing.T) {
	for name, r := range varied() {
		got := New()
		got.Record(7) // is overwritten
		if err := got.UnmarshalBinary(wire(t, r)); err != nil || *got != *r {
			t.Errorf("%s is not what it was: %v", name, err)
		}
	}
}

func TestBinaryRefuses(t *testing.T) {
	r := New()
	r.Record(100)
	r.Record(300)
	good := wire(t, r)
	for i := range good {
		if err := New().UnmarshalBinary(good[:i]); !errors.Is(err, ErrWire) {
			t.Errorf("cut after %d bytes: %v", i, err)
		}
	}
	for i := range good {
		bad := append([]byte{}, good...)
		bad[i] ^= 0x02
		got := New()
		if err := got.UnmarshalBinary(bad); err == nil && *got == *r {
			t.Errorf("byte %d does not matter", i)
		}
	}
}

// FuzzBinary: bytes from the network either are refused or are a recorder that
// says the same again.
func FuzzBinary(f *testing.F) {
	for _, r := range varied() {
		f.Add(wire(f, r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := New()
		if err := r.UnmarshalBinary(b); err != nil {
			if *r != *New() {
				t.Fatal("not empty after an error")
			}
			return
		}
		again := New()
		if err := again.UnmarshalBinary(wire(t, r)); err != nil || *again != *r {
			t.Fatalf("not the same again: %v", err)
		}
		r.Percentile(99, 0.95)
		again.Merge(r)
	})
}
