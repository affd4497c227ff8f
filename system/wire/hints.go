package wire

// Hints is what agents suspect of a module's hosts (id 102), not judged. Ours.
type Hints struct {
	ModID  int32
	CmdID  int32
	Agents uint32     // that tell what they suspect, the reader included
	Hosts  []HostHint // that some of them suspect. Decode uses its capacity again
}

// HostHint is one host with the number of agents that suspect it.
type HostHint struct {
	HostInfo
	Suspected uint32
}

// Size returns the length of the body in bytes.
func (m *Hints) Size() int {
	n := sizeInt32(m.ModID) + sizeInt32(m.CmdID) + sizeUint32(m.Agents)
	for i := range m.Hosts {
		n += sizeEmbedded(m.Hosts[i].size())
	}
	return n
}

// AppendTo appends the body to dst.
func (m *Hints) AppendTo(dst []byte) []byte {
	dst = appendInt32(dst, 1, m.ModID)
	dst = appendInt32(dst, 2, m.CmdID)
	dst = appendUint32(dst, 3, m.Agents)
	for i := range m.Hosts {
		h := &m.Hosts[i]
		dst = appendLength(dst, 4, h.size())
		dst = appendInt32(dst, 1, h.IP)
		dst = appendInt32(dst, 2, h.Port)
		dst = appendUint32(dst, 3, h.Suspected)
	}
	return dst
}

// Decode sets m from a body. The error is ErrMalformed. A host takes two bytes
// or more of the body, so Hosts never exceeds six times the body's size.
func (m *Hints) Decode(body []byte) error {
	*m = Hints{Hosts: m.Hosts[:0]}
	s := scanner{rest: body}
	for s.next() {
		switch s.tag {
		case 1<<3 | varint:
			m.ModID = int32(s.value)
		case 2<<3 | varint:
			m.CmdID = int32(s.value)
		case 3<<3 | varint:
			m.Agents = uint32(s.value)
		case 4<<3 | lengthy:
			var h HostHint
			if err := h.decode(s.view); err != nil {
				return err
			}
			m.Hosts = append(m.Hosts, h)
		}
	}
	return s.err
}

func (h *HostHint) size() int { return h.HostInfo.size() + sizeUint32(h.Suspected) }

func (h *HostHint) decode(body []byte) error {
	s := scanner{rest: body}
	for s.next() {
		switch s.tag {
		case 1<<3 | varint:
			h.IP = int32(s.value)
		case 2<<3 | varint:
			h.Port = int32(s.value)
		case 3<<3 | varint:
			h.Suspected = uint32(s.value)
		}
	}
	return s.err
}
