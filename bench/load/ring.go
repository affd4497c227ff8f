package load

// slot is what is known of one request, in ns since the run began.
type slot struct {
	due  int64 // when it was meant to be sent
	sent int64 // when it was, or a state
}

// States in slot.sent; a time is at least 1.
const (
	unsent   = 0
	answered = -1
	givenUp  = -2
)

// ring holds the requests of one connection by their number: those below oldest
// are settled, up to next they were sent, up to made they wait. It keeps some
// settled ones, so that a second or a late reply is known for what it is.
type ring struct {
	slots  []slot // a power of two
	oldest uint64 // all before are answered or given up
	next   uint64 // the next to be sent
	made   uint64 // the next to be made
	reach  uint64 // one above the youngest request answered
	// forgotten counts those given up that the ring no longer holds: as many
	// late replies may still come.
	forgotten uint64
}

// slotsMin leaves some history even at depth 1.
const slotsMin = 8

func (r *ring) at(seq uint64) *slot { return &r.slots[seq&uint64(len(r.slots)-1)] }

// push adds a request that is due.
func (r *ring) push(due int64) {
	if r.made-r.oldest == uint64(len(r.slots)) {
		r.grow()
	}
	s := r.at(r.made)
	if s.sent == givenUp {
		r.forgotten++
	}
	*s = slot{due: due}
	r.made++
}

func (r *ring) grow() {
	old := *r
	r.slots = make([]slot, max(slotsMin, 2*len(old.slots)))
	for seq := old.oldest; seq < old.made; seq++ {
		*r.at(seq) = *old.at(seq)
	}
}

// waiting is the number of requests made and not settled.
func (r *ring) waiting() uint64 { return r.made - r.oldest }

// reply is what a reply turned out to be.
type reply uint8

const (
	replyRight      reply = iota
	replyOvertaken        // right, but after a younger one (RFC 4737's reordering)
	replyUnknown          // to a request never sent
	replyDuplicated       // to one answered before
	replyLate             // to one given up before
)

// answer settles request seq and returns its slot as it was.
func (r *ring) answer(seq uint64) (slot, reply) {
	if seq >= r.next {
		return slot{}, replyUnknown
	}
	s := r.at(seq)
	if seq+uint64(len(r.slots)) < r.made || seq < r.oldest && s.sent == unsent { // older than all memory
		if r.forgotten == 0 {
			return slot{}, replyDuplicated
		}
		r.forgotten--
		return slot{}, replyLate
	}
	switch was := *s; {
	case was.sent == givenUp:
		s.sent = answered // only once late, then a duplicate
		return was, replyLate
	case was.sent <= 0:
		return was, replyDuplicated
	default:
		s.sent = answered
		r.settle()
		if seq < r.reach {
			return was, replyOvertaken
		}
		r.reach = seq + 1
		return was, replyRight
	}
}

// skip settles request seq, which was sent and has no reply.
func (r *ring) skip(seq uint64) {
	r.at(seq).sent = answered
	r.settle()
}

// expire gives up the oldest request if it was sent before the given time, and
// returns its slot as it was.
func (r *ring) expire(before int64) (slot, bool) {
	if r.oldest == r.next {
		return slot{}, false
	}
	s := r.at(r.oldest)
	was := *s
	if was.sent >= before {
		return slot{}, false
	}
	s.sent = givenUp
	r.settle()
	return was, true
}

// settle moves oldest past all that is answered or given up.
func (r *ring) settle() {
	for r.oldest < r.next && r.at(r.oldest).sent < 0 {
		r.oldest++
	}
}
