package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"lars/system/balance"
	"lars/system/route"
	"lars/system/wire"
)

// The routes file: a head of magic and the time at which dns was known to
// agree (Unix nanoseconds), a record for each module, and the CRC-32C of all
// before it. A record is what dns said, a GetRouteResponse behind its length. In
// files of version 1, which hold no policies, it is modid, cmdid, number of
// hosts, then address and port of each. Numbers are little-endian. The file is
// replaced as a whole; the one before it stays beside it, with ".old" behind its
// name.

const (
	fileMagic    = "LarsRte2"
	fileMagic1   = "LarsRte1" // read, not written
	headLength   = len(fileMagic) + 8
	sumLength    = 4
	lengthLength = 4
	hostLength   = 6 // of version 1
	// fileBytesMax bounds what is read, and so what is allocated for it.
	fileBytesMax = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errFile says that a file is not a routes file, or not whole.
var errFile = errors.New("routes file is damaged")

// said is a module and what dns says of it.
type said struct {
	module route.Module
	news
}

// encodeRoutes appends the whole file to dst.
func encodeRoutes(dst []byte, agreed time.Time, routes *route.Snapshot, policies map[route.Module]wire.Policy) []byte {
	start := len(dst)
	le := binary.LittleEndian
	dst = append(dst, fileMagic...)
	dst = le.AppendUint64(dst, uint64(agreed.UnixNano()))
	var r wire.GetRouteResponse
	for m, hosts := range routes.All() {
		r.ModID, r.CmdID, r.Hosts = m.ModID, m.CmdID, r.Hosts[:0]
		for _, h := range hosts {
			r.Hosts = append(r.Hosts, wire.HostInfo{IP: int32(h.IP), Port: int32(h.Port)})
		}
		r.Policy, r.HasPolicy = policies[m]
		dst = r.AppendTo(le.AppendUint32(dst, uint32(r.Size())))
	}
	return le.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// decodeRoutes reads a whole file. Any bytes give routes or an error.
func decodeRoutes(b []byte) (agreed time.Time, routes []said, err error) {
	le := binary.LittleEndian
	if len(b) < headLength+sumLength {
		return agreed, nil, fmt.Errorf("%w: no head", errFile)
	}
	decode := decodeRoute
	switch magic := string(b[:len(fileMagic)]); magic {
	case fileMagic:
	case fileMagic1:
		decode = decodeRoute1
	default:
		return agreed, nil, fmt.Errorf("%w: it begins with %q", errFile, magic)
	}
	whole := len(b) - sumLength
	if le.Uint32(b[whole:]) != crc32.Checksum(b[:whole], castagnoli) {
		return agreed, nil, fmt.Errorf("%w: wrong checksum", errFile)
	}
	agreed = time.Unix(0, int64(le.Uint64(b[len(fileMagic):])))
	for b = b[headLength:whole]; len(b) > 0; {
		r, size, err := decode(b)
		if err != nil {
			return agreed, nil, err
		}
		routes = append(routes, r)
		b = b[size:]
	}
	return agreed, routes, nil
}

func decodeRoute(b []byte) (s said, size int, err error) {
	if len(b) < lengthLength || int64(binary.LittleEndian.Uint32(b)) > int64(len(b)-lengthLength) {
		return s, 0, fmt.Errorf("%w: half a module", errFile)
	}
	size = lengthLength + int(binary.LittleEndian.Uint32(b))
	var r wire.GetRouteResponse
	if err := r.Decode(b[lengthLength:size]); err != nil {
		return s, 0, fmt.Errorf("%w: %w", errFile, err)
	}
	s.module = route.Module{ModID: r.ModID, CmdID: r.CmdID}
	bad := 0
	if s.news, bad = newsOf(&r); bad > 0 || len(s.hosts) == 0 || !s.module.Valid() {
		return s, 0, fmt.Errorf("%w: module %v with %d hosts, %d of them no address", errFile, s.module, len(r.Hosts), bad)
	}
	return s, size, nil
}

func decodeRoute1(b []byte) (s said, size int, err error) {
	const fixed = 12
	le := binary.LittleEndian
	if len(b) < fixed {
		return s, 0, fmt.Errorf("%w: half a module", errFile)
	}
	s.module = route.Module{ModID: int32(le.Uint32(b)), CmdID: int32(le.Uint32(b[4:]))}
	n := int64(le.Uint32(b[8:]))
	if !s.module.Valid() || n == 0 || n*hostLength > int64(len(b)-fixed) {
		return s, 0, fmt.Errorf("%w: module %v with %d hosts in %d bytes", errFile, s.module, n, len(b))
	}
	s.hosts = make([]balance.Host, n)
	for i := range s.hosts {
		at := b[fixed+i*hostLength:]
		h := route.Host{IP: le.Uint32(at), Port: le.Uint16(at[4:])}
		if !h.Valid() {
			return s, 0, fmt.Errorf("%w: host %v", errFile, h)
		}
		s.hosts[i].Host = h
	}
	return s, fixed + int(n)*hostLength, nil
}

// readRoutes reads the file, or the one before it when it is missing or
// damaged; damage is that of the newer file, if any. A file that never was is
// no error.
func readRoutes(files Files, path string) (agreed time.Time, routes []said, damage error) {
	agreed, routes, err := readGeneration(files, path)
	if err == nil {
		return agreed, routes, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		damage = err
	}
	agreed, routes, err = readGeneration(files, path+".old")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		damage = errors.Join(damage, err)
	}
	return agreed, routes, damage
}

func readGeneration(files Files, path string) (agreed time.Time, routes []said, err error) {
	b, err := files.Read(path)
	if err != nil {
		return agreed, nil, err
	}
	agreed, routes, err = decodeRoutes(b)
	if err != nil {
		return time.Time{}, nil, fmt.Errorf("%s: %w", path, err)
	}
	return agreed, routes, nil
}

// Files is where the routes file is kept. From any goroutine.
type Files interface {
	// Read returns a whole file; the error is an fs.ErrNotExist when there is
	// none.
	Read(path string) ([]byte, error)
	// Replace makes b the whole of a file. The one before it stays as path.old. A
	// crash at any moment leaves the new one or the one before it.
	Replace(path string, b []byte) error
}

// disk is the operating system's.
type disk struct{}

// Read implements Files.
func (disk) Read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, fileBytesMax))
}

// Replace implements Files.
func (disk) Replace(path string, b []byte) error {
	fresh := path + ".new"
	if err := writeSynced(fresh, b); err != nil {
		_ = os.Remove(fresh)
		return err
	}
	if err := os.Rename(path, path+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func writeSynced(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
