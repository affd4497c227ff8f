package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lars/bench/compare"
	"lars/bench/gate"
	"lars/bench/proc"
	"lars/bench/record"
	"lars/bench/refs"
	"lars/bench/stats"
	"lars/internal/cli"
)

// Names below the folder of results.
const (
	resultsDir   = "results"
	baselineFile = "BASELINE"
	baselinesDir = "baselines"
	// workingTreeName stands for the commit made of files as they are now.
	workingTreeName = "working tree"
)

// exitGateUsage is sysexits.h's EX_USAGE. A gate's 2 says that nothing could be
// told, which CI takes for neutral: a flag that is spelt wrong must not be.
const exitGateUsage = 64

// gating is "lars bench gate".
type gating struct {
	backends []Backend
	flags    *cli.Flags
	duet     duet

	base, head      string
	results, noise  string
	limit           time.Duration
	asJSON          bool
	out, markdown   string
	began           time.Time
	doc             record.Gate
	learned         *record.Noise
	stdout, stderr  io.Writer
	show            *live
	binA, binB      refs.Binary
	subjects        []string
	machine         proc.Machine
	settings, class string
}

func gateCommand(b []Backend) cli.Func {
	return func(ctx context.Context, stdout, stderr io.Writer, args []string) error {
		g := &gating{backends: b, stdout: stdout, stderr: stderr, began: time.Now()}
		return g.run(ctx, args)
	}
}

func (g *gating) parse(args []string) (done bool, err error) {
	g.flags = cli.NewFlags("lars bench gate", "[--base REF] [flags]",
		"Measures two commits beside each other and says whether the newer one is a regression.\n"+
			"Exit codes: 0 no regression; 1 a regression, confirmed by a second, fresh and larger stage; 2 inconclusive, or this\n"+
			"class of machine has learned no noise yet (see lars bench selftest); 3 the measurement is invalid; 64 wrong flags.\n"+
			"Gated: CPU time, allocations, allocated bytes and bytes on the wire for each request, goroutines and open files for\n"+
			"each connection, wrong or lost replies; latency (p50, p99) only when three stages agree.",
		"lars bench gate --base main", "lars bench gate", "lars bench gate --base HEAD~3 --head HEAD --backends epoll --markdown gate.md",
		"lars bench gate --base v1.0 --out gate.json --for 10m")
	f := g.flags
	f.StringVar(&g.base, "base", "", "`ref` to compare with (the commit that results/BASELINE names)")
	f.StringVar(&g.head, "head", "", "`ref` that is judged (the working tree: its tracked files as they are now)")
	f.StringVar(&g.results, "results", resultsDir, "`folder` with BASELINE and baselines/CLASS/noise.json")
	f.StringVar(&g.noise, "noise", "", "noise `file` to use instead of that of this machine's class")
	f.DurationVar(&g.limit, "for", 5*time.Minute, "`time` for everything; a stage that does not fit is not begun, and the verdict is inconclusive")
	f.BoolVar(&g.asJSON, "json", false, "print the verdict as JSON (schema results/schema/gate.v1.json) instead of text")
	f.StringVar(&g.out, "out", "", "also write the verdict as JSON to this `file`")
	f.StringVar(&g.markdown, "markdown", "", "also write it to this `file`, for a comment on a pull request")
	g.duet.addFlags(f)
	if done, err = f.Parse(g.stdout, args); done || err != nil {
		return done, err
	}
	var names []string
	for _, b := range g.backends {
		names = append(names, b.Name)
	}
	if g.subjects, err = g.duet.check(names); err != nil {
		return false, err
	}
	// A file that was named and is not there is a slip, and nothing to learn.
	for flag, path := range map[string]string{"noise": g.noise, "results": g.results} {
		if _, err := os.Stat(path); err != nil && path != "" && path != resultsDir {
			return false, f.Errorf("--%s: %v", flag, err)
		}
	}
	return false, g.checkFiles()
}

