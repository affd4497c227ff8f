package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"lars/system/store"
)

func (d *data) namesOf(kind store.NameKind) (map[int32]string, error) {
	if kind != store.ModNames && kind != store.CmdNames {
		return nil, fmt.Errorf("%w kind of names: %d", store.ErrInvalid, kind)
	}
	return d.names[kind], nil
}

// Names implements store.Names.
func (s *Store) Names(ctx context.Context, kind store.NameKind) (names map[int32]string, err error) {
	err = s.do(ctx, "Names", func(d *data) error {
		names, err = d.namesOf(kind)
		names = maps.Clone(names)
		return err
	})
	return names, err
}

// SetName implements store.Names.
func (s *Store) SetName(ctx context.Context, kind store.NameKind, id int32, name string) error {
	name = strings.TrimSpace(name)
	if err := store.CheckName(id, name); err != nil {
		return err
	}
	return s.do(ctx, "SetName", func(d *data) error {
		names, err := d.namesOf(kind)
		switch {
		case err != nil:
			return err
		case name == "":
			delete(names, id)
		default:
			names[id] = name
		}
		return nil
	})
}

// Trim implements store.Store.
func (s *Store) Trim(ctx context.Context, limits store.TrimLimits) (trimmed store.Trimmed, err error) {
	err = s.do(ctx, "Trim", func(d *data) error {
		if !limits.Changes.IsZero() {
			trimmed.Changes = d.trimLog(limits)
		}
		if !limits.Minutes.IsZero() {
			before := len(d.minutes)
			maps.DeleteFunc(d.minutes, func(k minuteKey, _ store.MinuteStat) bool { return k.minute < limits.Minutes.Unix() })
			trimmed.Minutes = before - len(d.minutes)
		}
		if !limits.Marks.IsZero() {
			before := len(d.marks)
			maps.DeleteFunc(d.marks, func(_ store.Mark, at int64) bool { return at < limits.Marks.Unix() })
			trimmed.Marks = before - len(d.marks)
		}
		if !limits.Hints.IsZero() {
			trimmed.Hints = d.trimHints(limits.Hints.Unix())
		}
		return nil
	})
	return trimmed, err
}

// trimLog takes a whole beginning of the log away.
func (d *data) trimLog(limits store.TrimLimits) int {
	n := slices.IndexFunc(d.log, func(e entry) bool { return !e.At.Before(limits.Changes) })
	if n < 0 {
		n = len(d.log)
	}
	d.log = slices.Clone(d.log[n:])
	return n
}
