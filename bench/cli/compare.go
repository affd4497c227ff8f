package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lars/bench/compare"
	"lars/bench/load"
	"lars/bench/record"
	"lars/bench/refs"
	"lars/bench/run"
	"lars/internal/cli"
)

// pair is "lars bench compare".
type pair struct {
	*options
	a, b           string // backends
	aBin, bBin     string
	base, head     string
	repo, results  string
	design         string
	epochs, slices int
	slice          time.Duration
	built          []refs.Binary
}

func compareCommand(b []Backend) cli.Func {
	return func(ctx context.Context, stdout, stderr io.Writer, args []string) error {
		return newPair(&command{backends: b, name: "lars bench compare"}).run(ctx, stdout, stderr, args)
	}
}

func newPair(c *command) *pair {
	p := &pair{options: &options{command: c, repeat: 1, listen: "127.0.0.1:0"}}
	p.flags = cli.NewFlags(c.name, "--a NAME --b NAME | --base REF [--head REF] | --a-bin PATH --b-bin PATH [flags]",
		"Compares two servers as a pair, under the same load in the same seconds, and says of each figure whether B is\nregressed, improved, equivalent, or whether that cannot be told (inconclusive). Every epoch has fresh processes of\nboth. Designs: request-duet (each request of an open loop goes to both; the default), process-duet (both in a closed\nloop at once; with --depth), abba (one at a time). Exits with 3 when the result cannot be used, else with 0.",
		"lars bench compare --a epoll --b netpoll", "lars bench compare --a epoll --b std --rate 5000 --epochs 20",
		"lars bench compare --a epoll --b evio --depth 1 --conns 100", "lars bench compare --base main --head HEAD --backend epoll",
		"lars bench compare --a-bin ./lars-old --b-bin ./lars-new --markdown",
		`lars bench compare --a-bin "./mine --port 0" --b epoll`, "lars bench compare --a epoll --b std --workload gethost")
	f := p.flags
	f.StringVar(&p.a, "a", "", "`backend` of the base: "+c.known())
	f.StringVar(&p.b, "b", "", "`backend` that is judged")
	f.StringVar(&p.aBin, "a-bin", "", "`path` of a lars binary for A, run with --backend; or with spaces a whole command that prints \"listening on ADDR\"")
	f.StringVar(&p.bBin, "b-bin", "", "the same for B, as a `path`")
	f.StringVar(&p.base, "base", "", "`commit` to build as A")
	f.StringVar(&p.head, "head", "HEAD", "`commit` to build as B, with --base")
	f.StringVar(&p.repo, "repo", ".", "`directory` of the repository of --base and --head")
	f.StringVar(&p.results, "results", resultsDir, "`folder` in which baselines/CLASS/noise.json says what such verdicts are worth on this machine")
	f.StringVar(&p.backend, "backend", "epoll", "`name` of the backend for binaries and commits")
	f.StringVar(&p.design, "design", "auto", "`name`: "+strings.Join(designs(), ", "))
	f.IntVar(&p.epochs, "epochs", compare.EpochsDefault, "`number` of pairs of fresh processes")
	f.IntVar(&p.slices, "slices", compare.SlicesDefault, "`number` of slices of an epoch")
	f.DurationVar(&p.slice, "slice", 0, "`length` of a slice (500ms in a request duet, else 250ms)")
	f.DurationVar(&p.warmup, "warmup", compare.WarmupDefault, "`time` of load before the slices of an epoch")
	f.Float64Var(&p.rate, "rate", 0, "open loop: `requests` per second to each (a fifth of what the slower one can do)")
	f.BoolVar(&p.syscalls, "syscalls", false, "also count system calls by kind, with perf or strace, after the epochs")
	p.loadFlags()
	f.Lookup("conns").DefValue, p.conns = "50", 50
	p.placeFlags()
	return p
}

func (p *pair) run(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	if done, err := p.parse(stdout, args); done || err != nil {
		return err
	}
	show := newLive(stderr, p.live())
	defer show.clear()
	config, err := p.config(ctx, show)
	defer p.close()
	if err != nil {
		show.clear()
		return p.refused(ctx, err)
	}
	if err := p.checkOut(); err != nil {
		return err
	}
	config.Observe = func(at compare.Progress) { pairProgress(show, at) }
	result, err := compare.Run(ctx, config)
	show.clear()
	if err != nil {
		return p.refused(ctx, err)
	}
	return p.tell(stdout, stderr, result.Record(append(strings.Fields(p.command.name), args...)))
}

// refused gives an error its exit code.
func (p *pair) refused(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: interrupted before anything could be compared", p.command.name)
	case errors.Is(err, refs.ErrRef), errors.Is(err, refs.ErrBuild):
		return cli.Usagef("%s: %v", p.command.name, err)
	case cli.Code(err) == cli.ExitUsage:
		return err
	}
	return p.command.failed(err)
}

func (p *pair) close() {
	for _, b := range p.built {
		_ = b.Close() // a temporary file that stays harms nothing
	}
	p.options.close()
}

// pairProgress shows an epoch as the live view shows a round, and everything
// else as a line.
func pairProgress(show *live, at compare.Progress) {
	where := run.Progress{Round: at.Epoch, Rounds: at.Epochs, Elapsed: at.Elapsed, Expected: at.Expected, Phase: load.Measured}
	switch {
	case at.Doing != "":
		where.Extra = at.Doing
		show.say(headLine(where, ""))
	case at.Slice == nil: // an epoch begins; its first slice says more
	default:
		s := at.Slice
		where.Target, where.Intervals, where.Rate, where.P50, where.P99, where.Errors = s.Arm, s.Slices, s.Rate, s.P50, s.P99, s.Errors
		show.update(where)
	}
}

