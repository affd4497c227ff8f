package store

import (
	"context"
	"fmt"
	"iter"
	"slices"
)

// ImportChunkRows is how many hosts an import changes in one transaction.
const ImportChunkRows = 1_000

// ImportRoutesMax is the most routes of one import that replaces everything,
// since these are all held in memory.
const ImportRoutesMax = 10_000_000

// ImportOptions says how to import.
type ImportOptions struct {
	Actor string // see Edit

	// Replace also removes every route that was not imported. Additions come
	// first, so that no module is without hosts in between.
	Replace bool
}

// Imported is the outcome of an import.
type Imported struct {
	Version        int64 // of the last change; 0 when nothing was imported
	Read           int   // routes read
	Added, Removed int
}

// ImportStore is what Import needs of a store.
type ImportStore interface {
	RouteReader
	RouteEditor
}

// Import stores routes in many small edits. It stops at the first error, of the
// routes or of the store, and what was done until then stays done: importing the
// same again completes it. Routes that are there already, or come twice, are
// nothing to complain about.
func Import(ctx context.Context, st ImportStore, opts ImportOptions, routes iter.Seq2[Route, error]) (Imported, error) {
	im := importer{st: st, actor: opts.Actor}
	var keep map[Route]struct{}
	if opts.Replace {
		keep = make(map[Route]struct{})
	}
	for route, err := range routes {
		if err != nil {
			return im.done, err
		}
		im.done.Read++
		if opts.Replace {
			keep[route] = struct{}{}
			if len(keep) > ImportRoutesMax {
				return im.done, fmt.Errorf("%w import: more than %d routes", ErrInvalid, ImportRoutesMax)
			}
		}
		if err := im.put(ctx, OpEnsure, route); err != nil {
			return im.done, err
		}
	}
	if err := im.flush(ctx, OpEnsure); err != nil {
		return im.done, err
	}
	if opts.Replace {
		return im.done, im.removeOthers(ctx, keep)
	}
	return im.done, nil
}

type importer struct {
	st    ImportStore
	actor string
	batch []Route
	done  Imported
}

func (im *importer) put(ctx context.Context, op Op, route Route) error {
	im.batch = append(im.batch, route)
	if len(im.batch) < ImportChunkRows {
		return nil
	}
	return im.flush(ctx, op)
}

func (im *importer) flush(ctx context.Context, op Op) error {
	if len(im.batch) == 0 {
		return nil
	}
	edited, err := im.st.Edit(ctx, Edit{Actor: im.actor, Modules: byModule(op, im.batch)})
	if err != nil {
		return err
	}
	im.batch = im.batch[:0]
	im.done.Version = edited.Version
	im.done.Added += edited.Added
	im.done.Removed += edited.Removed
	return nil
}

// removeOthers collects first and removes afterwards: a load should not stay
// open while its routes are edited.
func (im *importer) removeOthers(ctx context.Context, keep map[Route]struct{}) error {
	var surplus []Route
	_, err := im.st.Load(ctx, func(route Route) error {
		if _, stays := keep[route]; !stays {
			surplus = append(surplus, route)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, route := range surplus {
		if err := im.put(ctx, OpDrop, route); err != nil {
			return err
		}
	}
	return im.flush(ctx, OpDrop)
}

func byModule(op Op, routes []Route) []ModuleEdit {
	sorted := slices.Clone(routes)
	slices.SortFunc(sorted, Route.Compare)
	sorted = slices.Compact(sorted)
	var edits []ModuleEdit
	for _, route := range sorted {
		if n := len(edits); n == 0 || edits[n-1].Module != route.Module {
			edits = append(edits, ModuleEdit{Module: route.Module, Op: op})
		}
		last := &edits[len(edits)-1]
		last.Hosts = append(last.Hosts, route.Host)
	}
	return edits
}
