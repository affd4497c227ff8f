package storetest

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
)

// ErrFuse is the failure of a statement that a Fuse made fail.
var ErrFuse = errors.New("made to fail by the test")

// Fuse makes the statements of a store fail: give its Wrap to the store's
// Config. Each begin, statement and commit may fail before it is carried out or
// after, which is how an answer is lost; half of the failures look like a lost
// connection. From any goroutine.
type Fuse struct {
	mu     sync.Mutex
	random *rand.Rand
	oneIn  int
	left   int // until it blows, when it is to
	blows  bool
	failed int
}

// NewFuse makes a fuse that lets one in oneIn operations fail; 0: none.
func NewFuse(random *rand.Rand, oneIn int) *Fuse { return &Fuse{random: random, oneIn: oneIn} }

// BlowAfter makes everything fail for good after a number of operations: of a
// process that was killed nothing reaches the database any more.
func (f *Fuse) BlowAfter(operations int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blows, f.left = true, operations
}

// Mend ends all failures.
func (f *Fuse) Mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blows, f.oneIn = false, 0
}

// Blown reports whether BlowAfter's time has come.
func (f *Fuse) Blown() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.blows && f.left <= 0
}

// Failed counts the failures.
func (f *Fuse) Failed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// next draws the fate of an operation: whether it is carried out, and the
// failure that is its answer, nil for its own.
func (f *Fuse) next() (done bool, failure error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left--
	switch {
	case f.blows && f.left <= 0:
		return f.left == 0 && f.random.IntN(2) == 0, f.failure() // the last may still happen
	case f.oneIn > 0 && f.random.IntN(f.oneIn) == 0:
		return f.random.IntN(2) == 0, f.failure()
	}
	return true, nil
}

// failure is never driver.ErrBadConn: that says that nothing was carried out,
// and makes database/sql do it again within the transaction.
func (f *Fuse) failure() error {
	f.failed++
	if f.random.IntN(2) == 0 {
		return errors.Join(ErrFuse, io.ErrUnexpectedEOF)
	}
	return ErrFuse
}

// carryOut does an operation, or not, and answers, or not.
func carryOut[R any](f *Fuse, do func() (R, error)) (result R, err error) {
	done, failure := f.next()
	if done {
		result, err = do()
	}
	if failure != nil {
		err = errors.Join(failure, err)
	}
	return result, err
}

// Wrap is for the Config of a store.
func (f *Fuse) Wrap(c driver.Connector) driver.Connector { return fusedConnector{c, f} }

type fusedConnector struct {
	driver.Connector
	fuse *Fuse
}

func (c fusedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &fusedConn{conn.(fullConn), c.fuse}, nil
}

// fullConn is what the connections of both databases can.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

type fusedConn struct {
	fullConn
	fuse *Fuse
}

func (c *fusedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	done, failure := c.fuse.next()
	if !done {
		return nil, failure
	}
	tx, err := c.fullConn.BeginTx(ctx, opts)
	if err == nil && failure != nil {
		return nil, errors.Join(failure, tx.Rollback())
	}
	return &fusedTx{tx, c.fuse}, err
}

func (c *fusedConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	return carryOut(c.fuse, func() (driver.Result, error) { return c.fullConn.ExecContext(ctx, text, args) })
}

func (c *fusedConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	if _, failure := c.fuse.next(); failure != nil {
		return nil, failure
	}
	return c.fullConn.QueryContext(ctx, text, args)
}

func (c *fusedConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	stmt, err := c.fullConn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return &fusedStmt{stmt.(fullStmt), c.fuse}, nil
}

type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type fusedStmt struct {
	fullStmt
	fuse *Fuse
}

func (s *fusedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return carryOut(s.fuse, func() (driver.Result, error) { return s.fullStmt.ExecContext(ctx, args) })
}

func (s *fusedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if _, failure := s.fuse.next(); failure != nil {
		return nil, failure
	}
	return s.fullStmt.QueryContext(ctx, args)
}

type fusedTx struct {
	driver.Tx
	fuse *Fuse
}

// Commit that is not carried out is what the database makes of a connection
// that ends: a rollback.
func (t *fusedTx) Commit() error {
	done, failure := t.fuse.next()
	if !done {
		return errors.Join(failure, t.Tx.Rollback())
	}
	return errors.Join(t.Tx.Commit(), failure)
}
