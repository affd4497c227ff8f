package fault

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"lars/simulator/workload"
)

// The kinds of targets. There is one database; each caller's machine has
// an agent. What happens to a caller happens between it and that agent.
const (
	Host     = "host"
	Zone     = "zone"
	Module   = "module"
	Caller   = "caller"
	Agent    = "agent"
	DNS      = "dns"
	Reporter = "reporter"
	Database = "database"
)

// Target is to whom something happens: "host 3", "hosts" for all of them or
// "hosts 20%" for a share of them, drawn from the seed of the run. "dns" and
// "reporter" are all of them, "dns 2" is one of several.
type Target struct {
	Kind  string
	N     int  // from 1 on; 0: all
	Share bool // N is per cent
}

var (
	targetForm = regexp.MustCompile(`^(dns|reporter|database)$|^(dns|reporter|host|zone|module|caller|agent) ([1-9]\d{0,6})$|^(host|zone|module|caller|agent)s(?: ([1-9]\d?|100)%)?$`)
	targetHelp = "dns, dns 2, reporter, reporter 2, database, host 3, hosts, hosts 20%, and so for zone, module, caller, agent"
)

// Pattern is what texts of targets match, for the schema of plans.
func (Target) Pattern() string { return targetForm.String() }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Target) UnmarshalText(text []byte) error {
	m := targetForm.FindStringSubmatch(string(text))
	if m == nil {
		return fmt.Errorf("allowed: %s", targetHelp)
	}
	n, _ := strconv.Atoi(m[3] + m[5]) // one of them, or none
	*t = Target{Kind: m[1] + m[2] + m[4], N: n, Share: m[5] != ""}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// String is as it is written in a file.
func (t Target) String() string {
	switch {
	case t.N == 0 && (t.Kind == DNS || t.Kind == Reporter || t.Kind == Database):
		return t.Kind
	case t.Share:
		return fmt.Sprintf("%ss %d%%", t.Kind, t.N)
	case t.N == 0:
		return t.Kind + "s"
	}
	return strings.Join([]string{t.Kind, strconv.Itoa(t.N)}, " ")
}

// overlaps reports whether two targets may have one in common.
func (t Target) overlaps(u Target) bool {
	return t.Kind == u.Kind && (t.N == u.N || t.N == 0 || u.N == 0 || t.Share || u.Share)
}

// Choose reports for each of n whether the target means it; a share of them is
// drawn.
func (t Target) Choose(n int, r *workload.Random) []bool {
	is := make([]bool, n)
	switch {
	case t.Share:
		for left := max(1, n*t.N/100); left > 0; {
			if i := r.Intn(n); !is[i] {
				is[i] = true
				left--
			}
		}
	case t.N > 0:
		is[t.N-1] = true
	default:
		for i := range is {
			is[i] = true
		}
	}
	return is
}
