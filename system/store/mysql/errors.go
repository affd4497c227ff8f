package mysql

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"

	"github.com/go-sql-driver/mysql"

	"lars/system/store"
)

// Error numbers of MySQL, MariaDB, Galera and TiDB.
const (
	erTableExists        = 1050
	erDupFieldName       = 1060
	erDupKeyName         = 1061
	erCantDropFieldOrKey = 1091

	erBadDatabase    = 1049
	erBadField       = 1054
	erUnknownTable   = 1051
	erNoSuchTable    = 1146
	erDupEntry       = 1062
	erDataTooLong    = 1406
	erOutOfRange     = 1264
	erBadValue       = 1366
	erDataOutOfRange = 1690

	erLockDeadlock    = 1213
	erLockWaitTimeout = 1205
	erWsrepNotReady   = 1047 // Galera: the node does not take statements now
	erCommitFailed    = 1180 // Galera: certification failed at commit
	erCheckRead       = 1020 // MariaDB: the row changed since the snapshot
	erWriteConflict   = 9007 // TiDB
	erTiDBRetry       = 8022 // TiDB: commit failed, may be repeated

	erServerShutdown   = 1053
	erConnectionKilled = 1927
)

func alreadyDone(err error) bool {
	switch errorNumber(err) {
	case erTableExists, erDupFieldName, erDupKeyName, erCantDropFieldOrKey:
		return true
	}
	return false
}

func errorNumber(err error) uint16 {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return 0
	}
	return e.Number
}

func classify(err error) (kind error, repeat bool) {
	switch errorNumber(err) {
	case erLockDeadlock, erLockWaitTimeout, erWsrepNotReady, erCommitFailed, erCheckRead, erWriteConflict, erTiDBRetry:
		return store.ErrUnavailable, true
	case erDupEntry: // two made the version row, which a hand had removed
		return store.ErrConflict, true
	case erBadDatabase, erBadField, erUnknownTable, erNoSuchTable:
		return store.ErrSchema, false
	case erDataTooLong, erOutOfRange, erBadValue, erDataOutOfRange:
		return store.ErrInvalid, false
	}
	return nil, false
}

func connectionLost(err error) bool {
	switch errorNumber(err) {
	case erServerShutdown, erConnectionKilled:
		return true
	}
	var netErr net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &netErr)
}
