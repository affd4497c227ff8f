package store

import (
	"fmt"
	"strconv"
	"strings"

	"lars/system/balance"
)

// Limits of policies.
const (
	// SettingsBytesMax is the longest text of settings: the width of the column.
	SettingsBytesMax = 2048

	// WeightMax is the greatest weight of a host. Only ratios count.
	WeightMax = 10_000
)

// Policy is how one module is balanced, as far as the database says.
type Policy struct {
	Module Module

	// Settings is the text form of balance.Settings; "" leaves it to the agents.
	// Version is that of the edit that set it.
	Settings string
	Version  int64

	// Hosts are those of which something is said, in order. A host may be among
	// them that a program other than ours has taken out of the route.
	Hosts []HostPolicy
}

// HostPolicy is what the balancing should know about one host of a module. But
// for the host, the zero value is that of one about which nothing is said.
type HostPolicy struct {
	Host     Host
	Weight   uint32 // share of the calls, relative to the other hosts; 0 means 1
	Zone     uint16 // where it is; 0: not known
	Draining bool   // to get no new calls
}

// Valid reports whether it makes sense.
func (p HostPolicy) Valid() bool { return p.Host.Valid() && p.Weight <= WeightMax }

// plain reports whether nothing is said.
func (p HostPolicy) plain() bool { return p == HostPolicy{Host: p.Host} }

// Tune is what an edit changes of hosts; nil leaves a value as it is.
type Tune struct {
	Weight   *uint32 // 0 and 1: no more than others
	Zone     *uint16 // 0: not known
	Draining *bool
}

// Apply returns p as t makes it, and whether there is anything left to say of it.
func (t Tune) Apply(p HostPolicy) (tuned HostPolicy, said bool) {
	if t.Weight != nil {
		p.Weight = *t.Weight
		if p.Weight == 1 {
			p.Weight = 0
		}
	}
	if t.Zone != nil {
		p.Zone = *t.Zone
	}
	if t.Draining != nil {
		p.Draining = *t.Draining
	}
	return p, !p.plain()
}

// String gives it as "weight=3 zone=2 draining=true".
func (t Tune) String() string {
	var words []string
	if t.Weight != nil {
		words = append(words, "weight="+strconv.Itoa(int(*t.Weight)))
	}
	if t.Zone != nil {
		words = append(words, "zone="+strconv.Itoa(int(*t.Zone)))
	}
	if t.Draining != nil {
		words = append(words, "draining="+strconv.FormatBool(*t.Draining))
	}
	return strings.Join(words, " ")
}

// key orders tunes; equal ones say the same.
func (t Tune) key() (key uint64) {
	if t.Weight != nil {
		key = uint64(*t.Weight) + 1
	}
	if t.Zone != nil {
		key |= (uint64(*t.Zone) + 1) << 34
	}
	if t.Draining != nil {
		key |= 1 << 52
		if *t.Draining {
			key |= 1 << 53
		}
	}
	return key
}

// Equal reports whether both say the same.
func (t Tune) Equal(other Tune) bool { return t.key() == other.key() }

func (t Tune) check() error {
	if t == (Tune{}) {
		return fmt.Errorf("%w: want a weight, a zone or draining", ErrInvalid)
	}
	if t.Weight != nil && *t.Weight > WeightMax {
		return fmt.Errorf("%w weight %d: want a whole number from 1 to %d", ErrInvalid, *t.Weight, WeightMax)
	}
	return nil
}

// ParseSettings reads settings of a policy: what it means, and its shortest
// text. The error is of kind ErrInvalid and says what is allowed.
func ParseSettings(text string) (s balance.Settings, short string, err error) {
	if len(text) > SettingsBytesMax {
		return s, "", fmt.Errorf("%w settings: %d bytes, at most %d", ErrInvalid, len(text), SettingsBytesMax)
	}
	if s, err = balance.ParseSettings(text); err == nil {
		err = s.Check()
	}
	if err != nil {
		return s, "", fmt.Errorf("%w settings: %w", ErrInvalid, err)
	}
	return s, s.String(), nil
}
