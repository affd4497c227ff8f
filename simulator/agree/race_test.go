//go:build race

package agree

const raceDetector = true
