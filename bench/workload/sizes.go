package workload

import "lars/bench/load"

// Sizes is an echo of messages of several lengths, which take turns. Make it
// with NewSizes.
type Sizes struct {
	echoes []load.Echo
	most   int // bytes of the longest frame
}

var _ load.Workload = Sizes{}

// NewSizes returns an echo of contents of the given lengths in bytes, all
// different; the error is load.ErrConfig.
func NewSizes(contents []int) (Sizes, error) {
	var s Sizes
	for _, n := range contents {
		e, err := load.NewEcho(n)
		if err != nil {
			return Sizes{}, err
		}
		size, _ := e.FrameBytesMax()
		s.echoes, s.most = append(s.echoes, e), max(s.most, size)
	}
	return s, nil
}

func (s Sizes) of(seq uint64) load.Echo { return s.echoes[seq%uint64(len(s.echoes))] }

// FrameBytesMax is the size of the longest.
func (s Sizes) FrameBytesMax() (request, reply int) { return s.most, s.most }

// MakeRequest appends request seq.
func (s Sizes) MakeRequest(dst []byte, conn int, seq uint64) []byte {
	return s.of(seq).MakeRequest(dst, conn, seq)
}

// CheckReply wants the message of the number that it carries.
func (s Sizes) CheckReply(reply []byte, conn int, oldest uint64) (uint64, load.Content) {
	for _, e := range s.echoes {
		if size, _ := e.FrameBytesMax(); size != len(reply) {
			continue
		}
		seq, is := e.CheckReply(reply, conn, oldest)
		if due, _ := s.of(seq).FrameBytesMax(); is == load.Answer && due != len(reply) {
			return 0, load.Wrong
		}
		return seq, is
	}
	return 0, load.Wrong
}

// OneWay is false: every message comes back.
func (Sizes) OneWay() bool { return false }
