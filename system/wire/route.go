package wire

// HostInfo is one host as it stands on the wire, not judged.
type HostInfo struct {
	IP   int32 // IPv4 in host order, so negative from 128.0.0.0 up
	Port int32
}

func (h HostInfo) size() int {
	return sizeInt32(h.IP) + sizeInt32(h.Port)
}

// appendTo appends h as an embedded message.
func (h HostInfo) appendTo(dst []byte, field byte) []byte {
	dst = appendLength(dst, field, h.size())
	dst = appendInt32(dst, 1, h.IP)
	return appendInt32(dst, 2, h.Port)
}

// merge reads body into h; what body does not name stays.
func (h *HostInfo) merge(body []byte) error {
	s := scanner{rest: body}
	for s.next() {
		switch s.tag {
		case 1<<3 | varint:
			h.IP = int32(s.value)
		case 2<<3 | varint:
			h.Port = int32(s.value)
		}
	}
	return s.err
}

// GetRouteRequest asks for a module's route (ids 1 and 7).
type GetRouteRequest struct {
	ModID int32
	CmdID int32
	Hints bool // dns is to send Hints of the module, too. Ours
}

// Size returns the length of the body in bytes.
func (m *GetRouteRequest) Size() int {
	return sizeInt32(m.ModID) + sizeInt32(m.CmdID) + sizeHigh(bit(m.Hints))
}

// AppendTo appends the body to dst.
func (m *GetRouteRequest) AppendTo(dst []byte) []byte {
	dst = appendInt32(dst, 1, m.ModID)
	dst = appendInt32(dst, 2, m.CmdID)
	return appendHigh(dst, 16, bit(m.Hints))
}

// Decode sets m from a body. The error is ErrMalformed.
func (m *GetRouteRequest) Decode(body []byte) error {
	*m = GetRouteRequest{}
	s := scanner{rest: body}
	for s.next() {
		switch s.tag {
		case 1<<3 | varint:
			m.ModID = int32(s.value)
		case 2<<3 | varint:
			m.CmdID = int32(s.value)
		case 16<<3 | varint:
			m.Hints = s.value != 0
		}
	}
	return s.err
}

// GetRouteResponse is a module's route (ids 2 and 8).
type GetRouteResponse struct {
	ModID int32
	CmdID int32
	// Hosts is the route; empty when the module is unknown, has lost its last
	// host or, to a caller, is being pulled. Decode uses its capacity again.
	Hosts []HostInfo
	// Truncated says that Hosts is only the beginning of the route, the rest
	// having no room in a datagram. Ours; false from the original's programs.
	Truncated bool
	// Policy is how the module is balanced, if HasPolicy. Ours; absent from the
	// original's programs and when nothing is said.
	Policy    Policy
	HasPolicy bool
}

const truncatedBytes = 3 // the tag of field 16, and a one

// Size returns the length of the body in bytes.
func (m *GetRouteResponse) Size() int {
	n := sizeInt32(m.ModID) + sizeInt32(m.CmdID)
	for _, h := range m.Hosts {
		n += sizeEmbedded(h.size())
	}
	if m.Truncated {
		n += truncatedBytes
	}
	if m.HasPolicy {
		n += 1 + sizeEmbedded(m.Policy.size()) // a tag of two bytes
	}
	return n
}

// AppendTo appends the body to dst.
func (m *GetRouteResponse) AppendTo(dst []byte) []byte {
	dst = appendInt32(dst, 1, m.ModID)
	dst = appendInt32(dst, 2, m.CmdID)
	for _, h := range m.Hosts {
		dst = h.appendTo(dst, 3)
	}
	if m.Truncated {
		dst = append(dst, 0x80, 0x01, 1)
	}
	if m.HasPolicy {
		dst = m.Policy.appendTo(appendHighLength(dst, 17, m.Policy.size()))
	}
	return dst
}

// Decode sets m from a body. The error is ErrMalformed. A host takes two bytes
// or more of the body, so Hosts never exceeds four times the body's size; nor
// do the Policy's, ten times. The Policy's text dies with the body.
func (m *GetRouteResponse) Decode(body []byte) error {
	*m = GetRouteResponse{Hosts: m.Hosts[:0], Policy: Policy{Hosts: m.Policy.Hosts[:0]}}
	s := scanner{rest: body}
	for s.next() {
		switch s.tag {
		case 1<<3 | varint:
			m.ModID = int32(s.value)
		case 2<<3 | varint:
			m.CmdID = int32(s.value)
		case 3<<3 | lengthy:
			var h HostInfo
			if err := h.merge(s.view); err != nil {
				return err
			}
			m.Hosts = append(m.Hosts, h)
		case 16<<3 | varint:
			m.Truncated = s.value != 0
		case 17<<3 | lengthy:
			m.HasPolicy = true
			if err := m.Policy.merge(s.view); err != nil {
				return err
			}
		}
	}
	return s.err
}

// Fit cuts hosts off the end until the body takes at most bodyBytesMax, sets
// Truncated if any went, and returns how many went. With DatagramBodyBytesMax
// it makes a route fit a datagram.
func (m *GetRouteResponse) Fit(bodyBytesMax int) (cut int) {
	size := m.Size()
	if size <= bodyBytesMax {
		return 0
	}
	whole := len(m.Hosts)
	if !m.Truncated {
		m.Truncated = true
		size += truncatedBytes
	}
	for size > bodyBytesMax && len(m.Hosts) > 0 {
		last := len(m.Hosts) - 1
		size -= sizeEmbedded(m.Hosts[last].size())
		m.Hosts = m.Hosts[:last]
	}
	return whole - len(m.Hosts)
}
