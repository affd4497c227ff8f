//go:build !race

package virtual

const seedsOfATest = 200
