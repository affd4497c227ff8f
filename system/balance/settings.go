package balance

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Settings says how a module's hosts are balanced. A zero field means the
// default, so the zero value is the default policy; [Knobs] lists names,
// defaults and ranges. Where a knob can be switched off, a negative value does.
type Settings struct {
	Algorithm string // a name from Algorithms; "": DefaultAlgorithm
	Outlier   Switch // ejection of hosts that fail; classic and elb do it their own way

	// When a host is ejected: see package comment.
	Consecutive     int           // hard failures in a row
	SoftConsecutive int           // failures of any kind in a row
	Chance          float64       // such a row must be less likely than this at the caller's usual failures
	FailureShare    float64       // share of failures
	FailureMin      int           // calls in the window that FailureShare needs
	Sigmas          float64       // standard deviations of failures above those expected
	Margin          float64       // and at least this share of failures above
	PeersMin        int           // calls in the window that Sigmas needs
	Peers           int           // other hosts in use that Sigmas needs
	Window          time.Duration // memory of shares
	Grace           time.Duration // how long one caller's word waits for others

	// How many, and for how long.
	HardCap   float64       // share of hosts out, up to which a host without answers is ejected
	SoftCap   float64       // the same for a host that answers with failures
	Panic     float64       // share of hosts in use, below which Soft ejected ones are used too
	Base      time.Duration // time of a first ejection; the nth in succession takes n times as long
	EjectMax  time.Duration // at most
	Jitter    float64       // up to this share more or less
	Forgive   time.Duration // each such time in use takes one off the succession
	HintTTL   time.Duration // how long a hint counts
	Successes int           // half-open calls in succession that end an ejection
	// ProbeEvery: picks from a half-open call to the next, unless it succeeds.
	// So all dead hosts together cost at most one call of so many.
	ProbeEvery int

	// Shares of healthy hosts.
	SlowStart time.Duration // time in which a new or recovered host comes to its full share
	SlowMin   float64       // share it begins with
	ZoneShare float64       // share of a zone's hosts in use that takes all its calls

	// Estimates.
	CallTimeout time.Duration // a call not reported for this long to twice as long was lost
	Decay       time.Duration // time constant of latencies
	FailCost    time.Duration // latency that a failed call counts as, at least

	// Of single algorithms.
	Choices int     // leastreq: hosts compared
	Bound   float64 // chash: load of a host, in average loads
	Pool    int     // prequal: candidates remembered
	HotRIF  float64 // prequal: quantile of calls in flight above which a host is hot

	Classic Config // classic and elb, and HostsMax for all
}

// Switch is off, on, or left to the default.
type Switch int8

const (
	Default Switch = iota
	On
	Off
)

// DefaultAlgorithm is the algorithm of the zero Settings. With ejection on,
// which is the default, it is the policy to use unless you know better.
const DefaultAlgorithm = "ewma"

// Knob describes one knob of Settings.
type Knob struct {
	Name    string // in the text form
	Allowed string // what values are
	Default string
	Doc     string
}

// off is the value of a knob that is switched off.
const off = -1

// knob is a row of the table that reading, writing and checking share.
type knob struct {
	name     string
	field    func(*Settings) any // *int, *float64, *float32 or *time.Duration
	def      float64             // durations in seconds
	min, max float64
	off      bool
	doc      string
}

const (
	hour     = 3600 // keeps 32-bit counters of a window from wrapping, at a million reports a second
	countMax = 1 << 30
	poolMax  = 64
)

