package buffer

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

func TestPoolLimit(t *testing.T) {
	p := New(Config{BytesMax: 4096})
	a, err := p.Get(1000)
	if err != nil || len(a) != 1000 || cap(a) != 1024 {
		t.Fatalf("Get(1000) = %d of %d, %v", len(a), cap(a), err)
	}
	if _, err := p.Get(3073); !errors.Is(err, ErrPool) {
		t.Fatalf("Get above the limit: %v", err)
	}
	b, err := p.Get(2048)
	if err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); s.InUse != 3072 || s.Refused != 1 || s.Peak != 3072 {
		t.Fatalf("stats %+v", s)
	}
	p.Put(a)
	p.Put(b[:1]) // the length does not matter, the capacity does
	p.Put(nil)
	if s := p.Stats(); s.InUse != 0 || s.Cached != 3072 {
		t.Fatalf("stats after Put %+v", s)
	}
	if _, err := p.Get(64 << 20); !errors.Is(err, ErrPool) {
		t.Fatalf("Get above the largest class: %v", err)
	}
}

func TestPoolReuses(t *testing.T) {
	p := New(Config{})
	a, _ := p.Get(5000)
	p.Put(a)
	b, _ := p.Get(8192)
	if &a[:1][0] != &b[0] {
		t.Error("a buffer of the same class was not reused")
	}
}

// TestQueueStream drives a queue with random operations against a plain slice.
func TestQueueStream(t *testing.T) {
	const seed = 1
	rnd := rand.New(rand.NewPCG(seed, 0))
	pool := New(Config{})
	q := Queue{Pool: pool}
	var want []byte
	for step := range 20_000 {
		if rnd.IntN(2) == 0 {
			p := make([]byte, rnd.IntN(3000))
			for i := range p {
				p[i] = byte(rnd.Uint32())
			}
			if err := q.Append(p); err != nil {
				t.Fatal(err)
			}
			want = append(want, p...)
		} else {
			n := rnd.IntN(len(want) + 1)
			q.Discard(n)
			want = want[n:]
		}
		if q.Len() != len(want) {
			t.Fatalf("seed %d step %d: Len %d, want %d", seed, step, q.Len(), len(want))
		}
		if got := bytes.Join(q.Peek(nil, 1<<20), nil); !bytes.Equal(got, want) {
			t.Fatalf("seed %d step %d: content differs", seed, step)
		}
	}
	q.Reset()
	if s := pool.Stats(); s.InUse != 0 || q.Len() != 0 {
		t.Fatalf("after Reset: %+v, Len %d", s, q.Len())
	}
}

func TestQueueEmptyHoldsNothing(t *testing.T) {
	pool := New(Config{BytesMax: 1 << 12})
	q := Queue{Pool: pool}
	if err := q.Append(make([]byte, 5000)); !errors.Is(err, ErrPool) {
		t.Fatalf("Append above the limit: %v", err)
	}
	if err := q.Append([]byte("x")); err != nil {
		t.Fatal(err)
	}
	q.Discard(1)
	if q.chunks != nil || pool.Stats().InUse != 0 {
		t.Errorf("an empty queue holds %d chunks, pool %+v", len(q.chunks), pool.Stats())
	}
}

func BenchmarkPoolGetPut(b *testing.B) {
	p := New(Config{})
	b.ReportAllocs()
	for b.Loop() {
		x, _ := p.Get(4096)
		p.Put(x)
	}
}
