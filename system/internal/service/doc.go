// Package service holds what the services have in common: of those that keep a
// database behind TCP connections the set of their live connections, slow work
// beside their loops, pauses between attempts, a look at the clock, and log lines
// that do not flood; of all three the answer to the question what they count.
//
// It is for packages dns, reporter and agent. It knows no other message and no
// store.
package service
