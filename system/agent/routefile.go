package agent

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"lars/system/route"
)

// The routes file: a head of magic and the time at which dns was known to
// agree (Unix nanoseconds), a record for each module (modid, cmdid, number of
// hosts, then address and port of each), and the CRC-32C of all before it.
// Numbers are little-endian. It is replaced as a whole; the one before it
// stays beside it, with ".old" behind its name.

const (
	fileMagic  = "LarsRte1"
	headLength = len(fileMagic) + 8
	sumLength  = 4
	hostLength = 6
	// fileBytesMax bounds what is read, and so what is allocated for it.
	fileBytesMax = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errFile says that a file is not a routes file, or not whole.
var errFile = errors.New("routes file is damaged")

// encodeRoutes appends the whole file to dst.
func encodeRoutes(dst []byte, agreed time.Time, routes *route.Snapshot) []byte {
	start := len(dst)
	le := binary.LittleEndian
	dst = append(dst, fileMagic...)
	dst = le.AppendUint64(dst, uint64(agreed.UnixNano()))
	for m, hosts := range routes.All() {
		dst = le.AppendUint32(dst, uint32(m.ModID))
		dst = le.AppendUint32(dst, uint32(m.CmdID))
		dst = le.AppendUint32(dst, uint32(len(hosts)))
		for _, h := range hosts {
			dst = le.AppendUint32(dst, h.IP)
			dst = le.AppendUint16(dst, h.Port)
		}
	}
	return le.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// decodeRoutes reads a whole file. Any bytes give routes or an error.
func decodeRoutes(b []byte) (agreed time.Time, routes []route.Route, err error) {
	le := binary.LittleEndian
	if len(b) < headLength+sumLength || !bytes.HasPrefix(b, []byte(fileMagic)) {
		return agreed, nil, fmt.Errorf("%w: no head", errFile)
	}
	whole := len(b) - sumLength
	if le.Uint32(b[whole:]) != crc32.Checksum(b[:whole], castagnoli) {
		return agreed, nil, fmt.Errorf("%w: wrong checksum", errFile)
	}
	agreed = time.Unix(0, int64(le.Uint64(b[len(fileMagic):])))
	for b = b[headLength:whole]; len(b) > 0; {
		r, size, err := decodeRoute(b)
		if err != nil {
			return agreed, nil, err
		}
		routes = append(routes, r)
		b = b[size:]
	}
	return agreed, routes, nil
}

func decodeRoute(b []byte) (r route.Route, size int, err error) {
	const fixed = 12
	le := binary.LittleEndian
	if len(b) < fixed {
		return r, 0, fmt.Errorf("%w: half a module", errFile)
	}
	r.Module = route.Module{ModID: int32(le.Uint32(b)), CmdID: int32(le.Uint32(b[4:]))}
	n := int64(le.Uint32(b[8:]))
	if !r.Module.Valid() || n == 0 || n*hostLength > int64(len(b)-fixed) {
		return r, 0, fmt.Errorf("%w: module %v with %d hosts in %d bytes", errFile, r.Module, n, len(b))
	}
	r.Hosts = make([]route.Host, n)
	for i := range r.Hosts {
		at := b[fixed+i*hostLength:]
		h := route.Host{IP: le.Uint32(at), Port: le.Uint16(at[4:])}
		if !h.Valid() {
			return r, 0, fmt.Errorf("%w: host %v", errFile, h)
		}
		r.Hosts[i] = h
	}
	return r, fixed + int(n)*hostLength, nil
}

// readRoutes reads the file, or the one before it when it is missing or
// damaged; damage is that of the newer file, if any. A file that never was is
// no error.
func readRoutes(files Files, path string) (agreed time.Time, routes []route.Route, damage error) {
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

func readGeneration(files Files, path string) (agreed time.Time, routes []route.Route, err error) {
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
