package report

// For the tests from outside, which need package results too.
var (
	Made     = made
	Compared = compared
	Folder   = folder
)
