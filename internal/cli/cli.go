// Package cli holds what every subcommand of lars has in common: a table of
// commands, one shape for a command, exit codes, help and interruption.
//
// It is for main.go and for packages that define subcommands. A command is a
// function of a context, two writers and its arguments; it returns an error
// and never exits by itself, so that a test can run it. What cli will not do:
// read the environment, keep a registry, or guess abbreviations.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Exit codes that all commands share. A command may return others by Exit.
const (
	ExitOK      = 0 // done
	ExitFailed  = 1 // the work failed
	ExitUsage   = 2 // flags, arguments or the environment do not allow the work to start
	ExitInvalid = 3 // the work was done but its result must not be used
)

// Func is a command. It stops soon after ctx is cancelled, writes results to
// stdout and everything else to stderr, and reports failure by its error only.
type Func func(ctx context.Context, stdout, stderr io.Writer, args []string) error

// A Command is one row of a Table.
type Command struct {
	Name    string // one lower-case word
	Summary string // one line, for the list of commands
	Run     Func
}

// A Table is a set of subcommands under one name, such as "lars" or
// "lars bench". Its zero value knows only help.
type Table struct {
	Name     string // as typed: "lars bench"
	Summary  string // what the commands are for, shown above the list
	Commands []Command
	Examples []string // whole command lines
}

// Run runs the subcommand named by args[0] with the rest. No arguments, or an
// unknown name, is a usage error that lists the known ones; help goes to
// stdout and is no error. Run is itself a Func, so tables nest.
func (t Table) Run(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	if len(args) == 0 {
		return Usagef("%s: which command? Known: %s\nRun '%s help' for what each one does.",
			t.Name, strings.Join(t.names(), ", "), t.Name)
	}
	switch name := args[0]; name {
	case "help", "-h", "-help", "--help":
		return t.help(ctx, stdout, stderr, args[1:])
	default:
		return t.call(ctx, stdout, stderr, name, args[1:])
	}
}

// help prints the list, or for "help NAME" the help of that command.
func (t Table) help(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	if len(args) > 0 {
		return t.call(ctx, stdout, stderr, args[0], append(args[1:], "--help"))
	}
	t.print(stdout)
	return nil
}

func (t Table) call(ctx context.Context, stdout, stderr io.Writer, name string, args []string) error {
	i := slices.IndexFunc(t.Commands, func(c Command) bool { return c.Name == name })
	if i < 0 {
		return Usagef("%s: unknown command %q. Known: %s", t.Name, name, strings.Join(t.names(), ", "))
	}
	return t.Commands[i].Run(ctx, stdout, stderr, args)
}

func (t Table) names() []string {
	names := make([]string, len(t.Commands))
	for i, c := range t.Commands {
		names[i] = c.Name
	}
	return names
}

func (t Table) print(w io.Writer) {
	fmt.Fprintf(w, "%s\n\nUsage: %s COMMAND [flags]\n\nCommands:\n", t.Summary, t.Name)
	width := 0
	for _, c := range t.Commands {
		width = max(width, len(c.Name))
	}
	for _, c := range t.Commands {
		fmt.Fprintf(w, "  %-*s  %s\n", width, c.Name, c.Summary)
	}
	if len(t.Examples) > 0 {
		fmt.Fprintf(w, "\nExamples:\n")
		for _, e := range t.Examples {
			fmt.Fprintf(w, "  %s\n", e)
		}
	}
	fmt.Fprintf(w, "\n'%s COMMAND --help' explains one command.\n", t.Name)
}

// exitError carries an exit code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// Exit gives err an exit code. A nil err stays nil.
func Exit(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code, err}
}

// Usagef is an error of the person who typed the command: exit code 2.
func Usagef(format string, args ...any) error {
	return Exit(ExitUsage, fmt.Errorf(format, args...))
}

// errReported is a failure that the command has already explained.
var errReported = errors.New("failed")

// Reported ends a command with an exit code and without a further message: the
// output that the command has written says everything.
func Reported(code int) error { return Exit(code, errReported) }

// Code is the exit code for the error of a command: 0 for nil, the code given
// by Exit, else 1.
func Code(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &e):
		return e.code
	}
	return ExitFailed
}

// Print writes the message of a failed command, if it has one to write.
func Print(stderr io.Writer, err error) {
	if err == nil || errors.Is(err, errReported) {
		return
	}
	fmt.Fprintln(stderr, strings.TrimRight(err.Error(), "\n"))
}
