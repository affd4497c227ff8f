// Package study holds balancing algorithms against each other: every policy of
// package balance in every scenario of a fixed list, on identical requests, in
// virtual time. It is for "lars sim study", which writes the table, and for the
// test that keeps the default policy at its targets.
//
// The model is small on purpose. Agents each hold a Balancer of their own; hosts
// are queues with a few servers; requests come by a Poisson process and carry
// everything that chance decides about them (when, whose, how much work, what
// goes wrong), so a policy changes nothing but where they go. A call that
// nobody waits for any more leaves the queue unserved. Reports reach the agent
// half a millisecond after the answer. There is no dns, no reporter and no
// wire: package virtual has those. Of health hints the delay is modelled: agents
// tell once a second what they suspect, and the sum reaches the others once a
// second. On the real way a tenth of a second comes to that, for the reporter's
// batch and the way; and agents tell nothing of a module all of whose hosts they
// suspect, which would count for nothing.
//
// A run of one scenario, policy and seed is a pure function of those three. It
// uses balance as it is; nothing here decides about hosts.
package study
