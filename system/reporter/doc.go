// Package reporter is the service that takes the agents' call statistics over
// TCP and keeps them in the store.
//
//	r, err := reactor.Open(epoll.Driver{}, reactor.Config{Loops: 2})
//	s, err := reporter.Start(r, reporter.Default(), st)
//	...
//	err = s.Close(ctx) // after what is accepted is stored, or ctx has ended
//
// # From a report to its rows
//
// A loop decodes a report and puts it into the queue of one of Config.Writers
// lanes, that of its module; it never waits for the database. Each lane has a
// writer, on a loop and the workers, which takes what waits after Config.Linger, or sooner when a batch is
// full, and saves it in one transaction. So reports of one module are stored in
// the order in which they came, and a database that is busy gets larger
// batches, not more of them.
//
// # When the store is away
//
// A writer keeps its batch and tries again with growing pauses; the queue fills
// meanwhile, up to Config.QueueBytesMax. Reports of the original's agents merge
// with the waiting one of the same module, agent and minute; ours stay apart,
// each under its mark. Of a report that finds no room the figures replace
// waiting ones; its increments are dropped, counted, and logged at a limited
// rate. Totals go to the minute in which a report was accepted, however late
// they are written.
//
// # What counts once
//
// Reports of our agents carry marks, which the store remembers: one that comes
// twice, in whatever way, counts once. Reports of the original's agents have
// none; their figures and their own time overwrite those before, as in the
// original (the time of ours is that of acceptance), their increments are
// inferred, and they are written under marks of our own, so that a batch that is
// tried again counts once too; what a killed reporter had not yet stored of them
// is lost. Marks are forgotten Config.MarksKeep after their writing.
//
// # What agents suspect
//
// Agents of ours say in their reports which hosts they begin, or cease, to
// suspect. That goes with the report into the store, for dns to tell the others:
// a row when it changes and when it is told again, none in good times.
//
// # Bad input
//
// A body that is no ReportStatusRequest is dropped, as is a report with a
// negative id; of a report with hosts that are none the others are taken; a body
// above the original's limit closes the connection. Each is counted. Nothing is
// ever answered. The package does not judge whether a host is in a route: a
// report about a host that has just gone is as true as any.
package reporter
