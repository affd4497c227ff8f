// Package memory is a store.Store without a database: what it holds is gone
// with the process. It is for simulations, which need a store that does the
// same in every run and fails when it is told to, and for tests.
//
//	db := memory.New(memory.Config{Now: clock})
//	st := db.Open() // as often as there are processes
//	db.SetFault(func(op string) memory.Fault { return memory.Fault{Before: errAway} })
//
// It passes the conformance suite of the other stores, but for the cases about
// programs that speak SQL to the same database. Every call is done at once; a
// slow database is the caller's to simulate. Its memory has no limit but what
// Trim takes away.
package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"lars/system/store"
)

// Config of a Database. The zero value is usable.
type Config struct {
	Now func() time.Time // of edits without a time and of marks; nil means time.Now
}

// A Fault is what a call meets. The zero value is none.
type Fault struct {
	Before error // the call fails with it, and nothing happens
	After  error // the call happens, and its answer is lost: it fails with it
}

// A Database is what several stores share. Its methods may be called from any
// goroutine.
type Database struct {
	now func() time.Time

	mu    sync.Mutex
	fault func(op string) Fault
	data  data
}

// data is the contents.
type data struct {
	version int64
	modules []store.ModuleHosts // with hosts, in order
	log     []entry             // in order
	logged  int64               // rows that ever were in the log
	latest  map[statKey]store.CallStat
	minutes map[minuteKey]store.MinuteStat
	marks   map[store.Mark]int64 // when they came, Unix seconds
	names   [2]map[int32]string  // by kind
	// policies of which something is said; their hosts are never changed in place
	policies map[store.Module]store.Policy
	suspects map[suspectKey]int64 // until when, Unix seconds
	sharing  map[sharingKey]int64 // likewise
}

// entry of the change log.
type entry struct {
	store.Change
	key string
}

// New makes an empty database.
func New(c Config) *Database {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Database{now: c.Now, data: data{
		latest: map[statKey]store.CallStat{}, minutes: map[minuteKey]store.MinuteStat{}, marks: map[store.Mark]int64{},
		names: [2]map[int32]string{{}, {}}, policies: map[store.Module]store.Policy{},
		suspects: map[suspectKey]int64{}, sharing: map[sharingKey]int64{},
	}}
}

// SetFault asks f about every call from now on, by the name of the method; nil
// ends all faults. f is called with the database locked. What it returns should
// wrap store.ErrUnavailable.
func (db *Database) SetFault(f func(op string) Fault) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.fault = f
}

// Copy is a database of its own with the same contents, without faults: a
// replica that falls behind from now on.
func (db *Database) Copy() *Database {
	db.mu.Lock()
	defer db.mu.Unlock()
	return &Database{now: db.now, data: db.data.clone()}
}

// Become makes the contents those of another database: a fail-over to it. The
// stores that are open notice by what they read alone.
func (db *Database) Become(other *Database) {
	c := other.Copy()
	db.mu.Lock()
	defer db.mu.Unlock()
	db.data = c.data
}

func (d *data) clone() data {
	c := *d
	c.modules, c.log = slices.Clone(d.modules), slices.Clone(d.log) // hosts are never changed in place
	c.latest, c.minutes, c.marks = maps.Clone(d.latest), maps.Clone(d.minutes), maps.Clone(d.marks)
	c.policies = maps.Clone(d.policies)
	c.suspects, c.sharing = maps.Clone(d.suspects), maps.Clone(d.sharing)
	for i := range c.names {
		c.names[i] = maps.Clone(d.names[i])
	}
	return c
}

// A Store is one connection to a Database.
type Store struct {
	db     *Database
	closed bool // under db.mu
}

var _ store.Store = (*Store)(nil)

// Open connects to the database.
func (db *Database) Open() *Store { return &Store{db: db} }

// do is one call: of a store that is open, with the faults that are due.
func (s *Store) do(ctx context.Context, op string, f func(d *data) error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if s.closed {
		return fmt.Errorf("%w: %s: the store is closed", store.ErrUnavailable, op)
	}
	var fault Fault
	if s.db.fault != nil {
		fault = s.db.fault(op)
	}
	if fault.Before != nil {
		return fault.Before
	}
	if err := f(&s.db.data); err != nil {
		return err
	}
	return fault.After
}

// Migrate implements store.Store: there are no tables.
func (s *Store) Migrate(ctx context.Context) error {
	return s.do(ctx, "Migrate", func(*data) error { return nil })
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	s.closed = true
	return nil
}
