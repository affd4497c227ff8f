package memory

import (
	"context"
	"maps"
	"slices"
	"time"

	"lars/system/store"
)

// suspectKey and sharingKey are the keys of what agents, by their boot ids, say
// for each other.
type suspectKey struct {
	route store.Route
	agent uint64
}

type sharingKey struct {
	module store.Module
	agent  uint64
}

func (d *data) saveHints(r *store.Report, at int64) {
	if r.Mark.Boot == 0 {
		return
	}
	if r.Sharing {
		d.sharing[sharingKey{r.Module, r.Mark.Boot}] = at + int64(store.SharingKeep/time.Second)
	}
	for i := range r.Results {
		x := &r.Results[i]
		key := suspectKey{store.Route{Module: r.Module, Host: x.Host}, r.Mark.Boot}
		switch {
		case !x.Host.Valid():
		case x.Suspect == store.Suspected:
			d.suspects[key] = at + int64(store.SuspectKeep/time.Second)
		case x.Suspect == store.Cleared:
			d.suspects[key] = 0
		}
	}
}

// during reports whether what lasts until so is not over, nor from a clock that
// is far ahead.
func during(now time.Time, until int64, keep time.Duration) bool {
	return until > now.Unix() && until <= now.Add(2*keep).Unix()
}

// Suspicions implements store.HintReader.
func (s *Store) Suspicions(ctx context.Context, now time.Time) (found []store.Suspicion, err error) {
	err = s.do(ctx, "Suspicions", func(d *data) error {
		by, of := map[store.Route]uint32{}, map[store.Module]uint32{}
		for key, until := range d.suspects {
			if during(now, until, store.SuspectKeep) {
				by[key.route]++
			}
		}
		for key, until := range d.sharing {
			if during(now, until, store.SharingKeep) {
				of[key.module]++
			}
		}
		for r, n := range by {
			found = append(found, store.Suspicion{Module: r.Module, Host: r.Host, By: n, Of: max(n, of[r.Module])})
		}
		slices.SortFunc(found, store.Suspicion.Compare)
		found = found[:min(len(found), store.SuspicionsMax)]
		return nil
	})
	return found, err
}

func (d *data) trimHints(before int64) int {
	rows := len(d.suspects) + len(d.sharing)
	maps.DeleteFunc(d.suspects, func(_ suspectKey, until int64) bool { return until < before })
	maps.DeleteFunc(d.sharing, func(_ sharingKey, until int64) bool { return until < before })
	return rows - len(d.suspects) - len(d.sharing)
}
