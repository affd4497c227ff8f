package mysql_test

import (
	"testing"

	"lars/system/store"
	"lars/system/store/mysql"
	"lars/system/store/mysql/mariadbtest"
	"lars/system/store/storetest"
)

func open(tb testing.TB, c mysql.Config) *mysql.Store {
	tb.Helper()
	st, err := mysql.Open(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = st.Close() })
	return st
}

func backend(server *mariadbtest.Server) storetest.Open {
	return func(tb testing.TB) *storetest.Backend {
		tb.Helper()
		config := server.NewDatabase(tb)
		config.Timeout = storetest.Patience
		st := open(tb, config)
		if err := st.Migrate(tb.Context()); err != nil {
			tb.Fatal(err)
		}
		return &storetest.Backend{
			Store: st, Again: func() store.Store { return open(tb, config) }, Raw: server.OpenRaw(tb, config),
		}
	}
}

func TestConformance(t *testing.T) { storetest.Run(t, backend(mariadbtest.Start(t))) }

func BenchmarkStore(b *testing.B) { storetest.Benchmark(b, backend(mariadbtest.Start(b)), 1_000_000) }
