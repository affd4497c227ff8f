// Package buffer holds the byte buffers that backends keep beside a loop's own
// scratch space: partial frames and output that the kernel did not take. A
// Pool hands them out within one limit for the whole process part that shares
// it; a Queue strings them together as a byte stream.
//
// It is for the slow path only: a connection with nothing pending holds no
// buffer at all.
package buffer

import (
	"errors"
	"math/bits"
	"sync"
)

// ErrPool is returned by Get at the pool's limit.
var ErrPool = errors.New("buffer pool is at its limit")

const (
	classBitsMin = 10 // the smallest class: 1 KiB
	classBitsMax = 25 // the largest: 32 MiB, one frame of the largest size and its head
	classes      = classBitsMax - classBitsMin + 1
	// BytesMaxDefault limits a pool when Config does not.
	BytesMaxDefault = 1 << 30
	// keepBytesPerClass bounds what a class caches for reuse.
	keepBytesPerClass = 4 << 20
)

// Config of a Pool.
type Config struct {
	BytesMax int64 // limit on bytes handed out; 0 means 1 GiB
}

// A Pool hands out buffers whose capacity is a power of two. It is safe for
// concurrent use.
type Pool struct {
	bytesMax int64

	mu      sync.Mutex
	inUse   int64
	peak    int64
	refused uint64
	free    [classes][][]byte
}

// Stats of a pool at one moment, in bytes except Refused.
type Stats struct {
	InUse   int64  `json:"in_use"`
	Peak    int64  `json:"peak"`
	Max     int64  `json:"max"`
	Cached  int64  `json:"cached"`
	Refused uint64 `json:"refused"` // times Get returned ErrPool
}

// New makes an empty pool.
func New(c Config) *Pool {
	if c.BytesMax == 0 {
		c.BytesMax = BytesMaxDefault
	}
	return &Pool{bytesMax: c.BytesMax}
}

// Get returns a buffer of length n and a capacity of the next power of two
// (at least 1 KiB), with arbitrary content, or ErrPool. Give it back with Put.
func (p *Pool) Get(n int) ([]byte, error) {
	class, size := classOf(n)
	if class < 0 {
		return nil, ErrPool
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inUse+int64(size) > p.bytesMax {
		p.refused++
		return nil, ErrPool
	}
	p.inUse += int64(size)
	p.peak = max(p.peak, p.inUse)
	if list := p.free[class]; len(list) > 0 {
		b := list[len(list)-1]
		p.free[class] = list[:len(list)-1]
		return b[:n], nil
	}
	return make([]byte, n, size), nil
}

// Put gives back a buffer that Get returned; the caller keeps no part of it.
// A nil buffer is ignored.
func (p *Pool) Put(b []byte) {
	if b == nil {
		return
	}
	class, size := classOf(cap(b))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inUse -= int64(size)
	if (len(p.free[class])+1)*size <= max(keepBytesPerClass, size) {
		p.free[class] = append(p.free[class], b)
	}
}

// Stats reads the pool's figures.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{InUse: p.inUse, Peak: p.peak, Max: p.bytesMax, Refused: p.refused}
	for i, list := range p.free {
		s.Cached += int64(len(list)) << (i + classBitsMin)
	}
	return s
}

// classOf returns the class whose buffers hold n bytes and their size, or -1.
func classOf(n int) (class, size int) {
	b := max(bits.Len(uint(max(n, 1)-1)), classBitsMin)
	if b > classBitsMax {
		return -1, 0
	}
	return b - classBitsMin, 1 << b
}
