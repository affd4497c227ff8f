package balance

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lars/system/route"
)

// The files testdata/*.txt are runs of steps with what came of them. A line is
// a comment (#), a step, or (=>) the outcome of the steps above it:
//
//	config NAME=VALUE ...     knobs by their names in the configuration file; first
//	update HOST ...           set the route; no HOST empties it
//	pick [xN]                 N picks; ! marks a probe
//	report HOST ok|err ... [xN]  the pattern of outcomes, N times over
//	wait DURATION             time passes
//	tick
//	state                     every host with its counters
var update = flag.Bool("update", false, "write what happens into testdata/*.txt")

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := play(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(text) {
				t.Errorf("%s is not what happens (-update to accept); now:\n%s", file, got)
			}
		})
	}
}

// play performs a script and returns it with the outcomes that came.
func play(text string) (string, error) {
	var out strings.Builder
	p := player{}
	for n, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if strings.HasPrefix(line, "=>") {
			continue
		}
		out.WriteString(line + "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		outcome, err := p.step(strings.Fields(line))
		if err != nil {
			return "", fmt.Errorf("line %d, %q: %w", n+1, line, err)
		}
		for _, o := range outcome {
			out.WriteString("=> " + o + "\n")
		}
	}
	return out.String(), nil
}

type player struct {
	now time.Duration
	b   *classic
}

func (p *player) step(words []string) ([]string, error) {
	args, times := words[1:], 1
	if n := len(args); n > 0 && args[n-1][0] == 'x' {
		var err error
		if times, err = strconv.Atoi(args[n-1][1:]); err != nil {
			return nil, err
		}
		args = args[:n-1]
	}
	if words[0] != "config" && p.b == nil {
		p.b = newClassic(Config{})
	}
	switch words[0] {
	case "config":
		return nil, p.config(args)
	case "wait":
		d, err := time.ParseDuration(args[0])
		p.now += d
		return nil, err
	case "update":
		return p.update(args)
	case "pick":
		return p.pick(times), nil
	case "report":
		return p.report(args, times)
	case "tick":
		return changes(p.b.Tick(p.now)), nil
	case "state":
		return p.state(), nil
	}
	return nil, fmt.Errorf("unknown step")
}

func (p *player) config(args []string) error {
	var c Config
	for _, a := range args {
		name, value, _ := strings.Cut(a, "=")
		f, err := strconv.ParseFloat(value, 32)
		if err != nil {
			return err
		}
		switch name {
		case "probe_num":
			c.ProbeNum = int(f)
		case "init_succ_cnt":
			c.InitSuccCnt = int(f)
		case "err_rate":
			c.ErrRate = float32(f)
		case "succ_rate":
			c.SuccRate = float32(f)
		case "contin_err_limit":
			c.ContinErrLimit = int(f)
		case "hosts_max":
			c.HostsMax = int(f)
		default:
			return fmt.Errorf("knob %q is not known to the scripts", name)
		}
	}
	p.b = newClassic(c)
	return Settings{Classic: c}.Check()
}

func (p *player) update(args []string) ([]string, error) {
	var list []route.Host
	for _, a := range args {
		h, err := route.ParseHost(a)
		if err != nil {
			return nil, err
		}
		list = append(list, h)
	}
	e := p.b.Update(p.now, Plain(list))
	out := changes(e)
	if e.Refused > 0 {
		out = append(out, fmt.Sprintf("refused %d", e.Refused))
	}
	return out, nil
}

// pick writes the picks in a row, equal ones in succession counted.
func (p *player) pick(times int) []string {
	var row []string
	last, run := "", 0
	flush := func() {
		if run > 1 {
			last += fmt.Sprintf(" x%d", run)
		}
		if run > 0 {
			row = append(row, last)
		}
	}
	for range times {
		c := p.b.Pick(p.now, Ask{})
		word := [...]string{"none", "OVERLOAD", c.Host.String()}[c.Verdict]
		if c.Probe {
			word = "!" + word
		}
		if word != last {
			flush()
			last, run = word, 0
		}
		run++
	}
	flush()
	return []string{strings.Join(row, ", ")}
}

func (p *player) report(args []string, times int) ([]string, error) {
	h, err := route.ParseHost(args[0])
	if err != nil {
		return nil, err
	}
	var out []string
	for round := range times {
		for _, word := range args[1:] {
			if word != "ok" && word != "err" {
				return nil, fmt.Errorf("outcome %q", word)
			}
			e := p.b.Report(p.now, Result{Host: h, Outcome: outcome(word == "err")})
			if e.Unknown {
				out = append(out, "unknown")
			}
			for _, c := range changes(e) {
				out = append(out, fmt.Sprintf("round %d, %s: %s", round+1, word, c))
			}
		}
	}
	return out, nil
}

func (p *player) state() []string {
	var out []string
	for _, s := range p.b.AppendStates(nil) {
		out = append(out, fmt.Sprintf("%v %v since %v (%v); rate %d/%d, window from %v %d/%d, streak %d/%d",
			s.Host, s.State, s.Since, s.Why, s.RateSucc, s.RateErr, s.Window, s.Succ, s.Err, s.SuccStreak, s.ErrStreak))
	}
	return out
}

func changes(e Effects) []string {
	var out []string
	for _, c := range e.Changes {
		out = append(out, fmt.Sprintf("%v %v: %v", c.Host, c.To, c.Why))
	}
	return out
}
