package cli

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// Build is what the binary knows about its own making. Fields are empty when
// the toolchain did not record them (for example under go test).
type Build struct {
	Version string // module version, "(devel)" for a build from a checkout
	Commit  string // full hash of the commit
	Time    string // of the commit, RFC 3339
	Dirty   bool   // the checkout had changes that are in no commit
	Go      string // toolchain, such as go1.26.0
	Modules []Module
}

// Module is a dependency that is linked into the binary.
type Module struct{ Path, Version string }

// ReadBuild reads the build information of the running binary.
func ReadBuild() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Build{Go: runtime.Version()}
	}
	b := Build{Version: info.Main.Version, Go: info.GoVersion}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Dirty = s.Value == "true"
		}
	}
	for _, m := range info.Deps {
		b.Modules = append(b.Modules, Module{m.Path, m.Version})
	}
	return b
}

// Version is the command "version".
func Version(_ context.Context, stdout, _ io.Writer, args []string) error {
	flags := NewFlags("lars version", "", "Print what this binary was built from.", "lars version")
	if done, err := flags.Parse(stdout, args); done || err != nil {
		return err
	}
	b := ReadBuild()
	fmt.Fprintf(stdout, "lars     %s\n", orUnknown(b.Version))
	fmt.Fprintf(stdout, "commit   %s%s\n", orUnknown(b.Commit), dirtyMark(b.Dirty))
	if b.Time != "" {
		fmt.Fprintf(stdout, "date     %s\n", b.Time)
	}
	fmt.Fprintf(stdout, "go       %s %s/%s\n", b.Go, runtime.GOOS, runtime.GOARCH)
	for i, m := range b.Modules {
		label := ""
		if i == 0 {
			label = "modules"
		}
		fmt.Fprintf(stdout, "%-8s %s %s\n", label, m.Path, m.Version)
	}
	return nil
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func dirtyMark(dirty bool) string {
	if dirty {
		return " (with changes that are not committed)"
	}
	return ""
}
