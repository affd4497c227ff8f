package conf

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"time"
)

// Name says where a key is found: its section and name in a file, and its
// flag (without dashes; empty for none).
type Name struct{ Section, Key, Flag string }

func (n Name) key(usage string) *key {
	return &key{section: n.Section, name: n.Key, flag: n.Flag, usage: usage}
}

// Int declares a whole number from low to high.
func (s *Set) Int(p *int, n Name, low, high int, usage string) {
	k := s.add(n.key(usage))
	k.get = func() string { return strconv.Itoa(*p) }
	k.set = func(v string) error {
		i, err := strconv.Atoi(v)
		if err != nil || i < low || i > high {
			return fmt.Errorf("%q is not a whole number from %d to %d", v, low, high)
		}
		*p = i
		return nil
	}
}

// Float declares a number from low to high.
func (s *Set) Float(p *float64, n Name, low, high float64, usage string) {
	k := s.add(n.key(usage))
	k.get = func() string { return strconv.FormatFloat(*p, 'g', -1, 64) }
	k.set = func(v string) error {
		f, err := strconv.ParseFloat(v, 64)
		if err != nil || math.IsNaN(f) || f < low || f > high {
			return fmt.Errorf("%q is not a number from %g to %g", v, low, high)
		}
		*p = f
		return nil
	}
}

// String declares any text; check, when not nil, refuses some.
func (s *Set) String(p *string, n Name, check func(string) error, usage string) {
	k := s.add(n.key(usage))
	k.get = func() string { return *p }
	k.set = func(v string) error {
		if check != nil {
			if err := check(v); err != nil {
				return err
			}
		}
		*p = v
		return nil
	}
}

// Secret declares a text that Print hides.
func (s *Set) Secret(p *string, n Name, usage string) {
	s.String(p, n, nil, usage)
	s.keys[len(s.keys)-1].secret = true
}

// Bool declares true or false.
func (s *Set) Bool(p *bool, n Name, usage string) {
	k := s.add(n.key(usage))
	k.get = func() string { return strconv.FormatBool(*p) }
	k.set = func(v string) error {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", v)
		}
		*p = b
		return nil
	}
}

// Seconds declares a time: whole seconds as the original writes them (15), or
// with a unit (1500ms).
func (s *Set) Seconds(p *time.Duration, n Name, low, high time.Duration, usage string) {
	k := s.add(n.key(usage))
	k.get = func() string { return p.String() }
	k.set = func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil {
			d, err = time.ParseDuration(v + "s")
		}
		if err != nil || d < low || d > high {
			return fmt.Errorf("%q is not a time from %v to %v, such as 15 (seconds) or 1500ms", v, low, high)
		}
		*p = d
		return nil
	}
}

// IP is a check for String: an IP address.
func IP(v string) error {
	if _, err := netip.ParseAddr(v); err != nil {
		return fmt.Errorf("%q is not an IP address, such as 127.0.0.1", v)
	}
	return nil
}
