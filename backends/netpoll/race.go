//go:build race

package netpoll

// raceEnabled says that the library looks its connections up by descriptor,
// which it does only when built for the race detector. An event of one that
// was just closed, already fetched from the kernel, then ends a new one with
// the same descriptor; so descriptors must not be reused at once.
const raceEnabled = true
