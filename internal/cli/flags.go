package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// Flags is a flag set with the habits of lars: both -name and --name, help on
// stdout with examples, errors that name the command and what is allowed.
type Flags struct {
	*flag.FlagSet
	summary  string
	synopsis string
	examples []string
}

// NewFlags makes the flags of one command. name is the whole command line up to
// it ("lars bench run"); synopsis shows its arguments ("--backend NAME").
func NewFlags(name, synopsis, summary string, examples ...string) *Flags {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	return &Flags{FlagSet: set, summary: summary, synopsis: synopsis, examples: examples}
}

// Parse reads args. done is true when help was asked for and printed to stdout.
// An unknown flag, a bad value and an argument that is not a flag are usage
// errors.
func (f *Flags) Parse(stdout io.Writer, args []string) (done bool, err error) {
	done, err = f.ParseArgs(stdout, args)
	if !done && err == nil && f.NArg() > 0 {
		return false, f.Errorf("unexpected argument %q (flags are written --name value)", f.Arg(0))
	}
	return done, err
}

// ParseArgs is Parse for a command that takes arguments after its flags, which
// Args then has.
func (f *Flags) ParseArgs(stdout io.Writer, args []string) (done bool, err error) {
	err = f.FlagSet.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		f.help(stdout)
		return true, nil
	case err != nil:
		return false, f.Errorf("%s", f.explain(err.Error()))
	}
	return false, nil
}

// explain says what a flag takes, where package flag has only "parse error" or
// "value out of range".
func (f *Flags) explain(text string) string {
	rest, ok := strings.CutSuffix(text, ": parse error")
	if !ok {
		rest, ok = strings.CutSuffix(text, ": value out of range")
	}
	words := strings.Fields(rest) // the last is the flag
	if fl := f.Lookup(strings.TrimPrefix(words[len(words)-1], "-")); ok && fl != nil {
		if g, ok := fl.Value.(flag.Getter); ok {
			return rest + ": write " + kindOf(g.Get())
		}
	}
	return text
}

func kindOf(v any) string {
	switch v.(type) {
	case time.Duration:
		return "a time with its unit, such as 10s or 500ms"
	case int, int64:
		return "a whole number"
	case uint, uint64:
		return "a whole number, 0 or more"
	case float64:
		return "a number"
	}
	return "true or false"
}

// Errorf is a usage error of this command, with a pointer to its help.
func (f *Flags) Errorf(format string, args ...any) error {
	return Usagef("%s: %s\nRun '%s --help' for what is allowed.", f.Name(), fmt.Sprintf(format, args...), f.Name())
}

func (f *Flags) help(w io.Writer) {
	fmt.Fprintf(w, "%s\n\nUsage: %s %s\n\nFlags:\n", f.summary, f.Name(), f.synopsis)
	width := 0
	f.VisitAll(func(fl *flag.Flag) { width = max(width, len(flagHead(fl))) })
	f.VisitAll(func(fl *flag.Flag) { f.helpFlag(w, fl, width) })
	if len(f.examples) > 0 {
		fmt.Fprintf(w, "\nExamples:\n")
		for _, e := range f.examples {
			fmt.Fprintf(w, "  %s\n", e)
		}
	}
}

func (f *Flags) helpFlag(w io.Writer, fl *flag.Flag, width int) {
	_, usage := flag.UnquoteUsage(fl)
	if d := fl.DefValue; d != "" && d != "false" && d != "0" && d != "0s" {
		usage += " (default " + d + ")"
	}
	usage = strings.ReplaceAll(usage, "\n", "\n"+strings.Repeat(" ", width+4))
	fmt.Fprintf(w, "  %-*s  %s\n", width, flagHead(fl), usage)
}

// flagHead is a flag as typed, with the kind of its value.
func flagHead(fl *flag.Flag) string {
	kind, _ := flag.UnquoteUsage(fl)
	if kind == "" {
		return "--" + fl.Name
	}
	return "--" + fl.Name + " " + strings.ToUpper(kind)
}
