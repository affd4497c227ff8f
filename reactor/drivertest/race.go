//go:build race

package drivertest

// raceEnabled scales sizes down: the race detector makes everything about
// five times slower.
const raceEnabled = true
