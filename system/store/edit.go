package store

import (
	"fmt"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of one edit.
const (
	// EditHostsMax is the most hosts that one edit may name, over all modules.
	EditHostsMax = 100_000

	// EditRowsMax is the most rows that one edit may add or remove: what a
	// database of any kind takes in one transaction without pain. For more, see
	// [Import].
	EditRowsMax = 10_000

	// ActorBytesMax and KeyBytesMax are the widths of the columns.
	ActorBytesMax = 128
	KeyBytesMax   = 64
)

// Op is what an edit does to a module.
type Op int

// The operations. The zero Op is invalid.
const (
	// OpAdd adds hosts; one that is there already is a conflict.
	OpAdd Op = iota + 1
	// OpRemove removes hosts; one that is not there is a conflict.
	OpRemove
	// OpReplace makes the hosts exactly those named; none named removes the module.
	OpReplace
	// OpEnsure adds those hosts that are not there yet, and sets of all what Tune
	// says, if anything: a host that is to drain never is there without.
	OpEnsure
	// OpDrop removes those hosts that are there.
	OpDrop
	// OpSettings sets how the module is balanced; empty settings unset it. The
	// module need not have hosts.
	OpSettings
	// OpTune sets weight, zone or draining of hosts; one that is not there is a
	// conflict. A host that leaves loses them.
	OpTune
)

// String gives the operation's word in the change log.
func (op Op) String() string {
	switch op {
	case OpAdd:
		return "add"
	case OpRemove:
		return "remove"
	case OpReplace:
		return "replace"
	case OpEnsure:
		return "ensure"
	case OpDrop:
		return "drop"
	case OpSettings:
		return "settings"
	case OpTune:
		return "tune"
	}
	return fmt.Sprintf("op(%d)", int(op))
}

// ModuleEdit changes one module.
type ModuleEdit struct {
	Module Module
	Op     Op
	Hosts  []Host // in any order, none twice; at least one except for OpReplace; none for OpSettings

	Settings string // of OpSettings: see ParseSettings
	Tune     Tune   // of OpTune and OpEnsure, for all Hosts

	// Expect, when not nil, are the hosts that the editor believes the module to
	// have, in any order; if it has others, the edit is a conflict. An empty
	// non-nil slice expects none.
	Expect []Host
}

// Edit is a set of changes that happen together, as one version.
//
// It fails with ErrInvalid for ids below 0, address or port 0, a host or module
// named twice, settings or weights that have no meaning, no or an overlong actor,
// or too much at once; with ErrConflict as
// its operations say; with ErrUnavailable when the database cannot do it now.
type Edit struct {
	// Actor is who edits, at most ActorBytesMax bytes of printable UTF-8. It must
	// not be empty.
	Actor string

	// At is when, to the millisecond. Zero: the time at which Edit is called.
	At time.Time

	// Key makes the edit happen once however often it is sent: an edit whose key
	// is in the log returns the version it had. At most KeyBytesMax bytes of
	// printable UTF-8. Empty: the store takes a random one, so that only its own
	// repetitions are recognised.
	Key string

	Modules []ModuleEdit
}

// Edited is the outcome of an edit.
type Edited struct {
	Version  int64 // of the edit; the present one when there was nothing to change
	Modules  int   // modules that changed
	Added    int   // hosts
	Removed  int   // hosts
	Tuned    int   // hosts; a module with new settings counts as one
	Repeated bool  // the key was known: the counts are 0 and Version is the first one's
}

// Check returns what is wrong with an edit in itself, as ErrInvalid, or nil.
func (e Edit) Check() error {
	if e.Actor == "" {
		return fmt.Errorf("%w edit: no actor", ErrInvalid)
	}
	if err := checkText("actor", e.Actor, ActorBytesMax); err != nil {
		return err
	}
	if err := checkText("key", e.Key, KeyBytesMax); err != nil {
		return err
	}
	if len(e.Modules) == 0 {
		return fmt.Errorf("%w edit: no module", ErrInvalid)
	}
	hosts := 0
	seen := make(map[Module]struct{}, len(e.Modules))
	for _, me := range e.Modules {
		if _, twice := seen[me.Module]; twice {
			return fmt.Errorf("%w edit: module %v is named twice", ErrInvalid, me.Module)
		}
		seen[me.Module] = struct{}{}
		hosts += max(len(me.Hosts), 1)
		if hosts > EditHostsMax {
			return fmt.Errorf("%w edit: more than %d hosts", ErrInvalid, EditHostsMax)
		}
		if err := me.check(); err != nil {
			return err
		}
	}
	return nil
}

func (me ModuleEdit) check() error {
	switch {
	case me.Op < OpAdd || me.Op > OpTune:
		return fmt.Errorf("%w edit of module %v: unknown operation %v", ErrInvalid, me.Module, me.Op)
	case !me.Module.Valid():
		return fmt.Errorf("%w edit: module %v has an id below 0", ErrInvalid, me.Module)
	case me.Op == OpSettings && len(me.Hosts) > 0:
		return fmt.Errorf("%w edit of module %v: settings are the module's, not a host's", ErrInvalid, me.Module)
	case len(me.Hosts) == 0 && me.Op != OpReplace && me.Op != OpSettings:
		return fmt.Errorf("%w edit of module %v: nothing to %v", ErrInvalid, me.Module, me.Op)
	}
	if me.Op == OpSettings {
		if _, _, err := ParseSettings(me.Settings); err != nil {
			return fmt.Errorf("edit of module %v: %w", me.Module, err)
		}
	}
	if me.Op == OpTune || me.Op == OpEnsure && me.Tune != (Tune{}) {
		if err := me.Tune.check(); err != nil {
			return fmt.Errorf("edit of module %v: %w", me.Module, err)
		}
	}
	sorted := slices.Clone(me.Hosts)
	slices.SortFunc(sorted, Host.Compare)
	for i, h := range sorted {
		if !h.Valid() {
			return fmt.Errorf("%w edit of module %v: host %v has address or port 0", ErrInvalid, me.Module, h)
		}
		if i > 0 && h == sorted[i-1] {
			return fmt.Errorf("%w edit of module %v: host %v is named twice", ErrInvalid, me.Module, h)
		}
	}
	return nil
}

// CheckName returns what is wrong with a name, as ErrInvalid, or nil.
func CheckName(id int32, name string) error {
	if id < 0 {
		return fmt.Errorf("%w name: id %d is below 0", ErrInvalid, id)
	}
	if utf8.RuneCountInString(name) > NameCharsMax {
		return fmt.Errorf("%w name: longer than %d characters", ErrInvalid, NameCharsMax)
	}
	return checkText("name", name, NameCharsMax*utf8.UTFMax)
}

func checkText(what, text string, bytesMax int) error {
	if len(text) > bytesMax {
		return fmt.Errorf("%w %s: longer than %d bytes", ErrInvalid, what, bytesMax)
	}
	if !utf8.ValidString(text) {
		return fmt.Errorf("%w %s: not UTF-8", ErrInvalid, what)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%w %s: %q holds an unprintable character", ErrInvalid, what, text)
		}
	}
	return nil
}

// Change is one entry of the change log: what an edit did to one module.
type Change struct {
	ID      int64 // of the row
	Version int64
	Prev    int64 // the version that the edit found; -1 for entries of the original's programs
	Module  Module
	Op      string    // "" for entries of the original's programs
	Actor   string    // "" for entries of the original's programs
	At      time.Time // from the version (a clock's seconds) for entries of the original's programs
	Before  []Host    // hosts that left
	After   []Host    // hosts that came
	Detail  string    // what was set of module or hosts
}

// ChangeQuery selects entries of the change log.
type ChangeQuery struct {
	Module *Module // nil: of all modules
	After  *Change // only entries older than this one, for paging; nil: from the newest
	Limit  int     // at most that many; 0 or too many: QueryRowsMax
}

// QueryRowsMax is the most rows that one query returns.
const QueryRowsMax = 10_000