var knobs = [...]knob{
	{"consecutive", func(s *Settings) any { return &s.Consecutive }, 3, 1, 1e6, true, "calls without an answer in a row that eject a host"},
	{"soft_consecutive", func(s *Settings) any { return &s.SoftConsecutive }, 10, 1, 1e6, true, "failures of any kind in a row that eject a host"},
	{"chance", func(s *Settings) any { return &s.Chance }, 1e-5, 1e-30, 1, false, "how unlikely such a row must be, at the callers' failures elsewhere"},
	{"failure_share", func(s *Settings) any { return &s.FailureShare }, 0.5, 0.01, 1, true, "share of failures that ejects a host"},
	{"failure_min", func(s *Settings) any { return &s.FailureMin }, 10, 1, 1e6, false, "calls in the window that failure_share needs"},
	{"sigmas", func(s *Settings) any { return &s.Sigmas }, 4, 0.5, 100, true, "standard deviations above the failures expected that eject a host"},
	{"margin", func(s *Settings) any { return &s.Margin }, 0.05, 0.001, 1, false, "and at least so much share of failures above"},
	{"peers_min", func(s *Settings) any { return &s.PeersMin }, 20, 1, 1e6, false, "calls in the window that sigmas needs"},
	{"peers", func(s *Settings) any { return &s.Peers }, 3, 1, 1e6, false, "other hosts in use that sigmas needs"},
	{"window", func(s *Settings) any { return &s.Window }, 10, 1, hour, false, "memory of shares of failures"},
	{"grace", func(s *Settings) any { return &s.Grace }, 3, 0.001, hour, true, "how long one caller's failures wait for a word of the host's other callers"},
	{"hard_cap", func(s *Settings) any { return &s.HardCap }, 0.9, 0.01, 1, false, "share of hosts out, at most, for hosts that do not answer"},
	{"soft_cap", func(s *Settings) any { return &s.SoftCap }, 0.5, 0.01, 1, false, "share of hosts out, at most, for hosts that answer with failures"},
	{"panic", func(s *Settings) any { return &s.Panic }, 0.5, 0.01, 1, true, "share of hosts in use below which those ejected for their answers are used too"},
	{"base", func(s *Settings) any { return &s.Base }, 5, 0.001, hour, false, "time of a first ejection; the nth in succession takes n times as long"},
	{"eject_max", func(s *Settings) any { return &s.EjectMax }, 300, 0.001, 24 * hour, false, "longest time of an ejection, without its jitter"},
	{"jitter", func(s *Settings) any { return &s.Jitter }, 0.1, 0.001, 0.9, true, "share by which times of ejection vary"},
	{"forgive", func(s *Settings) any { return &s.Forgive }, 30, 0.1, 24 * hour, false, "time in use that takes one off the succession of ejections"},
	{"hint_ttl", func(s *Settings) any { return &s.HintTTL }, 15, 0.1, hour, true, "how long a hint of other agents counts; off: none is heeded, and none given. With hints a flapping host goes out and in more often, and costs fewer calls"},
	{"successes", func(s *Settings) any { return &s.Successes }, 3, 1, 1000, false, "half-open calls in succession that end an ejection"},
	{"probe_every", func(s *Settings) any { return &s.ProbeEvery }, 50, 1, 1e6, false, "picks between two half-open calls, after one that failed"},
	{"slow_start", func(s *Settings) any { return &s.SlowStart }, 10, 0.1, hour, true, "time in which a new or recovered host comes to its full share"},
	{"slow_min", func(s *Settings) any { return &s.SlowMin }, 0.1, 0.01, 1, false, "part of its share that it begins with"},
	{"zone_share", func(s *Settings) any { return &s.ZoneShare }, 0.7, 0.01, 1, true, "share of a zone's weight in use that takes all calls of the zone; off: zones do not matter"},
	{"call_timeout", func(s *Settings) any { return &s.CallTimeout }, 5, 0.01, hour, false, "a call not reported for this time to twice this time was lost"},
	{"decay", func(s *Settings) any { return &s.Decay }, 10, 0.01, hour, false, "time constant of latencies"},
	{"fail_cost", func(s *Settings) any { return &s.FailCost }, 1, 0.001, hour, true, "latency that a failed call counts as, at least"},
	{"choices", func(s *Settings) any { return &s.Choices }, 3, 2, 16, false, "leastreq: hosts compared at a pick"},
	{"bound", func(s *Settings) any { return &s.Bound }, 1.25, 1.01, 100, true, "chash: load of a host, in average loads, above which keys go on"},
	{"pool", func(s *Settings) any { return &s.Pool }, 8, 2, poolMax, false, "prequal: candidates remembered"},
	{"hot_rif", func(s *Settings) any { return &s.HotRIF }, 0.84, 0.01, 0.999, false, "prequal: quantile of calls in flight above which a host is hot"},
	{"probe_num", func(s *Settings) any { return &s.Classic.ProbeNum }, 10, 1, countMax, false, "classic, elb: picks between two probes"},
	{"init_succ_cnt", func(s *Settings) any { return &s.Classic.InitSuccCnt }, 180, 1, countMax, false, "classic, elb: successes credited to an idle host"},
	{"init_err_cnt", func(s *Settings) any { return &s.Classic.InitErrCnt }, 5, 1, countMax, false, "classic, elb: errors charged to an overloaded host"},
	{"err_rate", func(s *Settings) any { return &s.Classic.ErrRate }, 0.1, 1e-6, 1, false, "classic, elb: share of errors that overloads"},
	{"succ_rate", func(s *Settings) any { return &s.Classic.SuccRate }, 0.5, 1e-6, 1, false, "classic, elb (there 0.95): share of successes that frees"},
	{"contin_err_limit", func(s *Settings) any { return &s.Classic.ContinErrLimit }, 15, 1, countMax, false, "classic, elb: errors in a row that overload"},
	{"contin_succ_limit", func(s *Settings) any { return &s.Classic.ContinSuccLimit }, 15, 1, countMax, false, "classic, elb: successes in a row that free"},
	{"window_err_rate", func(s *Settings) any { return &s.Classic.WindowErrRate }, 0.7, 1e-6, 1, false, "classic, elb: share of errors in a window that overloads"},
	{"window_err_limit", func(s *Settings) any { return &s.Classic.WindowErrLimit }, 1, 1, 255, false, "classic, elb (there 2): so many such windows in a row"},
	{"idle_timeout", func(s *Settings) any { return &s.Classic.IdleTimeout }, 15, 0.001, hour, false, "classic, elb: length of a window"},
	{"overload_timeout", func(s *Settings) any { return &s.Classic.OverloadTimeout }, 15, 0.001, hour, false, "classic, elb (there 3m0s): time after which an overloaded host is free"},
	{"hosts_max", func(s *Settings) any { return &s.Classic.HostsMax }, 1 << 16, 1, 1 << 24, false, "hosts of the module, more are refused"},
}

