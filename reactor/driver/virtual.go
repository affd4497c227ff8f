package driver

// What follows is for backends in virtual time, where nothing happens by itself
// and all of it on one goroutine. Others leave it out.

// A Stepper is an Engine in virtual time.
type Stepper interface {
	// Step makes the next event of the simulated world happen, which may be one
	// of another engine, and moves the time on to it. It returns false when
	// nothing is left to happen. It may be called inside an event that is no
	// callback of a Loop.
	Step() bool
}

// An Offloader is a Loop in virtual time: slow work beside it costs virtual
// time and no goroutine.
type Offloader interface {
	// Offload runs work after a delay of the backend's choice, and done, which
	// may be nil, on the loop after another. Neither runs once the engine is
	// closed; then it returns false. work must not use the loop.
	Offload(work, done func()) bool
}

// A Seeder is an Engine in virtual time: it draws the seeds of what is random
// above it, so that a run repeats.
type Seeder interface {
	Seed() uint64
}
