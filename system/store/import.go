package store

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
)

// ImportChunkRows is how many items an import takes into one transaction, at
// most.
const ImportChunkRows = 1_000

// ImportRoutesMax is the most routes of one import that replaces everything,
// since these are all held in memory.
const ImportRoutesMax = 10_000_000

// Item is what an import is to store: a host of a module with what is said of
// it, or how the module is balanced.
type Item struct {
	Route
	Tune     Tune    // of the host; what is nil stays as it is
	Settings *string // of the module, and then there is no host; "" unsets them
}

// Said reports whether it is about more than a route.
func (it Item) Said() bool { return it.Settings != nil || it.Tune != (Tune{}) }

// compare puts those together that one edit can hold, settings first.
func (it Item) compare(other Item) int {
	return cmp.Or(it.compareGroup(other), it.Host.Compare(other.Host))
}

func (it Item) compareGroup(other Item) int {
	text := func(it Item) string {
		if it.Settings == nil {
			return "\xff" // behind all text
		}
		return *it.Settings
	}
	return cmp.Or(it.Module.Compare(other.Module), cmp.Compare(text(it), text(other)), cmp.Compare(it.Tune.key(), other.Tune.key()))
}

// ImportOptions says how to import.
type ImportOptions struct {
	Actor string // see Edit

	// Replace also removes every route that was not imported. Additions come
	// first, so that no module is without hosts in between. If an item says
	// anything of balancing, settings of modules that no item has are unset.
	Replace bool
}

// Imported is the outcome of an import.
type Imported struct {
	Version        int64 // of the last change; 0 when nothing was imported
	Read           int   // items read
	Added, Removed int   // hosts
	Tuned          int   // see Edited
}

// ImportStore is what Import needs of a store.
type ImportStore interface {
	RouteReader
	RouteEditor
}

// Import stores items in many small edits, each of up to ImportChunkRows of
// them. It stops at the first error, of the items or of the store, and what was
// done until then stays done: importing the same again completes it. Items that
// are there already, or come twice, are nothing to complain about; of two that
// contradict each other either may count.
func Import(ctx context.Context, st ImportStore, opts ImportOptions, items iter.Seq2[Item, error]) (Imported, error) {
	im := importer{st: st, actor: opts.Actor}
	keep, settings, said := map[Route]struct{}{}, map[Module]struct{}{}, false
	for it, err := range items {
		if err != nil {
			return im.done, err
		}
		im.done.Read++
		said = said || it.Said()
		switch {
		case !opts.Replace:
		case it.Settings != nil:
			settings[it.Module] = struct{}{}
		default:
			keep[it.Route] = struct{}{}
		}
		if len(keep)+len(settings) > ImportRoutesMax {
			return im.done, fmt.Errorf("%w import: more than %d routes", ErrInvalid, ImportRoutesMax)
		}
		if err := im.put(ctx, OpEnsure, it); err != nil {
			return im.done, err
		}
	}
	err := im.flush(ctx, OpEnsure)
	if err == nil && opts.Replace {
		err = im.removeOthers(ctx, keep)
	}
	if err == nil && opts.Replace && said {
		err = im.unsetOthers(ctx, settings)
	}
	return im.done, err
}

type importer struct {
	st    ImportStore
	actor string
	batch []Item
	done  Imported
}

func (im *importer) put(ctx context.Context, op Op, it Item) error {
	im.batch = append(im.batch, it)
	if len(im.batch) < ImportChunkRows {
		return nil
	}
	return im.flush(ctx, op)
}

func (im *importer) flush(ctx context.Context, op Op) error {
	for _, modules := range edits(op, im.batch) {
		edited, err := im.st.Edit(ctx, Edit{Actor: im.actor, Modules: modules})
		if err != nil {
			return err
		}
		im.done.Version = edited.Version
		im.done.Added += edited.Added
		im.done.Removed += edited.Removed
		im.done.Tuned += edited.Tuned
	}
	im.batch = im.batch[:0]
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
		if err := im.put(ctx, OpDrop, Item{Route: route}); err != nil {
			return err
		}
	}
	return im.flush(ctx, OpDrop)
}

func (im *importer) unsetOthers(ctx context.Context, keep map[Module]struct{}) error {
	policies, err := im.st.Policies(ctx)
	if err != nil {
		return err
	}
	none := ""
	for _, p := range policies {
		if _, stays := keep[p.Module]; stays || p.Settings == "" {
			continue
		}
		if err := im.put(ctx, OpSettings, Item{Route: Route{Module: p.Module}, Settings: &none}); err != nil {
			return err
		}
	}
	return im.flush(ctx, OpSettings)
}

// edits turns items into as few edits as can be: each names a module once, with
// hosts of which the same is said.
func edits(op Op, items []Item) (all [][]ModuleEdit) {
	sorted := slices.Clone(items)
	slices.SortFunc(sorted, Item.compare)
	n := 0 // of the module's edit
	for i, it := range sorted {
		switch same := i > 0 && it.compareGroup(sorted[i-1]) == 0; {
		case same && (it.Host == sorted[i-1].Host):
			continue
		case same:
			last := &all[n][len(all[n])-1]
			last.Hosts = append(last.Hosts, it.Host)
			continue
		case i > 0 && it.Module == sorted[i-1].Module:
			n++
		default:
			n = 0
		}
		if n == len(all) {
			all = append(all, nil)
		}
		all[n] = append(all[n], it.edit(op))
	}
	return all
}

// edit begins the edit of a module with one item.
func (it Item) edit(op Op) ModuleEdit {
	if it.Settings != nil {
		return ModuleEdit{Module: it.Module, Op: OpSettings, Settings: *it.Settings}
	}
	return ModuleEdit{Module: it.Module, Op: op, Hosts: []Host{it.Host}, Tune: it.Tune}
}
