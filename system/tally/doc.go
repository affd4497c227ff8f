// Package tally counts calls between a caller's report and the store. It is
// for the agent and the reporter.
//
// In the agent, a [Tally] counts what callers report, apart from the
// balancer's counters, which windows reset. Once a second the agent takes what
// changed, a [Report] per module, and sends it; a reporter that is slow or
// away makes it take later, and the counts merge where they are. A [Sent] list
// keeps what went out lately, to be sent again after a lost connection.
//
// In the reporter, a [Queue] holds reports until a writer takes them, within a
// limit of bytes, and refuses what came before as far as it remembers.
//
// # What is counted, and how it counts once
//
// A result has two pairs of figures. Succ and Err are cumulative: they replace
// older ones, as in the original, whose agents count one window of balancing;
// ours count all that the tally remembers of the host. SuccAdd and ErrAdd are
// increments since the host's last report, for totals such as those of a
// minute. For agents that do not send them, [Increments] infers them.
//
// A report of ours is marked with the agent's boot id and a number, and keeps
// its mark up to the store, which enters it in the transaction that writes the
// figures: that alone makes it count once. What the Queue refuses is to save
// work. Reports of different marks are never made one, since the store may have
// one of them already, from another reporter or from before a restart.
//
// The package is pure: no network, clock or database. It does not encode, does
// not retry, and knows nothing of balancing.
package tally
