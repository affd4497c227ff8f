// Package check watches a simulated run and says what must not happen. It is
// for simulations in virtual time and over real sockets alike: whoever runs one
// tells a watcher what it sees and, where a promise holds only in a healthy
// system, since when all has been well.
//
//	var log check.Log
//	picks := check.NewPicks(&log, 2*time.Second)
//	picks.Joined(0, module, host)
//	...
//	picks.Left(now, module, host)
//	picks.Picked(now, module, host, wellSince)
//
// Each watcher is about one promise: safety while faults run (Answers, Picks,
// Known, Routes, Quota, Gauge), bookkeeping (Books), and liveness after the last
// fault (Routes, Share, Errors). The package is pure: no clock, no network; now
// comes in, and what is wrong goes to the Log.
package check