// checkFiles finds a file that cannot be written before minutes are spent on
// what belongs into it.
func (g *gating) checkFiles() error {
	for flag, path := range map[string]string{"out": g.out, "markdown": g.markdown} {
		if path == "" {
			continue
		}
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			var f *os.File
			if f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644); err == nil {
				err = f.Close()
			}
		}
		if err != nil {
			return g.flags.Errorf("--%s: %v: give a file that can be written", flag, err)
		}
	}
	return nil
}

func (g *gating) run(ctx context.Context, args []string) error {
	if done, err := g.parse(args); done || err != nil {
		return cli.Exit(exitGateUsage, err)
	}
	g.show = newLive(g.stderr, true)
	defer g.show.clear()
	g.machine = proc.ReadMachine()
	g.class, g.settings = g.machine.Class(), g.duet.settings()
	err := g.decide(ctx)
	if err != nil && ctx.Err() != nil {
		err = abstaining("interrupted")
	}
	if err != nil {
		g.abstain(err)
	}
	return g.finish()
}

// errAbstain is a reason for which nothing can be decided.
var errAbstain = errors.New("nothing was decided")

func abstaining(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errAbstain, fmt.Sprintf(format, args...))
}

// abstain makes the verdict inconclusive.
func (g *gating) abstain(err error) {
	g.doc = record.Gate{Schema: record.GateSchema, Verdict: record.GateInconclusive, Subjects: []record.GateSubject{}}
	g.doc.Exit = gate.Exit(g.doc.Verdict)
	g.doc.Reasons = []string{strings.TrimPrefix(plain(err), errAbstain.Error()+": ")}
}

// decide measures, unless it can be known before that nothing can be decided.
func (g *gating) decide(ctx context.Context) error {
	if err := g.readNoise(); err != nil {
		return err
	}
	if err := g.build(ctx); err != nil {
		return err
	}
	defer g.binA.Close()
	defer g.binB.Close()
	if g.binA.SHA256 == g.binB.SHA256 {
		g.doc = gate.Record(nil, nil)
		g.doc.Reasons = []string{"both commits compile to the same program: there is nothing to measure"}
		return nil
	}
	if err := g.duet.open(ctx); err != nil {
		return err
	}
	defer g.duet.close()
	subjects, err := gate.Run(ctx, gate.Config{
		Subjects: g.subjects, Metrics: gate.Metrics(), Plan: g.learned.Stages, Noise: g.learned, Measure: g.measure,
		Left: func() time.Duration { return g.limit - time.Since(g.began) }, EpochTime: g.duet.loadTime(),
	})
	if err != nil {
		return err
	}
	g.doc = gate.Record(subjects, g.learned)
	return nil
}

func (g *gating) noiseFile() string {
	if g.noise != "" {
		return g.noise
	}
	return filepath.Join(g.results, baselinesDir, g.class, g.duet.learnedAs(record.NoiseFile))
}

// readNoise finds what this machine has learned. A file that is broken, or of
// another kind of measurement, is told, never worked around.
func (g *gating) readNoise() error {
	path := g.noiseFile()
	n, err := record.ReadNoise(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return abstaining("no noise was learned for this class of machine (%s) with these settings: run lars bench selftest here, with the same flags, and commit %s", g.class, path)
	case err != nil:
		return err
	case n.Class != g.class:
		return abstaining("%s was learned on %s, this is %s: run lars bench selftest here", path, n.Class, g.class)
	case n.Settings != g.settings:
		return abstaining("%s was learned with other settings (%s) than these (%s): use those, or run lars bench selftest with these", path, n.Settings, g.settings)
	case n.Rule != stats.RuleVersion:
		return abstaining("%s was learned with rule %s, this program decides by %s: run lars bench selftest again", path, n.Rule, stats.RuleVersion)
	}
	g.learned = n
	if least := time.Duration(n.Stages[0]) * g.duet.loadTime(); g.limit < least {
		return abstaining("--for %v is too short: the first stage alone takes %v with each backend, and building comes before it", g.limit, least)
	}
	return g.tooLittle(n)
}

// tooLittle refuses before anything is built when no subject can be decided.
func (g *gating) tooLittle(n *record.Noise) error {
	var why error
	for _, s := range g.subjects {
		if _, err := gate.KnownOf(n, s); err != nil {
			why = err
		} else {
			return nil
		}
	}
	return why
}

