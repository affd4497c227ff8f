// Package merge makes one result of those of several generators that loaded the
// same servers at the same time, each with a share of the load.
//
// It is for load from more machines than one program could coordinate: start
// the runs together, then merge their folders. Histograms are added and counts
// are added, bucket by bucket, so the result is what one recorder of everything
// would hold; no percentile is ever averaged. What it will not do: merge runs
// that differ in anything but their seed, or that did not run together.
package merge

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"lars/bench/record"
)

// ErrUnlike is two results that are not shares of one run.
var ErrUnlike = errors.New("not shares of one run")

// Part is the result of one generator.
type Part struct {
	Dir string // for messages
	*record.Folder
}

// Merge makes one result of several. Command is what made it, for the record.
func Merge(parts []Part, command []string) (*record.Bundle, error) {
	if len(parts) < 2 {
		return nil, fmt.Errorf("%w: give two folders or more", ErrUnlike)
	}
	for i := range parts[1:] {
		if err := alike(&parts[0], &parts[i+1]); err != nil {
			return nil, err
		}
	}
	if err := apart(parts); err != nil {
		return nil, err
	}
	return join(parts, command)
}

// alike refuses two parts with the difference between them and the remedy.
func alike(a, b *Part) error {
	x, y := a.Run, b.Run
	s, t := x.Scenario, y.Scenario
	s.Seed, t.Seed = 0, 0
	for _, c := range []struct {
		what   string
		same   bool
		remedy string
	}{
		{"schema", x.Schema == y.Schema, "measure all with the same version of lars"},
		{"version of lars", x.Tool.Commit == y.Tool.Commit && x.Tool.Dirty == y.Tool.Dirty && x.Tool.Version == y.Tool.Version, "measure all with the same version of lars"},
		{"machine", x.Machine.ID == y.Machine.ID && x.Machine.ID != "", "generators have to be of one class of machine: the slow one would be the tail of all"},
		{"scenario", reflect.DeepEqual(s, t), "give every generator the same flags; only --seed differs"},
		{"design", reflect.DeepEqual(x.Design, y.Design), "give every generator the same flags; only --seed differs"},
		{"servers", slices.EqualFunc(x.Arms, y.Arms, sameArm), "give every generator the same servers, by --addr"},
		{"kind of run", x.Kind == y.Kind && x.Comparison == nil && y.Comparison == nil && !swept(x) && !swept(y), "comparisons and searches for a rate coordinate their generators themselves: see --workers"},
	} {
		if !c.same {
			return fmt.Errorf("%w: %s and %s differ in the %s: %s", ErrUnlike, a.Dir, b.Dir, c.what, c.remedy)
		}
	}
	if d := difference(x, y); d > together {
		return fmt.Errorf("%w: %s began %v after %s: start the generators together", ErrUnlike, b.Dir, d.Round(time.Millisecond), a.Dir)
	}
	return nil
}

func sameArm(a, b record.Arm) bool {
	return a.Name == b.Name && a.Backend == b.Backend && a.Module == b.Module && a.Address == b.Address && slices.Equal(a.StandIns, b.StandIns)
}

func swept(r *record.Run) bool {
	return slices.ContainsFunc(r.Arms, func(a record.Arm) bool { return a.Sweep != nil })
}

// together is how far apart the rounds of two parts may begin: their measured
// times have to be the same but for a small share.
const together = 500 * time.Millisecond

// difference is the largest between the beginnings of the same round.
func difference(x, y *record.Run) time.Duration {
	worst := time.Duration(0)
	for i := range x.Arms {
		for j, a := range x.Arms[i].Rounds {
			if j >= len(y.Arms[i].Rounds) {
				break
			}
			worst = max(worst, began(a.Started).Sub(began(y.Arms[i].Rounds[j].Started)).Abs())
		}
	}
	return worst
}

// began is a time that a reader of the record has already checked.
func began(s string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, s)
	return t
}

// apart refuses copies: the same run twice, or the same arrivals twice.
func apart(parts []Part) error {
	ids, seeds := map[string]string{}, map[uint64]string{}
	for _, p := range parts {
		if other, seen := ids[p.Run.ID]; seen {
			return fmt.Errorf("%w: %s and %s are the same run: give it once", ErrUnlike, other, p.Dir)
		}
		if other, seen := seeds[p.Run.Scenario.Seed]; seen {
			return fmt.Errorf("%w: %s and %s have the same seed, so the same arrivals: give each generator a --seed of its own", ErrUnlike, other, p.Dir)
		}
		ids[p.Run.ID], seeds[p.Run.Scenario.Seed] = p.Dir, p.Dir
		if err := whole(&p); err != nil {
			return err
		}
	}
	return nil
}

// whole refuses a part from which an exact result cannot be made.
func whole(p *Part) error {
	for _, a := range p.Run.Arms {
		if len(a.Rounds) != p.Run.Design.Rounds {
			return fmt.Errorf("%w: %s has %d of %d rounds of %s: repeat the run", ErrUnlike, p.Dir, len(a.Rounds), p.Run.Design.Rounds, a.Name)
		}
		r := p.Hist(a.Name, record.StageResponse)
		if r == nil {
			return fmt.Errorf("%w: %s has no distribution of %s: measure it with this version of lars", ErrUnlike, p.Dir, a.Name)
		}
		logged := int64(0)
		for _, in := range p.Logs[a.Name] {
			for _, b := range in.Response {
				logged += b.Count
				if !b.Exact() {
					return fmt.Errorf("%w: %s is compact, its log has two digits: merge the folders as they were measured, without --archive", ErrUnlike, p.Dir)
				}
			}
		}
		if logged != r.Count() {
			return fmt.Errorf("%w: the log of %s in %s has %d of %d requests: fetch the folder again, or repeat the run", ErrUnlike, a.Name, p.Dir, logged, r.Count())
		}
	}
	return nil
}

// id is that of the first part, marked.
func id(parts []Part) string {
	return fmt.Sprintf("%s-merged%d", strings.TrimSpace(parts[0].Run.ID), len(parts))
}