// Knobs lists all knobs, algorithm and outlier first.
func Knobs() []Knob {
	list := []Knob{
		{"algorithm", strings.Join(names(), ", "), DefaultAlgorithm, "how a host is chosen"},
		{"outlier", "on, off", "on", "whether hosts that fail are ejected; not for classic and elb"},
	}
	for i := range knobs {
		k := &knobs[i]
		var s Settings
		k.set(&s, k.def)
		list = append(list, Knob{k.name, k.allowed(), k.text(&s), k.doc})
	}
	return list
}

// ParseSettings reads the text form: words name=value in any order. The error
// names the word and what is allowed in its place.
//
//	algorithm=p2c outlier=on base=10s slow_start=off
//
// A word v=1 may come with them: the version of the form.
func ParseSettings(text string) (Settings, error) {
	var s Settings
	seen := map[string]bool{}
	for _, word := range strings.Fields(text) {
		name, value, ok := strings.Cut(word, "=")
		switch {
		case !ok:
			return Settings{}, fmt.Errorf("balance: %q is no name=value", word)
		case seen[name]:
			return Settings{}, fmt.Errorf("balance: %s is given twice", name)
		}
		seen[name] = true
		if err := s.Set(name, value); err != nil {
			return Settings{}, err
		}
	}
	return s, s.Check()
}

// Set sets one knob by its name in the text form. With an error, s is as it was.
func (s *Settings) Set(name, value string) error {
	was := *s
	err := s.set(name, value)
	if err != nil {
		*s = was
	}
	return err
}

func (s *Settings) set(name, value string) error {
	switch name {
	case "v":
		if value != "1" {
			return fmt.Errorf("balance: settings of version %q, only 1 is known", value)
		}
		return nil
	case "algorithm":
		if value == "" {
			return errors.New("balance: algorithm is empty")
		}
		s.Algorithm = value
		return s.checkAlgorithm()
	case "outlier":
		switch value {
		case "on":
			s.Outlier = On
		case "off":
			s.Outlier = Off
		default:
			return fmt.Errorf("balance: outlier is %q, want on or off", value)
		}
		return nil
	}
	for i := range knobs {
		if k := &knobs[i]; k.name == name {
			return k.parse(s, value)
		}
	}
	return fmt.Errorf("balance: no setting is called %q; there are %s", name, knobNames())
}

// Hints reports whether a balancer of these settings heeds hints, and has some to
// give.
func (s Settings) Hints() bool {
	return s.Algorithm != "classic" && s.Algorithm != "elb" && s.Outlier != Off && s.HintTTL >= 0
}

// Check says what in s has no meaning.
func (s Settings) Check() error {
	if err := s.checkAlgorithm(); err != nil {
		return err
	}
	if s.Outlier < Default || s.Outlier > Off {
		return errors.New("balance: outlier is neither on nor off")
	}
	if s.Outlier == On && (s.Algorithm == "classic" || s.Algorithm == "elb") {
		return fmt.Errorf("balance: outlier=on does not go with algorithm=%s, which ejects hosts its own way", s.Algorithm)
	}
	for i := range knobs {
		k := &knobs[i]
		if v := k.get(&s); v != 0 && !k.allows(v) {
			return fmt.Errorf("balance: %s is %s, want %s", k.name, k.text(&s), k.allowed())
		}
	}
	return nil
}

