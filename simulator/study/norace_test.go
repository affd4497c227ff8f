//go:build !race

package study

const seedsOfATest = 3
