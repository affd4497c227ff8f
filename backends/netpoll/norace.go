//go:build !race

package netpoll

// raceEnabled is explained in race.go.
const raceEnabled = false
