// Package route holds what dns knows: which hosts each module has, and which
// connection wants to hear of it. It is for dns; balance, tally and the agent
// share its [Module] and [Host].
//
// A [Snapshot] is an immutable table of all routes. [Build] makes one from a
// full load, [Snapshot.Apply] makes the next from a few changed modules and
// shares the rest with its predecessor. Readers look up without lock or
// allocation: publish snapshots through an atomic.Pointer. [Diff] names the
// modules that differ between two, [Guard] says whether the newer may replace
// the older at once, and [Subscriptions] who is to be told. A route takes some 10
// bytes with its share of the module and of the index, at ten hosts a module: a
// million of them 10 MB (TestBytesPerRoute; in a whole dns, TestMillionRoutes).
//
// The package is pure: no network, clock or database. It does not read the
// store, does not know what a version means beyond its order, and keeps no
// history.
package route
