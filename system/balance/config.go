package balance

import (
	"cmp"
	"fmt"
	"time"
)

// Config holds the knobs of the original's algorithm, under the names of its
// configuration file. A zero field means the value that the original ships in
// conf/lars_lb_agent.conf, given behind each. (Its code has other defaults for
// an absent key: 0.92 for succ_rate, 10 for the two limits.)
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
	// SuccRate: an overloaded host above this share of successes is idle. 0.5.
	SuccRate float32
	// ContinErrLimit: so many errors in a row overload an idle host. 15.
	ContinErrLimit int
	// ContinSuccLimit: so many successes in a row free an overloaded one. 15.
	ContinSuccLimit int
	// WindowErrRate: an idle host with at least this share of errors in a
	// whole window, initial successes not counted, is overloaded. 0.7.
	WindowErrRate float32
	// IdleTimeout: length of an idle host's window. 15 s; at most timeoutMax.
	IdleTimeout time.Duration
	// OverloadTimeout: an overloaded host is idle again after this time, at
	// the next report for it. 15 s; at most timeoutMax.
	OverloadTimeout time.Duration
	// HostsMax bounds the hosts of the module; Update refuses more. 65,536.
	HostsMax int
}

// timeoutMax keeps the 32-bit counters of a window from wrapping: an hour of a
// million reports a second.
const timeoutMax = time.Hour

const countMax = 1 << 30

// resolve fills in what is zero and refuses what has no meaning.
func (c Config) resolve() (Config, error) {
	c = Config{
		ProbeNum:        cmp.Or(c.ProbeNum, 10),
		InitSuccCnt:     cmp.Or(c.InitSuccCnt, 180),
		InitErrCnt:      cmp.Or(c.InitErrCnt, 5),
		ErrRate:         cmp.Or(c.ErrRate, 0.1),
		SuccRate:        cmp.Or(c.SuccRate, 0.5),
		ContinErrLimit:  cmp.Or(c.ContinErrLimit, 15),
		ContinSuccLimit: cmp.Or(c.ContinSuccLimit, 15),
		WindowErrRate:   cmp.Or(c.WindowErrRate, 0.7),
		IdleTimeout:     cmp.Or(c.IdleTimeout, 15*time.Second),
		OverloadTimeout: cmp.Or(c.OverloadTimeout, 15*time.Second),
		HostsMax:        cmp.Or(c.HostsMax, 1<<16),
	}
	for _, n := range []struct {
		name  string
		value int
	}{
		{"probe_num", c.ProbeNum},
		{"init_succ_cnt", c.InitSuccCnt},
		{"init_err_cnt", c.InitErrCnt},
		{"contin_err_limit", c.ContinErrLimit},
		{"contin_succ_limit", c.ContinSuccLimit},
		{"hosts_max", c.HostsMax},
	} {
		if n.value < 0 || n.value > countMax {
			return c, fmt.Errorf("balance: %s is %d, want 1 to %d", n.name, n.value, countMax)
		}
	}
	for _, r := range []struct {
		name  string
		value float32
	}{{"err_rate", c.ErrRate}, {"succ_rate", c.SuccRate}, {"window_err_rate", c.WindowErrRate}} {
		if !(r.value >= 0 && r.value <= 1) { // so written, NaN is refused
			return c, fmt.Errorf("balance: %s is %v, want above 0 to 1", r.name, r.value)
		}
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"idle_timeout", c.IdleTimeout}, {"overload_timeout", c.OverloadTimeout}} {
		if d.value < 0 || d.value > timeoutMax {
			return c, fmt.Errorf("balance: %s is %v, want up to %v", d.name, d.value, timeoutMax)
		}
	}
	return c, nil
}
