package wire

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Policy is how a module is balanced, not judged. It stands in a
// GetRouteResponse of dns.
type Policy struct {
	Settings []byte // package balance's text form; after Decode it aliases the body
	Version  int64  // of the edit that set Settings
	Hosts    []HostPolicy
}

// HostPolicy is what is said of one host of the route.
type HostPolicy struct {
	HostInfo
	Weight   uint32 // 0 means 1
	Zone     uint32 // 0: not known
	Draining bool
}

func (p *Policy) size() (n int) {
	if len(p.Settings) > 0 {
		n = sizeEmbedded(len(p.Settings))
	}
	if p.Version != 0 {
		n += 1 + protowire.SizeVarint(uint64(p.Version))
	}
	for i := range p.Hosts {
		n += sizeEmbedded(p.Hosts[i].size())
	}
	return n
}

func (p *Policy) appendTo(dst []byte) []byte {
	if len(p.Settings) > 0 {
		dst = append(appendLength(dst, 1, len(p.Settings)), p.Settings...)
	}
	if p.Version != 0 {
		dst = protowire.AppendVarint(append(dst, 2<<3), uint64(p.Version))
	}
	for i := range p.Hosts {
		dst = p.Hosts[i].appendTo(appendLength(dst, 3, p.Hosts[i].size()))
	}
	return dst
}

func (p *Policy) merge(body []byte) error {
	s := scanner{rest: body}
	for s.next() {
		switch s.tag {
		case 1<<3 | lengthy:
			if !utf8.Valid(s.view) {
				return ErrMalformed
			}
			p.Settings = s.view
		case 2<<3 | varint:
			p.Version = int64(s.value)
		case 3<<3 | lengthy:
			var h HostPolicy
			if err := h.decode(s.view); err != nil {
				return err
			}
			p.Hosts = append(p.Hosts, h)
		}
	}
	return s.err
}

func (h *HostPolicy) size() int {
	return h.HostInfo.size() + sizeUint32(h.Weight) + sizeUint32(h.Zone) + sizeBool(h.Draining)
}

func (h *HostPolicy) appendTo(dst []byte) []byte {
	dst = appendInt32(dst, 1, h.IP)
	dst = appendInt32(dst, 2, h.Port)
	dst = appendUint32(dst, 3, h.Weight)
	dst = appendUint32(dst, 4, h.Zone)
	return appendBool(dst, 5, h.Draining)
}

func (h *HostPolicy) decode(body []byte) error {
	s := scanner{rest: body}
	for s.next() {
		switch s.tag {
		case 1<<3 | varint:
			h.IP = int32(s.value)
		case 2<<3 | varint:
			h.Port = int32(s.value)
		case 3<<3 | varint:
			h.Weight = uint32(s.value)
		case 4<<3 | varint:
			h.Zone = uint32(s.value)
		case 5<<3 | varint:
			h.Draining = s.value != 0
		}
	}
	return s.err
}
