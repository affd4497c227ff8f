//go:build race

package virtual

import "time"

// The detector costs ten times the work.
const (
	seedsOfATest   = 10
	longestOfATest = 150 * time.Second
)
