package study

import "lars/system/balance"

// Policy is a way to balance.
type Policy struct {
	Name     string
	Settings string // text form of balance.Settings
	Hints    bool   // agents share what they suspect
	Wall     bool   // its time is the wall clock's
}

// Default is the name of the default policy, which others are compared with.
const Default = "ewma+outlier"

// Policies is all of them; the default first.
func Policies() []Policy {
	return []Policy{
		{Name: Default},
		{Name: "ewma+hints", Hints: true},
		{Name: "p2c+outlier", Settings: "algorithm=p2c"},
		{Name: "leastreq+outlier", Settings: "algorithm=leastreq"},
		{Name: "prequal+outlier", Settings: "algorithm=prequal"},
		{Name: "chash+outlier", Settings: "algorithm=chash"},
		{Name: "rr+outlier", Settings: "algorithm=rr"},
		{Name: "classic", Settings: "algorithm=classic", Wall: true},
		{Name: "elb", Settings: "algorithm=elb", Wall: true},
		{Name: "p2c", Settings: "algorithm=p2c outlier=off"},
		{Name: "ewma", Settings: "algorithm=ewma outlier=off"},
		{Name: "wrr", Settings: "algorithm=wrr outlier=off"},
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
