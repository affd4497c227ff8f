package load

import "testing"

func sentRing(n int) *ring {
	r := &ring{}
	for i := range n {
		r.push(int64(i))
		r.at(uint64(i)).sent = int64(i + 1)
		r.next++
	}
	return r
}

func TestRingAnswers(t *testing.T) {
	type step struct {
		seq  uint64
		want reply
	}
	tests := []struct {
		name  string
		steps []step
		left  uint64
	}{
		{"in order", []step{{0, replyRight}, {1, replyRight}, {2, replyRight}}, 2},
		{"twice", []step{{0, replyRight}, {0, replyDuplicated}}, 4},
		{"one lost", []step{{1, replyRight}, {2, replyRight}}, 5},
		{"overtaken", []step{{1, replyRight}, {0, replyOvertaken}, {2, replyRight}}, 2},
		{"overtaken twice", []step{{1, replyRight}, {0, replyOvertaken}, {0, replyDuplicated}}, 3},
		{"never sent", []step{{5, replyUnknown}, {1 << 40, replyUnknown}}, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := sentRing(5)
			for i, s := range tt.steps {
				if _, got := r.answer(s.seq); got != s.want {
					t.Errorf("step %d, reply to %d: %d, want %d", i, s.seq, got, s.want)
				}
			}
			if r.waiting() != tt.left {
				t.Errorf("%d wait, want %d", r.waiting(), tt.left)
			}
		})
	}
}

func TestRingExpires(t *testing.T) {
	r := sentRing(4)
	r.answer(1)
	for i, want := range []int64{0, 2} { // sent at 1 and 3; 1 was answered
		if s, ok := r.expire(4); !ok || s.due != want {
			t.Fatalf("expiry %d: %+v, %v; want the one due at %d", i, s, ok, want)
		}
	}
	if s, ok := r.expire(4); ok {
		t.Fatalf("%+v expired before its time", s)
	}
	if _, got := r.answer(2); got != replyLate {
		t.Errorf("a late reply is %d", got)
	}
	if _, got := r.answer(2); got != replyDuplicated {
		t.Errorf("a late reply's double is %d", got)
	}
	if r.waiting() != 1 {
		t.Errorf("%d wait, want 1", r.waiting())
	}
}

// TestRingForgets: a reply to one that is no longer known is late where such a
// one was given up, and doubled where all were answered.
func TestRingForgets(t *testing.T) {
	for name, c := range map[string]struct {
		settle func(r *ring, seq uint64)
		more   uint64 // requests made afterwards: round the ring, or growing it
		want   []reply
	}{
		"given up": {func(r *ring, _ uint64) { r.expire(100) }, slotsMin + 1, []reply{replyLate, replyLate}},
		"grown":    {func(r *ring, _ uint64) { r.expire(100) }, 2*slotsMin + 1, []reply{replyLate, replyLate}},
		"answered": {func(r *ring, seq uint64) { r.answer(seq) }, slotsMin + 1, []reply{replyDuplicated, replyDuplicated}},
		"one of both": {func(r *ring, seq uint64) {
			if seq == 0 {
				r.expire(100)
			} else {
				r.answer(seq)
			}
		}, slotsMin + 1, []reply{replyLate, replyDuplicated}},
	} {
		t.Run(name, func(t *testing.T) {
			r := sentRing(slotsMin)
			for seq := range uint64(slotsMin) {
				c.settle(r, seq)
			}
			for range c.more {
				r.push(200)
				r.at(r.next).sent = 200
				r.next++
			}
			for seq, want := range c.want {
				if _, got := r.answer(uint64(seq)); got != want {
					t.Errorf("reply to %d: %d, want %d", seq, got, want)
				}
			}
			if r.waiting() != c.more {
				t.Errorf("%d wait, want %d", r.waiting(), c.more)
			}
		})
	}
}

// TestRingGrows: nothing is forgotten while the ring grows around one request
// that is never answered.
func TestRingGrows(t *testing.T) {
	r := sentRing(1)
	for i := uint64(1); i < 1000; i++ {
		r.push(int64(i))
		r.at(i).sent = 1
		r.next++
		if s, got := r.answer(i); got != replyRight || s.due != int64(i) {
			t.Fatalf("reply %d: %+v, %d", i, s, got)
		}
	}
	if r.oldest != 0 || r.waiting() != 1000 {
		t.Fatalf("oldest %d, %d wait", r.oldest, r.waiting())
	}
	if s, got := r.answer(0); got != replyOvertaken || s.due != 0 || r.waiting() != 0 {
		t.Errorf("the first one: %+v, %d, %d wait", s, got, r.waiting())
	}
}
