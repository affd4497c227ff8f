package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// pool is an sql.DB with its prepared statements, which live as long as it.
type pool struct {
	db      *sql.DB
	prepare bool

	mu       sync.Mutex
	prepared map[string]*sql.Stmt
	wanted   map[string]struct{} // seen in a transaction; prepared before the next
}

// preparedMax stops the set of prepared statements from growing if one of them
// ever were made of data.
const preparedMax = 256

func newPool(db *sql.DB, prepare bool) *pool {
	return &pool{
		db: db, prepare: prepare,
		prepared: make(map[string]*sql.Stmt), wanted: make(map[string]struct{}),
	}
}

// begin starts a transaction. Statements are prepared here, between two
// transactions, because a pool of one connection has none to spare within one.
func (p *pool) begin(ctx context.Context, opts *sql.TxOptions) (*tx, error) {
	for _, text := range p.takeWanted() {
		// One that cannot be prepared (its table is still missing) must not fail a
		// transaction that has no use for it.
		if stmt, err := p.db.PrepareContext(ctx, text); err == nil {
			p.keep(text, stmt)
		}
	}
	sqlTx, err := p.db.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &tx{Tx: sqlTx, pool: p}, nil
}

func (p *pool) takeWanted() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var texts []string
	for text := range p.wanted {
		if len(p.prepared)+len(texts) < preparedMax {
			texts = append(texts, text)
		}
	}
	clear(p.wanted)
	return texts
}

func (p *pool) keep(text string, stmt *sql.Stmt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.prepared[text]; known {
		_ = stmt.Close()
		return
	}
	p.prepared[text] = stmt
}

// statement returns the prepared form of text, or nil when there is none yet.
func (p *pool) statement(text string) *sql.Stmt {
	if !p.prepare {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	stmt := p.prepared[text]
	if stmt == nil && len(p.prepared) < preparedMax {
		p.wanted[text] = struct{}{}
	}
	return stmt
}

func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, stmt := range p.prepared {
		_ = stmt.Close()
	}
	clear(p.prepared)
	return p.db.Close()
}

// queryRow reads one column of one row outside of a transaction; without a row
// it leaves value alone.
func (p *pool) queryRow(ctx context.Context, text string, value *number) error {
	var rows *sql.Row
	if stmt := p.statement(text); stmt != nil {
		rows = stmt.QueryRowContext(ctx)
	} else {
		rows = p.db.QueryRowContext(ctx, text)
	}
	err := rows.Scan(value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}
