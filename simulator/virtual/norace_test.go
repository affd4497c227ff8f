//go:build !race

package virtual

import "time"

const (
	seedsOfATest   = 200
	longestOfATest = time.Hour
)