func (s Settings) checkAlgorithm() error {
	if s.Algorithm != "" && find(s.Algorithm) == nil {
		return fmt.Errorf("balance: no algorithm is called %q; there are %s", s.Algorithm, strings.Join(names(), ", "))
	}
	return nil
}

// String returns the text form, without what is left to the default.
// ParseSettings of it gives s again.
func (s Settings) String() string {
	var words []string
	if s.Algorithm != "" {
		words = append(words, "algorithm="+s.Algorithm)
	}
	switch s.Outlier {
	case On:
		words = append(words, "outlier=on")
	case Off:
		words = append(words, "outlier=off")
	}
	for i := range knobs {
		if k := &knobs[i]; k.get(&s) != 0 {
			words = append(words, k.name+"="+k.text(&s))
		}
	}
	return strings.Join(words, " ")
}

// MarshalText is String, for JSON and the like.
func (s Settings) MarshalText() ([]byte, error) { return []byte(s.String()), s.Check() }

// UnmarshalText is ParseSettings.
func (s *Settings) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSettings(string(text))
	return err
}

// resolve checks s and fills in the defaults, save those of Classic.
func (s Settings) resolve() (Settings, error) {
	if err := s.Check(); err != nil {
		return s, err
	}
	s.Algorithm = cmp.Or(s.Algorithm, DefaultAlgorithm)
	classic := s.Classic
	for i := range knobs {
		if k := &knobs[i]; k.get(&s) == 0 {
			k.set(&s, k.def)
		}
	}
	classic.HostsMax = s.Classic.HostsMax
	s.Classic = classic
	return s, nil
}

func knobNames() string {
	list := []string{"algorithm", "outlier"}
	for i := range knobs {
		list = append(list, knobs[i].name)
	}
	return strings.Join(list, ", ")
}

// get returns the value, durations in seconds, off below zero.
func (k *knob) get(s *Settings) float64 {
	switch f := k.field(s).(type) {
	case *int:
		return float64(*f)
	case *float64:
		return *f
	case *float32:
		return float64(*f)
	case *time.Duration:
		return f.Seconds()
	}
	return 0
}

func (k *knob) set(s *Settings, v float64) {
	switch f := k.field(s).(type) {
	case *int:
		*f = int(v)
	case *float64:
		*f = v
	case *float32:
		*f = float32(v)
	case *time.Duration:
		*f = time.Duration(math.Round(v * 1e9))
	}
}

func (k *knob) allows(v float64) bool {
	return v >= k.min && v <= k.max || k.off && v < 0
}

// parse sets the knob from its text.
func (k *knob) parse(s *Settings, text string) error {
	bad := func() error { return fmt.Errorf("balance: %s is %q, want %s", k.name, text, k.allowed()) }
	if text == "off" && k.off {
		if f, ok := k.field(s).(*time.Duration); ok {
			*f = off
		} else {
			k.set(s, off)
		}
		return nil
	}
	var err error
	switch f := k.field(s).(type) {
	case *int:
		*f, err = strconv.Atoi(text)
	case *float64:
		*f, err = strconv.ParseFloat(text, 64)
	case *float32:
		var v float64
		v, err = strconv.ParseFloat(text, 32)
		*f = float32(v)
	case *time.Duration:
		*f, err = time.ParseDuration(text)
	}
	if v := k.get(s); err != nil || v < 0 || !k.allows(v) {
		return bad()
	}
	return nil
}

// text writes the value as parse reads it.
func (k *knob) text(s *Settings) string {
	if k.off && k.get(s) < 0 {
		return "off"
	}
	switch f := k.field(s).(type) {
	case *float64:
		return strconv.FormatFloat(*f, 'g', -1, 64)
	case *float32:
		return strconv.FormatFloat(float64(*f), 'g', -1, 32)
	case *time.Duration:
		return f.String()
	}
	return strconv.Itoa(int(k.get(s)))
}

func (k *knob) allowed() string {
	from, to := strconv.FormatFloat(k.min, 'g', -1, 64), strconv.FormatFloat(k.max, 'f', -1, 64)
	if _, ok := k.field(&Settings{}).(*time.Duration); ok {
		from = time.Duration(math.Round(k.min * 1e9)).String()
		to = time.Duration(k.max * 1e9).String()
	}
	if k.off {
		to += ", or off"
	}
	return from + " to " + to
}
