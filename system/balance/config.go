package balance

import (
	"cmp"
	"time"
)

// Config holds the knobs of the algorithms classic and elb, under the names of its
// configuration file. A zero field means the value that the original ships in
// conf/lars_lb_agent.conf, given behind each; where elb ships another, that
// comes second. (The code of Lars has other defaults for an absent key: 0.92
// for succ_rate, 10 for the two limits.)
type Config struct {
	// ProbeNum: picks between two probes of overloaded hosts. 10.
	ProbeNum int
	// InitSuccCnt: successes that a fresh idle host is credited with. 180.
	InitSuccCnt int
	// InitErrCnt: errors that a freshly overloaded host is charged with. 5.
	InitErrCnt int
	// ErrRate: an idle host above this share of errors is overloaded. 0.1.
	// Rates are float32 as in the original, which compares them with exact
	// double shares: 0.7 as float32 is below 7/10.
	ErrRate float32
	// SuccRate: an overloaded host above this share of successes is idle. 0.5;
	// 0.95.
	SuccRate float32
	// ContinErrLimit: so many errors in a row overload an idle host. 15.
	ContinErrLimit int
	// ContinSuccLimit: so many successes in a row free an overloaded one. 15.
	ContinSuccLimit int
	// WindowErrRate: an idle host with at least this share of errors in a
	// whole window, initial successes not counted, is overloaded. 0.7.
	WindowErrRate float32
	// WindowErrLimit: so many such windows in a row do it. 1; 2.
	WindowErrLimit int
	// IdleTimeout: length of an idle host's window. 15 s; at most an hour.
	IdleTimeout time.Duration
	// OverloadTimeout: an overloaded host is idle again after this time, at
	// the next report for it. 15 s; 180 s. At most an hour.
	OverloadTimeout time.Duration
	// HostsMax bounds the hosts of the module; Update refuses more. 65,536.
	HostsMax int
}

// elb fills in what Easy-Load-Balancer ships otherwise.
func (c Config) elb() Config {
	c.SuccRate = cmp.Or(c.SuccRate, 0.95)
	c.WindowErrLimit = cmp.Or(c.WindowErrLimit, 2)
	c.OverloadTimeout = cmp.Or(c.OverloadTimeout, 180*time.Second)
	return c
}

// resolve fills in what is zero; Settings.Check has seen the rest.
func (c Config) resolve() Config {
	return Config{
		ProbeNum:        cmp.Or(c.ProbeNum, 10),
		InitSuccCnt:     cmp.Or(c.InitSuccCnt, 180),
		InitErrCnt:      cmp.Or(c.InitErrCnt, 5),
		ErrRate:         cmp.Or(c.ErrRate, 0.1),
		SuccRate:        cmp.Or(c.SuccRate, 0.5),
		ContinErrLimit:  cmp.Or(c.ContinErrLimit, 15),
		ContinSuccLimit: cmp.Or(c.ContinSuccLimit, 15),
		WindowErrRate:   cmp.Or(c.WindowErrRate, 0.7),
		WindowErrLimit:  cmp.Or(c.WindowErrLimit, 1),
		IdleTimeout:     cmp.Or(c.IdleTimeout, 15*time.Second),
		OverloadTimeout: cmp.Or(c.OverloadTimeout, 15*time.Second),
		HostsMax:        cmp.Or(c.HostsMax, 1<<16),
	}
}
