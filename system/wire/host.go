package wire

// GetHostRequest asks for one host of a module (id 4).
type GetHostRequest struct {
	Seq   uint32 // chosen by the caller, echoed
	ModID int32
	CmdID int32
	// Key: calls with equal keys go to equal hosts, where the module's
	// algorithm heeds it. Ours; 0: none.
	Key uint64
	// Zone is where the caller is. Ours; 0: where the agent is.
	Zone uint32
}

// Size returns the length of the body in bytes.
func (m *GetHostRequest) Size() int {
	return sizeUint32(m.Seq) + sizeInt32(m.ModID) + sizeInt32(m.CmdID) + sizeHigh(m.Key) + sizeHigh(uint64(m.Zone))
}

// AppendTo appends the body to dst.
func (m *GetHostRequest) AppendTo(dst []byte) []byte {
	dst = appendUint32(dst, 1, m.Seq)
	dst = appendInt32(dst, 2, m.ModID)
	dst = appendInt32(dst, 3, m.CmdID)
	if m.Key == 0 && m.Zone == 0 {
		return dst
	}
	return appendHigh(appendHigh(dst, 16, m.Key), 17, uint64(m.Zone))
}

// Decode sets m from a body. The error is ErrMalformed.
func (m *GetHostRequest) Decode(body []byte) error {
	*m = GetHostRequest{}
	s := scanner{rest: body}
	for s.next() {
		switch s.tag {
		case 1<<3 | varint:
			m.Seq = uint32(s.value)
		case 2<<3 | varint:
			m.ModID = int32(s.value)
		case 3<<3 | varint:
			m.CmdID = int32(s.value)
		case 16<<3 | varint:
			m.Key = s.value
		case 17<<3 | varint:
			m.Zone = uint32(s.value)
		}
	}
	return s.err
}

// GetHostResponse answers a GetHostRequest (id 5).
type GetHostResponse struct {
	Seq     uint32
	ModID   int32
	CmdID   int32
	Retcode int32 // RetSucc, RetOverload or RetNoExist
	Host    HostInfo
	HasHost bool // whether Host is present; true with RetSucc only
}

// Size returns the length of the body in bytes.
func (m *GetHostResponse) Size() int {
	n := sizeUint32(m.Seq) + sizeInt32(m.ModID) + sizeInt32(m.CmdID) + sizeInt32(m.Retcode)
	if m.HasHost {
		n += sizeEmbedded(m.Host.size())
	}
	return n
}

// AppendTo appends the body to dst.
func (m *GetHostResponse) AppendTo(dst []byte) []byte {
	dst = appendUint32(dst, 1, m.Seq)
	dst = appendInt32(dst, 2, m.ModID)
	dst = appendInt32(dst, 3, m.CmdID)
	dst = appendInt32(dst, 4, m.Retcode)
	if m.HasHost {
		dst = m.Host.appendTo(dst, 5)
	}
	return dst
}

// Decode sets m from a body. The error is ErrMalformed.
func (m *GetHostResponse) Decode(body []byte) error {
	*m = GetHostResponse{}
	s := scanner{rest: body}
	for s.next() {
		switch s.tag {
		case 1<<3 | varint:
			m.Seq = uint32(s.value)
		case 2<<3 | varint:
			m.ModID = int32(s.value)
		case 3<<3 | varint:
			m.CmdID = int32(s.value)
		case 4<<3 | varint:
			m.Retcode = int32(s.value)
		case 5<<3 | lengthy:
			m.HasHost = true
			if err := m.Host.merge(s.view); err != nil {
				return err
			}
		}
	}
	return s.err
}

// ReportRequest tells the agent how a call went (id 6).
type ReportRequest struct {
	ModID   int32
	CmdID   int32
	Host    HostInfo
	HasHost bool  // whether Host is present; a report without is about no host
	Retcode int32 // RetSucc, or anything else for a failure
	// LatencyUS is how long the caller waited for the outcome, in
	// microseconds. Ours; 0: not known.
	LatencyUS uint32
}

// Size returns the length of the body in bytes.
func (m *ReportRequest) Size() int {
	n := sizeInt32(m.ModID) + sizeInt32(m.CmdID) + sizeInt32(m.Retcode) + sizeHigh(uint64(m.LatencyUS))
	if m.HasHost {
		n += sizeEmbedded(m.Host.size())
	}
	return n
}

// AppendTo appends the body to dst.
func (m *ReportRequest) AppendTo(dst []byte) []byte {
	dst = appendInt32(dst, 1, m.ModID)
	dst = appendInt32(dst, 2, m.CmdID)
	if m.HasHost {
		dst = m.Host.appendTo(dst, 3)
	}
	return appendHigh(appendInt32(dst, 4, m.Retcode), 16, uint64(m.LatencyUS))
}

// Decode sets m from a body. The error is ErrMalformed.
func (m *ReportRequest) Decode(body []byte) error {
	*m = ReportRequest{}
	s := scanner{rest: body}
	for s.next() {
		switch s.tag {
		case 1<<3 | varint:
			m.ModID = int32(s.value)
		case 2<<3 | varint:
			m.CmdID = int32(s.value)
		case 3<<3 | lengthy:
			m.HasHost = true
			if err := m.Host.merge(s.view); err != nil {
				return err
			}
		case 4<<3 | varint:
			m.Retcode = int32(s.value)
		case 16<<3 | varint:
			m.LatencyUS = uint32(s.value)
		}
	}
	return s.err
}
