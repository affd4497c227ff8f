package wire

import "google.golang.org/protobuf/encoding/protowire"

// HostCallResult holds the call figures of one host. Succ and Err are
// cumulative and replace older ones: an original agent's count the host's
// current balancing window, ours all that the agent remembers of the host.
type HostCallResult struct {
	IP       int32
	Port     int32
	Succ     uint32
	Err      uint32
	Overload bool
	// SuccAdd and ErrAdd are the calls since the report before that named the
	// host: increments, for totals. Ours; 0 from an original agent.
	SuccAdd uint32
	ErrAdd  uint32
	// Suspect is Suspected, Cleared, or 0: nothing is said. Ours.
	Suspect uint32
}

// What an agent says of a host that it began, or goes on, to suspect, and of one
// that it did suspect.
const (
	Suspected uint32 = 1
	Cleared   uint32 = 2
)

func (r *HostCallResult) size() int {
	return sizeInt32(r.IP) + sizeInt32(r.Port) + sizeUint32(r.Succ) + sizeUint32(r.Err) + sizeBool(r.Overload) +
		sizeHigh(uint64(r.SuccAdd)) + sizeHigh(uint64(r.ErrAdd)) + sizeHigh(uint64(r.Suspect))
}

// appendTo appends r as an embedded message.
func (r *HostCallResult) appendTo(dst []byte, field byte) []byte {
	dst = appendLength(dst, field, r.size())
	dst = appendInt32(dst, 1, r.IP)
	dst = appendInt32(dst, 2, r.Port)
	dst = appendUint32(dst, 3, r.Succ)
	dst = appendUint32(dst, 4, r.Err)
	dst = appendBool(dst, 5, r.Overload)
	dst = appendHigh(dst, 16, uint64(r.SuccAdd))
	dst = appendHigh(dst, 17, uint64(r.ErrAdd))
	return appendHigh(dst, 18, uint64(r.Suspect))
}

func (r *HostCallResult) decode(body []byte) error {
	*r = HostCallResult{}
	s := scanner{rest: body}
	for s.next() {
		switch s.tag {
		case 1<<3 | varint:
			r.IP = int32(s.value)
		case 2<<3 | varint:
			r.Port = int32(s.value)
		case 3<<3 | varint:
			r.Succ = uint32(s.value)
		case 4<<3 | varint:
			r.Err = uint32(s.value)
		case 5<<3 | varint:
			r.Overload = s.value != 0
		case 16<<3 | varint:
			r.SuccAdd = uint32(s.value)
		case 17<<3 | varint:
			r.ErrAdd = uint32(s.value)
		case 18<<3 | varint:
			r.Suspect = uint32(s.value)
		}
	}
	return s.err
}

// ReportStatusRequest carries figures of hosts of one module (id 3).
type ReportStatusRequest struct {
	ModID   int32
	CmdID   int32
	Caller  int32            // the agent's IPv4 in host order
	Results []HostCallResult // Decode uses its capacity again
	TS      uint32           // Unix seconds
	// Boot names one run of an agent. Ours; 0: the sender is an original agent.
	Boot uint64
	// Number counts the reports of one Boot from 1; one that comes twice is the
	// same report. 0 when Boot is.
	Number uint64
	// Sharing counts the agent among those that tell what they suspect of the
	// module's hosts. Ours.
	Sharing bool
}

// Size returns the length of the body in bytes.
func (m *ReportStatusRequest) Size() int {
	n := sizeInt32(m.ModID) + sizeInt32(m.CmdID) + sizeInt32(m.Caller) + sizeUint32(m.TS)
	for i := range m.Results {
		n += sizeEmbedded(m.Results[i].size())
	}
	if m.Boot != 0 {
		n += 2 + 8
	}
	return n + sizeHigh(m.Number) + sizeHigh(bit(m.Sharing))
}

// AppendTo appends the body to dst.
func (m *ReportStatusRequest) AppendTo(dst []byte) []byte {
	dst = appendInt32(dst, 1, m.ModID)
	dst = appendInt32(dst, 2, m.CmdID)
	dst = appendInt32(dst, 3, m.Caller)
	for i := range m.Results {
		dst = m.Results[i].appendTo(dst, 4)
	}
	dst = appendUint32(dst, 5, m.TS)
	if m.Boot != 0 {
		dst = protowire.AppendVarint(dst, 16<<3|fixed64)
		dst = protowire.AppendFixed64(dst, m.Boot)
	}
	return appendHigh(appendHigh(dst, 17, m.Number), 18, bit(m.Sharing))
}

// Decode sets m from a body. The error is ErrMalformed. A result takes two
// bytes or more of the body, so Results never exceeds 16 times its size.
func (m *ReportStatusRequest) Decode(body []byte) error {
	*m = ReportStatusRequest{Results: m.Results[:0]}
	s := scanner{rest: body}
	for s.next() {
		switch s.tag {
		case 1<<3 | varint:
			m.ModID = int32(s.value)
		case 2<<3 | varint:
			m.CmdID = int32(s.value)
		case 3<<3 | varint:
			m.Caller = int32(s.value)
		case 4<<3 | lengthy:
			var r HostCallResult
			if err := r.decode(s.view); err != nil {
				return err
			}
			m.Results = append(m.Results, r)
		case 5<<3 | varint:
			m.TS = uint32(s.value)
		case 16<<3 | fixed64:
			m.Boot = s.value
		case 17<<3 | varint:
			m.Number = s.value
		case 18<<3 | varint:
			m.Sharing = s.value != 0
		}
	}
	return s.err
}
