// Package systest tests the whole scheduling system: the same test bodies on
// every backend, with the services in one process and as processes of the built
// program. It is for this repository's tests only and exports nothing.
//
//	go test ./system/systest                       // everything
//	go test -short ./system/systest                // two of the eight systems
//	LARS_SEED=7 go test -run Faults ./system/systest
//
// What is random (when a process is killed, what garbage is sent) comes from
// one seed, which is printed and which LARS_SEED replaces.
package systest
