package up

import (
	"context"
	"errors"
	"fmt"

	"lars/system/store"
)

// Prepared is what Start found in the store.
type Prepared struct {
	Version int64 // of the routes
	Samples int   // sample routes that were added, the store being empty
	Away    error // why the store could not be reached; the services go on trying
}

// errSome ends a load at its first route.
var errSome = errors.New("there are routes")

// prepare brings the tables up to date, and puts the samples into a store that
// never had a route.
func prepare(ctx context.Context, st store.Store, noSamples bool) (p Prepared, err error) {
	ctx, cancel := context.WithTimeout(ctx, prepareWithin)
	defer cancel()
	p, err = fill(ctx, st, noSamples)
	switch {
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return Prepared{Away: err}, nil
	case err != nil:
		return p, fmt.Errorf("up: the store cannot be used: %w", err)
	}
	return p, nil
}

func fill(ctx context.Context, st store.Store, noSamples bool) (p Prepared, err error) {
	if err := st.Migrate(ctx); err != nil {
		return p, err
	}
	if p.Version, err = st.Version(ctx); err != nil || p.Version != 0 || noSamples {
		return p, err
	}
	// Routes that were written by hand have no version.
	_, err = st.Load(ctx, func(store.Route) error { return errSome })
	if errors.Is(err, errSome) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	done, err := store.Import(ctx, st, store.ImportOptions{Actor: "lars up"}, samples)
	p.Version, p.Samples = done.Version, done.Added
	return p, err
}

func samples(yield func(store.Item, error) bool) {
	for _, r := range store.SampleRoutes() {
		if !yield(store.Item{Route: r}, nil) {
			return
		}
	}
}
