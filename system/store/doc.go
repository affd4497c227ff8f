// Package store is how the services reach their database: routes with a version
// and a change log, call statistics, and names. It holds the interface [Store],
// its types and its errors; the implementations are store/sqlite (embedded) and
// store/mysql, and store/storetest is the suite that both must pass.
//
//	st, err := sqlite.Open(sqlite.Config{Path: "lars.db"})
//	err = st.Migrate(ctx)                       // until it works, in a service
//	loaded, err := st.Load(ctx, func(r store.Route) error { ... })
//	changes, err := st.Changes(ctx, loaded.Version)
//
// # The version
//
// Table RouteVersion holds one number. Each edit first raises it, which makes
// other editors wait for the row, then changes routes and writes the change log,
// all in one transaction: edits become visible in the order of their versions,
// also when one commits late. The new version is the larger of version+1 and one
// more than the newest in the log, so that a version is never used twice even
// after the original's console has set the number back to its clock.
//
// Each row of the log names the version that its edit found. A reader that has
// seen version S and finds an unbroken chain from S to the present version knows
// all that changed; any break (the log was trimmed, the original's dns emptied
// it, the original's console or a person changed routes) is told as
// [Changes].Complete = false, and the reader loads everything. A change made
// without touching the version is found by loading everything now and then.
//
// # Policies
//
// How a module is balanced, and what is said of single hosts, is in tables of its
// own that the original does not know. Their edits raise the version and are in
// the log like those of routes, so that readers hear of them in the same way.
//
// # Suspicions
//
// What agents suspect of hosts comes with their reports and is read by dns, which
// tells other agents. Such rows end by the time that they carry, so whoever reads
// them says what time it is; they are no part of the version.
//
// # Rows that make no sense
//
// Negative or too large ids, address 0, port 0 or above 65,535 and duplicate
// routes, which the original's tables allow, are skipped by every reader and
// counted; they never make a call fail.
//
// # What it will not do
//
// It keeps nothing in memory, starts no goroutine, retries only what is safe to
// repeat, and never asks the database for the time. It does not decide when to
// load, trim or write: the services do.
package store