// build makes both programs.
func (g *gating) build(ctx context.Context) (err error) {
	if g.base == "" {
		if g.base, err = readBaseline(filepath.Join(g.results, baselineFile)); err != nil {
			return err
		}
	}
	head := g.head
	if head == "" {
		g.head = workingTreeName
		if head, err = workingTree(ctx); err != nil {
			return err
		}
	}
	g.show.say("building " + g.base)
	if g.binA, err = refs.Build(ctx, ".", g.base); err != nil {
		return g.noBase(err)
	}
	g.show.say("building " + g.head)
	if g.binB, err = refs.Build(ctx, ".", head); err != nil {
		return errors.Join(err, g.binA.Close())
	}
	g.binB.Ref = g.head
	return nil
}

// noBase adds the usual remedy to a base that this clone does not have.
func (g *gating) noBase(err error) error {
	if errors.Is(err, refs.ErrRef) {
		return fmt.Errorf("the base %.12s is not in this clone: fetch it (git fetch --unshallow; in a workflow, fetch-depth: 0) or give --base: %w", g.base, err)
	}
	return err
}

// measure is a stage of the gate.
func (g *gating) measure(ctx context.Context, subject string, stage, epochs int) (gate.Batch, error) {
	a, err1 := g.duet.target("base", g.binA.Path, subject, "")
	b, err2 := g.duet.target("head", g.binB.Path, subject, "")
	if err := errors.Join(err1, err2); err != nil {
		return gate.Batch{}, err
	}
	g.show.clear()
	if g.show.w == nil && !g.asJSON {
		fmt.Fprintf(g.stderr, "%4.0fs  %s: stage %d, %d epochs of %.0f s\n", time.Since(g.began).Seconds(), subject, stage+1, epochs, g.duet.epochTime().Seconds())
	}
	drawn := -1
	return g.duet.measure(ctx, a, b, epochs, func(p compare.Progress) {
		if p.Epoch == drawn { // once for each: drawing takes time from the generator
			return
		}
		drawn = p.Epoch
		g.show.say(fmt.Sprintf("%4.0fs of at most %.0fs  %s: stage %d, epoch %d of %d", time.Since(g.began).Seconds(), g.limit.Seconds(), subject, stage+1, p.Epoch+1, epochs))
	})
}

// finish writes the verdict in every form that was asked for.
func (g *gating) finish() error {
	g.show.clear()
	d := &g.doc
	d.Started, d.Seconds = g.began.UTC().Format(time.RFC3339), time.Since(g.began).Seconds()
	d.Base, d.Head = binaryRecord(cmp.Or(g.base, baselineFile), g.binA), binaryRecord(cmp.Or(g.head, workingTreeName), g.binB)
	d.Class, d.Settings, d.Rule = g.class, g.settings, stats.RuleVersion
	if d.Reasons == nil {
		d.Reasons = []string{}
	}
	if g.learned != nil {
		d.Noise = &record.GateNoise{File: g.noiseFile(), Learned: g.learned.Learned}
	}
	if err := g.tell(); err != nil {
		return err
	}
	if err := g.writeFiles(); err != nil {
		// Not 1, which says that there is a regression.
		fmt.Fprintf(g.stderr, "the verdict could not be written: %v\n", err)
		return cli.Reported(gate.Exit(record.GateInvalid))
	}
	if d.Exit == 0 {
		return nil
	}
	return cli.Reported(d.Exit)
}

// tell prints the verdict.
func (g *gating) tell() error {
	if g.asJSON {
		return encode(g.stdout, &g.doc)
	}
	return gate.WriteText(g.stdout, &g.doc)
}

func (g *gating) writeFiles() error {
	if g.out != "" {
		if err := record.WriteGate(g.out, &g.doc); err != nil {
			return err
		}
	}
	if g.markdown == "" {
		return nil
	}
	return writeTo(g.markdown, func(w io.Writer) error { return gate.WriteMarkdown(w, &g.doc) })
}

func binaryRecord(ref string, b refs.Binary) record.GateBinary {
	return record.GateBinary{Ref: ref, Commit: b.Commit, SHA256: b.SHA256}
}

func encode(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func writeTo(path string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
