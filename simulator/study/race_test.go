//go:build race

package study

const seedsOfATest = 1 // the detector costs ten times the work
