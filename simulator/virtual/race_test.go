//go:build race

package virtual

const seedsOfATest = 20 // the detector costs ten times the work
