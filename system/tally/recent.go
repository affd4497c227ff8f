package tally

import "lars/system/route"

// recent is a bounded map that forgets what was not touched for long: two maps
// of half the size, the older of which is dropped when the newer is full. An
// entry lives at least until half of max others were set after it.
type recent[K comparable, V any] struct {
	half  int
	young map[K]V
	old   map[K]V
}

func newRecent[K comparable, V any](most int) recent[K, V] {
	return recent[K, V]{half: max(1, most/2), young: map[K]V{}}
}

func (r *recent[K, V]) get(k K) (V, bool) {
	if v, ok := r.young[k]; ok {
		return v, true
	}
	v, ok := r.old[k]
	return v, ok
}

func (r *recent[K, V]) set(k K, v V) {
	if _, ok := r.young[k]; !ok && len(r.young) >= r.half {
		r.old, r.young = r.young, make(map[K]V, r.half)
	}
	r.young[k] = v
}

// Increments infers the increments that the original's agents do not send from
// the figures of a balancing window that they do. Not safe for concurrent use.
type Increments struct {
	seen recent[figureKey, figures]
}

type figureKey struct {
	module route.Module
	host   route.Host
	caller uint32
}

type figures struct{ succ, err uint32 }

// NewIncrements makes one that remembers about keysMax (module, host, caller);
// zero means 262,144.
func NewIncrements(keysMax int) *Increments {
	if keysMax == 0 {
		keysMax = 1 << 18
	}
	return &Increments{seen: newRecent[figureKey, figures](keysMax)}
}

// Fill sets SuccAdd and ErrAdd of a report without a boot id; it leaves others
// alone. Figures that did not fall grew within a window; after a fall, or of a
// host not remembered, the figures are a new window's and count whole. Calls
// between an agent's last report of a window and its end are not seen, but the
// original reports after every call.
func (n *Increments) Fill(r *Report) {
	if r.Boot != 0 {
		return
	}
	for i := range r.Results {
		x := &r.Results[i]
		key := figureKey{r.Module, x.Host, r.Caller}
		before, _ := n.seen.get(key)
		x.SuccAdd, x.ErrAdd = x.Succ, x.Err
		if x.Succ >= before.succ && x.Err >= before.err {
			x.SuccAdd, x.ErrAdd = x.Succ-before.succ, x.Err-before.err
		}
		n.seen.set(key, figures{x.Succ, x.Err})
	}
}
