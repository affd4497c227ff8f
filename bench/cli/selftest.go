package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lars/bench/compare"
	"lars/bench/gate"
	"lars/bench/proc"
	"lars/bench/record"
	"lars/bench/selftest"
	"lars/bench/stats"
	"lars/internal/cli"
)

// Files beside the noise.
const (
	selftestText    = "selftest.txt"
	selftestPicture = "power.svg"
	partialDir      = "partial"
)

// selfTesting is "lars bench selftest".
type selfTesting struct {
	flags   *cli.Flags
	duet    duet
	epochs  int
	inject  string
	limit   time.Duration
	results string
	json    bool

	subjects       []string
	stdout, stderr io.Writer
	show           *live
	began          time.Time
	copies         [2]string // of this program
}

func selftestCommand(b []Backend) cli.Func {
	return func(ctx context.Context, stdout, stderr io.Writer, args []string) error {
		s := &selfTesting{stdout: stdout, stderr: stderr, began: time.Now()}
		done, err := s.parse(b, args)
		if done || err != nil {
			return err
		}
		return s.run(ctx)
	}
}

func (s *selfTesting) parse(b []Backend, args []string) (done bool, err error) {
	s.flags = cli.NewFlags("lars bench selftest", "[--for TIME] [flags]",
		"Finds out how far verdicts can be trusted on this machine: compares identical programs (false alarms) and programs\n"+
			"that are slowed on purpose (power), and stops server and generator to see whether the figures tell. What it learns,\n"+
			"results/baselines/CLASS/noise.json, is what lars bench gate stands on. Run it on a quiet machine; Ctrl-C keeps\n"+
			"what was learned until then. Exit code 1 when false alarms or power miss their goals.",
		"lars bench selftest", "lars bench selftest --for 12m", "lars bench selftest --backends epoll --epochs 60")
	f := s.flags
	f.IntVar(&s.epochs, "epochs", 40, "`number` of epochs of identical programs for each backend; half as many with 5 % more CPU, some with other slowdowns")
	f.StringVar(&s.inject, "inject", strings.Join(selftest.Kinds(), ","), "comma-separated `list` of slowdowns, as for lars serve echo --inject; all but "+selftest.Calibrated+" with the first backend only; of echo")
	f.DurationVar(&s.limit, "for", 0, "`time` after which no epoch is begun (no limit); simulating takes half a minute more")
	f.StringVar(&s.results, "results", resultsDir, "`folder` to write baselines/CLASS to")
	f.BoolVar(&s.json, "json", false, "print what was learned as JSON (schema results/schema/noise.v1.json) instead of text")
	s.duet.addFlags(f)
	if done, err = f.Parse(s.stdout, args); done || err != nil {
		return done, err
	}
	var names []string
	for _, x := range b {
		names = append(names, x.Name)
	}
	if s.subjects, err = s.duet.check(names); err != nil {
		return false, err
	}
	if s.epochs < 1 || s.epochs > 1000 || s.limit < 0 {
		return false, f.Errorf("choose --epochs 1 to 1000, --for 0 or more")
	}
	return false, nil
}

func (s *selfTesting) run(ctx context.Context) error {
	s.show = newLive(s.stderr, true)
	defer s.show.clear()
	dir, err := s.copySelf()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := s.duet.open(ctx); err != nil {
		return fmt.Errorf("lars bench selftest: %w", err)
	}
	defer s.duet.close()
	audits, err := s.audit(ctx)
	if err != nil {
		return fmt.Errorf("lars bench selftest: %w", err)
	}
	r, err := selftest.Run(ctx, selftest.Config{
		Subjects: s.subjects, Epochs: s.epochs, Kinds: s.kinds(), Plan: gate.PlanDefault(), For: s.limit, Pair: s.pair, Observe: s.observe,
	})
	if err != nil {
		return fmt.Errorf("lars bench selftest: %w", err)
	}
	s.show.clear()
	if len(r.Subjects) == 0 {
		return fmt.Errorf("lars bench selftest: nothing was learned: no epoch of identical programs could be used%s", because(r.Lost))
	}
	n := s.noise(r, audits)
	return s.finish(n, r)
}

// kinds are the slowdowns; a service of the system has none.
func (s *selfTesting) kinds() []string {
	if s.duet.system() {
		return []string{}
	}
	return strings.Split(s.inject, ",")
}

// because is the first of the reasons, if there is one.
func because(reasons []string) string {
	if len(reasons) == 0 {
		return ""
	}
	return ": " + reasons[0]
}