// config turns the flags into a comparison; it builds commits.
func (p *pair) config(ctx context.Context, show *live) (compare.Config, error) {
	var c compare.Config
	if err := p.check(); err != nil {
		return c, err
	}
	pin, err := run.ParsePin(p.pin)
	if err != nil {
		return c, p.flags.Errorf("%v", err)
	}
	c = compare.Config{
		Name: p.kind.name, Source: p.source, Epochs: p.epochs, Slices: p.slices, Slice: p.slice, Warmup: p.warmup,
		Pin: pin, Loops: p.loops, Workers: p.threads, Calls: p.syscalls,
	}
	if p.design != "auto" {
		c.Design = p.design
	}
	if c.Load, err = p.load(); err != nil {
		return c, p.flags.Errorf("%v", err)
	}
	if p.kind.service != "" {
		if p.upstream, err = newUpstream(ctx, p.kind.service, p.routes, ""); err != nil {
			return c, err
		}
	}
	if p.base != "" {
		if c.A, err = p.commit(ctx, "base", p.base, show); err == nil {
			c.B, err = p.commit(ctx, "head", p.head, show)
		}
		return c, err
	}
	if c.A, err = p.arm(ctx, "a", p.a, p.aBin); err == nil {
		c.B, err = p.arm(ctx, "b", p.b, p.bBin)
	}
	if c.A.Name == c.B.Name {
		c.B.Name += "-2"
	}
	return c, err
}

func designs() []string {
	return []string{"auto", record.DesignRequestDuet, record.DesignProcessDuet, record.DesignABBA}
}

// check finds what contradicts itself before anything is built.
func (p *pair) check() error {
	if err := p.chooseKind(); err != nil {
		return err
	}
	one := func(flag, name, bin string) error {
		if (name == "") == (bin == "") {
			return p.flags.Errorf("give --%s NAME or --%s-bin PATH, one of them; or --base REF", flag, flag)
		}
		return nil
	}
	switch {
	case p.epochs < 1:
		return p.flags.Errorf("--epochs %d: nothing would be compared", p.epochs)
	case !slices.Contains(designs(), p.design):
		return p.flags.Errorf("--design %s: choose %s", p.design, strings.Join(designs(), ", "))
	case p.loops < 1 || p.threads < 1:
		return p.flags.Errorf("--loops and --generator-loops are 1 or more")
	case slices.Contains([]string{pushName, "report", "reportstore", idleName, slowName}, p.kind.name) || p.edits > 0:
		return p.flags.Errorf("--workload %s: requests with a reply are compared: echo, churn, gethost, mixed, getroute without --edits", p.kind.name)
	case p.json && p.markdown:
		return p.flags.Errorf("--json and --markdown exclude each other")
	case p.base != "" && p.a+p.b+p.aBin+p.bBin != "":
		return p.flags.Errorf("--base compares commits: leave --a, --b, --a-bin and --b-bin out")
	case p.base != "":
		return nil
	}
	if err := one("a", p.a, p.aBin); err != nil {
		return err
	}
	return one("b", p.b, p.bBin)
}

// arm is a backend of this program, another binary of lars, or a command.
func (p *pair) arm(ctx context.Context, side, name, bin string) (run.Target, error) {
	if bin == "" {
		return p.target(ctx, name)
	}
	words := strings.Fields(bin)
	if len(words) == 0 {
		return run.Target{}, p.flags.Errorf("--%s-bin is empty", side)
	}
	called := filepath.Base(words[0])
	if record.CheckName(called) != nil {
		called = side
	}
	if len(words) > 1 {
		return run.Target{Name: called, Command: words}, nil
	}
	t, err := p.target(ctx, p.backend)
	if err != nil {
		return t, err
	}
	t.Name, t.Command = called, append(words, t.Command[1:]...)
	return t, nil
}

// commit builds one side of a comparison of commits.
func (p *pair) commit(ctx context.Context, side, ref string, show *live) (run.Target, error) {
	t, err := p.target(ctx, p.backend)
	if err != nil {
		return t, err
	}
	show.say("building " + ref)
	b, err := refs.Build(ctx, p.repo, ref)
	if err != nil {
		return t, err
	}
	p.built = append(p.built, b)
	t.Name, t.Command = side, append([]string{b.Path}, t.Command[1:]...)
	return t, nil
}

func (p *pair) tell(stdout, stderr io.Writer, b *record.Bundle) error {
	p.describeCommits(&b.Run)
	b.Run.Notes = append(b.Run.Notes, learnedNote(p.results, cmp.Or(p.a, p.backend)))
	text := func(w io.Writer, r *record.Run) { fmt.Fprint(w, pairText(r)) }
	markdown := func(w io.Writer, r *record.Run) { fmt.Fprint(w, pairMarkdown(r)) }
	if err := p.print(stdout, &b.Run, text, markdown); err != nil {
		return err
	}
	if err := p.write(stdout, stderr, b); err != nil {
		return err
	}
	if b.Run.Comparison.Verdict == record.VerdictInvalid {
		return exitFor(load.Invalid)
	}
	return nil
}

// describeCommits notes what base and head were.
func (p *pair) describeCommits(r *record.Run) {
	if len(p.built) != 2 {
		return
	}
	a, b := p.built[0], p.built[1]
	r.Notes = append(r.Notes, fmt.Sprintf("base is %s (%.10s), head is %s (%.10s), both on %s", a.Ref, a.Commit, b.Ref, b.Commit, p.backend))
	if a.SHA256 == b.SHA256 {
		r.Notes = append(r.Notes, "both commits compile to the same bytes: every difference is noise")
	}
}
