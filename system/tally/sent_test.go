package tally

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

func kept(s *Sent, now time.Duration) (numbers []uint64) {
	for r := range s.All(now) {
		if len(r.Results) != int(r.Number%3) || (len(r.Results) > 0 && r.Results[0].Succ != uint32(r.Number)) {
			panic("a kept report has changed")
		}
		numbers = append(numbers, r.Number)
	}
	return numbers
}

func keep(s *Sent, now time.Duration, number uint64, buffer *Report) {
	buffer.Number = number
	buffer.Results = buffer.Results[:0]
	for range number % 3 {
		buffer.Results = append(buffer.Results, Result{Host: addr(1), Succ: uint32(number)})
	}
	s.Add(now, buffer)
}

func TestSentKeepsForAWhile(t *testing.T) {
	s := NewSent(SentConfig{KeepFor: 10 * time.Second})
	var buffer Report
	for n := range uint64(100) {
		keep(s, time.Duration(n)*time.Second, n, &buffer)
	}
	if got, want := kept(s, 99*time.Second), []uint64{89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99}; !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
	if got := kept(s, 107*time.Second); !slices.Equal(got, []uint64{97, 98, 99}) {
		t.Errorf("kept %v", got)
	}
	if got := kept(s, time.Hour); got != nil || s.Bytes() != 0 || s.Early() != 0 {
		t.Errorf("kept %v, %d bytes, %d early", got, s.Bytes(), s.Early())
	}
}

func TestSentIsBounded(t *testing.T) {
	s := NewSent(SentConfig{BytesMax: 3*sentBytes + 3*resultBytes})
	var buffer Report
	for n := range uint64(9) {
		keep(s, 0, n, &buffer)
		if s.Bytes() > 3*sentBytes+3*resultBytes {
			t.Errorf("%d bytes", s.Bytes())
		}
	}
	if got := kept(s, 0); !slices.Equal(got, []uint64{6, 7, 8}) || s.Early() != 6 {
		t.Errorf("kept %v, %d went early", got, s.Early())
	}
	s.Add(0, &Report{Results: make([]Result, 100)})
	if s.Early() != 10 || s.Bytes() != 0 {
		t.Errorf("one that never fits: %d early, %d bytes", s.Early(), s.Bytes())
	}
}

// Reports of any mix of sizes stay within the bytes: a place in the list that
// once held a long report must not keep its room.
func TestSentBytesMaxHolds(t *testing.T) {
	const bytesMax = 1 << 20
	before := heapBytes()
	s := NewSent(SentConfig{BytesMax: bytesMax})
	now := time.Duration(0)
	for round := range 20_000 {
		s.Add(now, &Report{Number: uint64(round), Results: make([]Result, 1)})
	}
	for round := range 60_000 {
		s.Add(now, &Report{Number: uint64(round), Results: make([]Result, 1+(round%40/39)*999)})
	}
	real := int(heapBytes() - before)
	t.Logf("%d bytes taken, reckoned %d of %d", real, s.Bytes(), bytesMax)
	if real > 3*bytesMax || s.Bytes() > bytesMax { // the ring itself is as long as it ever was
		t.Errorf("%d bytes taken, reckoned %d of %d", real, s.Bytes(), bytesMax)
	}
	runtime.KeepAlive(s)
}
