// Package service holds what the services that keep a database behind TCP
// connections have in common: the set of their live connections, slow work
// beside their loops, pauses between attempts, a look at the clock, and log lines that do not flood.
//
// It is for packages dns and reporter. It knows no message and no store.
package service
