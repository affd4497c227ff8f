package live

import (
	"context"
	"log/slog"
	"regexp"
	"strconv"

	"lars/simulator/outcome"
	"lars/system/route"
)

// moves reads what an agent's log says about hosts.
type moves struct {
	slog.Handler
	on func(m route.Module, h route.Host, out bool)
}

// Enabled implements slog.Handler.
func (l moves) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs implements slog.Handler: the name of the service is of no use.
func (l moves) WithAttrs([]slog.Attr) slog.Handler { return l }

// Handle implements slog.Handler.
func (l moves) Handle(_ context.Context, rec slog.Record) error {
	out, is := outcome.IsOut(rec.Message)
	if !is {
		return nil
	}
	var m route.Module
	var h route.Host
	rec.Attrs(func(a slog.Attr) bool {
		switch v := a.Value.Any().(type) {
		case route.Module:
			m = v
		case route.Host:
			h = v
		}
		return true
	})
	l.on(m, h, out)
	return nil
}

// told is the same of an agent that is a process: each Write is a line of its
// log.
type told struct {
	on func(m route.Module, h route.Host, out bool)
}

var toldForm = regexp.MustCompile(`msg="(host is [a-z-]+)" module=(\d{1,9}),(\d{1,9}) host=(\S+)`)

// Write implements io.Writer.
func (t told) Write(line []byte) (int, error) {
	if m := toldForm.FindSubmatch(line); m != nil {
		out, is := outcome.IsOut(string(m[1]))
		modid, _ := strconv.Atoi(string(m[2])) // they are digits
		cmdid, _ := strconv.Atoi(string(m[3]))
		if h, err := route.ParseHost(string(m[4])); is && err == nil {
			t.on(route.Module{ModID: int32(modid), CmdID: int32(cmdid)}, h, out)
		}
	}
	return len(line), nil
}
