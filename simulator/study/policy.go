package study

import (
	"fmt"
	"slices"
	"strings"

	"lars/system/balance"
)

// Policy is a way to balance.
type Policy struct {
	Name     string
	Settings string // text form of balance.Settings
	Hints    bool   // agents share what they suspect
	Wall     bool   // its time is the wall clock's
}

// Default is the name of the default policy, which others are compared with: what
// a running system does unless its settings say otherwise.
const Default = "ewma+hints"

// Policies is all of them; the default first.
func Policies() []Policy {
	return []Policy{
		{Name: Default, Hints: true},
		{Name: "ewma+outlier"},
		{Name: "rr+hints", Settings: "algorithm=rr", Hints: true},
		{Name: "p2c+outlier", Settings: "algorithm=p2c"},
		{Name: "leastreq+outlier", Settings: "algorithm=leastreq"},
		{Name: "prequal+outlier", Settings: "algorithm=prequal"},
		{Name: "chash+outlier", Settings: "algorithm=chash"},
		{Name: "chash-unbounded", Settings: "algorithm=chash bound=off"},
		{Name: "rr+outlier", Settings: "algorithm=rr"},
		{Name: "wrr+outlier", Settings: "algorithm=wrr"},
		{Name: "classic", Settings: "algorithm=classic", Wall: true},
		{Name: "elb", Settings: "algorithm=elb", Wall: true},
		{Name: "p2c", Settings: "algorithm=p2c outlier=off"},
		{Name: "ewma", Settings: "algorithm=ewma outlier=off"},
		{Name: "wrr", Settings: "algorithm=wrr outlier=off"},
		{Name: "wrandom", Settings: "algorithm=wrandom outlier=off"},
		{Name: "rr", Settings: "algorithm=rr outlier=off"},
		{Name: "random", Settings: "algorithm=random outlier=off"},
	}
}

func (p Policy) open(seed uint64) (balance.Balancer, error) {
	s, err := balance.ParseSettings(p.Settings)
	if err != nil {
		return nil, err
	}
	return balance.Open(s, seed)
}

// PickPolicies finds policies by their names; a text of settings is one too.
// None means all.
func PickPolicies(names []string) ([]Policy, error) {
	all := Policies()
	if len(names) == 0 {
		return all, nil
	}
	var list []Policy
	for _, name := range names {
		i := slices.IndexFunc(all, func(p Policy) bool { return p.Name == name })
		switch {
		case i >= 0:
			list = append(list, all[i])
		case strings.Contains(name, "="):
			p := Policy{Name: name, Settings: name}
			if _, err := p.open(0); err != nil {
				return nil, err
			}
			list = append(list, p)
		default:
			var known []string
			for _, p := range all {
				known = append(known, p.Name)
			}
			return nil, fmt.Errorf("no policy %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	return list, nil
}
