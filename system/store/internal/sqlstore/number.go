package sqlstore

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"lars/system/store"
)

// versionMax bounds the versions that are believed: more is garbage. It leaves
// room to count on, and every JSON reader holds it exactly.
const versionMax = 1 << 53

// number scans any integer column, also an unsigned one beyond int64 (which it
// caps) and NULL (which reads as 0): no row of a hand may make a read fail.
type number int64

// Scan implements sql.Scanner.
func (n *number) Scan(src any) error {
	switch v := src.(type) {
	case int64:
		*n = number(v)
	case uint64:
		*n = number(min(v, math.MaxInt64))
	case nil:
		*n = 0
	case []byte:
		return n.parse(string(v))
	case string:
		return n.parse(v)
	default:
		return fmt.Errorf("%w: %T where a number belongs", store.ErrSchema, src)
	}
	return nil
}

func (n *number) parse(text string) error {
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil && v == 0 {
		return fmt.Errorf("%w: %q where a number belongs", store.ErrSchema, text)
	}
	*n = number(v) // out of range: capped by ParseInt
	return nil
}

func (n number) version() int64 { return min(max(int64(n), 0), versionMax) }

// row is RouteData or the key of a statistics table as the database has it.
type row struct{ modID, cmdID, ip, port number }

func (r *row) module() (store.Module, bool) {
	ok := r.modID >= 0 && r.modID <= math.MaxInt32 && r.cmdID >= 0 && r.cmdID <= math.MaxInt32
	return store.Module{ModID: int32(r.modID), CmdID: int32(r.cmdID)}, ok
}

func (r *row) host() (store.Host, bool) {
	ok := r.ip > 0 && r.ip <= math.MaxUint32 && r.port > 0 && r.port <= math.MaxUint16
	return store.Host{IP: uint32(r.ip), Port: uint16(r.port)}, ok
}

func (r *row) route() (store.Route, bool) {
	m, moduleOK := r.module()
	h, hostOK := r.host()
	return store.Route{Module: m, Host: h}, moduleOK && hostOK
}

func capUint32(n number) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) }

// capInt keeps a count within the original's column, a signed 32-bit number.
func capInt(n uint32) int64 { return int64(min(n, math.MaxInt32)) }

func limitRows(limit int) int {
	if limit <= 0 || limit > store.QueryRowsMax {
		return store.QueryRowsMax
	}
	return limit
}

func orNow(at time.Time) time.Time {
	if at.IsZero() {
		return time.Now()
	}
	return at
}