// copySelf makes two copies of this program at paths of the same length: the
// identical programs.
func (s *selfTesting) copySelf() (dir string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp("", "lars-selftest-"); err != nil {
		return "", err
	}
	for i, name := range []string{"a", "b"} {
		s.copies[i] = filepath.Join(dir, name, "lars")
		if err := copyFile(s.copies[i], self); err != nil {
			return "", errors.Join(err, os.RemoveAll(dir))
		}
	}
	return dir, nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// audit stops a server, and then a generator: these are about the generator, so
// that any echo server will do.
func (s *selfTesting) audit(ctx context.Context) ([]record.Audit, error) {
	s.say("stopping the server for a moment")
	t, err := usualDuet().echo("audit", s.copies[0], s.subjects[0], "")
	if err != nil {
		return nil, err
	}
	server, err := selftest.AuditServer(ctx, t.Command)
	if err != nil {
		return nil, err
	}
	s.say("stopping a generator for a moment")
	generator, err := selftest.AuditGenerator(ctx, s.copies[1], t.Command)
	return []record.Audit{server, generator}, err
}

func (s *selfTesting) pair(ctx context.Context, subject, inject string, epochs int) (gate.Batch, error) {
	a, err1 := s.duet.target("same", s.copies[0], subject, "")
	b, err2 := s.duet.target("copy", s.copies[1], subject, inject)
	if err := errors.Join(err1, err2); err != nil {
		return gate.Batch{}, err
	}
	return s.duet.measure(ctx, a, b, epochs, func(compare.Progress) {})
}

func (s *selfTesting) observe(p selftest.Progress) {
	if p.Simulating {
		s.say(p.Text)
		return
	}
	left := "?"
	if p.Left > 0 {
		left = p.Left.Round(time.Second).String()
	} else if d := time.Duration(p.All-p.Done) * s.duet.epochTime(); p.Done == 0 {
		left = "about " + d.Round(time.Minute).String()
	}
	s.say(fmt.Sprintf("%s  epoch %d of %d, %s left: %s", p.Elapsed.Round(time.Second), p.Done+1, p.All, left, p.Text))
}

// logEvery is how often a log, where nobody watches, gets a line.
const logEvery = time.Minute

// say shows progress on a terminal, and now and then in a log.
func (s *selfTesting) say(text string) {
	if s.show.w != nil {
		s.show.say(text)
		return
	}
	if time.Since(s.show.last) >= logEvery {
		s.show.last = time.Now()
		fmt.Fprintln(s.stderr, text)
	}
}

func (s *selfTesting) noise(r *selftest.Result, audits []record.Audit) *record.Noise {
	m := proc.ReadMachine()
	return &record.Noise{
		Schema: record.NoiseSchema, Class: m.Class(), Settings: s.duet.settings(), Rule: stats.RuleVersion, Stages: gate.PlanDefault(),
		Machine: record.NoiseMachine{CPUModel: m.CPUModel, CPUs: m.CPUs, Kernel: m.Kernel, Arch: m.Architecture},
		Learned: s.began.UTC().Format(time.RFC3339), Commit: cli.ReadBuild().Commit,
		Partial: r.Partial, Seconds: time.Since(s.began).Seconds(), Subjects: r.Subjects, Audits: audits,
	}
}

// knowsMore tells whether a gate could decide with what was learned before and
// not with what was learned now: that is not lost to half a test, nor to one of
// fewer backends or epochs.
func knowsMore(old, now *record.Noise) bool {
	if old.Rule != now.Rule {
		return false
	}
	return now.Partial && !old.Partial || slices.ContainsFunc(old.Subjects, func(s record.NoiseSubject) bool {
		_, before := gate.KnownOf(old, s.Name)
		_, after := gate.KnownOf(now, s.Name)
		return before == nil && after != nil
	})
}

// finish writes and prints what was learned, and fails when a goal was missed.
func (s *selfTesting) finish(n *record.Noise, r *selftest.Result) error {
	dir := filepath.Join(s.results, baselinesDir, n.Class)
	name := s.duet.learnedAs
	if old, err := record.ReadNoise(filepath.Join(dir, name(record.NoiseFile))); err == nil && knowsMore(old, n) {
		fmt.Fprintf(s.stderr, "%s knows more and is kept: remove it to learn anew with less\n", filepath.Join(dir, name(record.NoiseFile)))
		dir = filepath.Join(dir, partialDir)
	}
	if err := record.WriteNoise(filepath.Join(dir, name(record.NoiseFile)), n); err != nil {
		return fmt.Errorf("what was learned could not be written: %w", err)
	}
	text := func(w io.Writer) error { return selftest.WriteText(w, n) }
	if err := writeTo(filepath.Join(dir, name(selftestText)), text); err != nil {
		return err
	}
	if err := writeTo(filepath.Join(dir, name(selftestPicture)), selftest.Picture(n).WriteSVG); err != nil {
		return err
	}
	if err := s.print(n, text); err != nil {
		return err
	}
	failures := r.Failures
	for _, a := range n.Audits {
		if !a.Passed {
			failures = append(failures, a.Name+": "+a.Text)
		}
	}
	if len(r.Lost) > 0 {
		fmt.Fprintf(s.stderr, "epochs that could not be used: %d (the first: %s)\n", len(r.Lost), r.Lost[0])
	}
	fmt.Fprintf(s.stderr, "files: %s\n", dir)
	if len(failures) == 0 {
		return nil
	}
	fmt.Fprintln(s.stderr, "the goals were missed:")
	for _, f := range failures {
		fmt.Fprintf(s.stderr, "  - %s\n", f)
	}
	return cli.Reported(cli.ExitFailed)
}

func (s *selfTesting) print(n *record.Noise, text func(io.Writer) error) error {
	if !s.json {
		return text(s.stdout)
	}
	return encode(s.stdout, n)
}
