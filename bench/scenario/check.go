package scenario

import (
	"errors"
	"slices"
	"strings"

	"lars/internal/strictyaml"
)

// kind is what a workload makes of the keys that not all of them use.
type kind struct {
	network string // its only one; empty: as the file says
	keys    string // that it uses of those in optional
	needs   string // one that must be there
}

// optional are the keys that only some workloads use.
var optional = strings.Fields("network payload_bytes routes edits_per_second mix idle slow load.rate load.depth")

func kinds() map[string]kind {
	return map[string]kind{
		"echo":        {keys: "network payload_bytes load.rate load.depth"},
		"churn":       {network: "tcp", keys: "payload_bytes load.rate"},
		"idle":        {network: "tcp", keys: "payload_bytes idle load.rate load.depth", needs: "idle"},
		"slow":        {network: "tcp", keys: "payload_bytes slow load.rate load.depth", needs: "slow"},
		"gethost":     {network: "udp", keys: "routes load.rate load.depth"},
		"report":      {network: "udp", keys: "routes load.rate load.depth", needs: "load.rate"},
		"mixed":       {network: "udp", keys: "routes mix load.rate load.depth", needs: "mix"},
		"getroute":    {network: "tcp", keys: "routes edits_per_second load.rate load.depth"},
		"push":        {network: "tcp", keys: "routes"},
		"reportstore": {network: "tcp", keys: "routes load.rate load.depth", needs: "load.rate"},
	}
}

// given tells which of the optional keys a file has.
func (s *Scenario) given(key string) bool {
	switch key {
	case "network":
		return s.Network != ""
	case "payload_bytes":
		return s.PayloadBytes != nil
	case "routes":
		return s.Routes != nil
	case "edits_per_second":
		return s.Edits != 0
	case "mix":
		return s.Mix != nil
	case "idle":
		return s.Idle != nil
	case "slow":
		return s.Slow != nil
	case "load.rate":
		return s.Load.Rate != 0
	default: // load.depth
		return s.Load.Depth != 0
	}
}

// check refuses what does not fit together.
func (s *Scenario) check(at *strictyaml.Lines) error {
	k := kinds()[s.Workload]
	var errs []error
	uses := strings.Fields(k.keys)
	for _, key := range optional {
		if s.given(key) && !slices.Contains(uses, key) && (key != "network" || s.Network != k.network) {
			errs = append(errs, at.Errorf(key, "%s does not use it; allowed: %s", s.Workload, strings.Join(uses, ", ")))
		}
	}
	if k.needs != "" && !s.given(k.needs) {
		errs = append(errs, at.Errorf(k.needs, "missing; %s needs it", s.Workload))
	}
	if s.Load.Arrivals != "" && s.Load.Rate == 0 {
		errs = append(errs, at.Errorf("load.arrivals", "a closed loop has none; allowed: with load.rate"))
	}
	errs = append(errs, s.checkSizes(at)...)
	if m := s.Mix; m != nil && m.GetHost+m.Report+m.GetRoute == 0 {
		errs = append(errs, at.Errorf("mix", "nothing is asked; allowed: one of gethost, report, getroute above 0"))
	} else if m != nil && m.GetHost+m.GetRoute == 0 && s.Load.Rate == 0 {
		errs = append(errs, at.Errorf("mix", "reports have no reply; allowed: with load.rate"))
	}
	return errors.Join(errs...)
}

// datagramContentMax is the longest content of a message in one datagram.
const datagramContentMax = 65_480

func (s *Scenario) checkSizes(at *strictyaml.Lines) []error {
	if s.Network != "udp" || len(s.PayloadBytes) == 0 {
		return nil
	}
	if most := slices.Max(s.PayloadBytes); most > datagramContentMax {
		return []error{at.Errorf("payload_bytes", "%d bytes do not fit a datagram; allowed: up to %d", most, datagramContentMax)}
	}
	return nil
}

// UDP tells whether the workload goes over UDP.
func (s *Scenario) UDP() bool {
	k := kinds()[s.Workload]
	return k.network == "udp" || k.network == "" && s.Network == "udp"
}
