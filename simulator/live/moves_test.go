package live

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"lars/system/balance"
	"lars/system/route"
)

// What an agent logs in this process and as a process is understood alike,
// for every state that a host may have in a route.
func TestMoves(t *testing.T) {
	for state, want := range map[balance.State]string{
		balance.Idle: "1,2 127.64.0.5:7000 false", balance.Overloaded: "1,2 127.64.0.5:7000 true",
		balance.HalfOpen: "1,2 127.64.0.5:7000 true", balance.Warming: "1,2 127.64.0.5:7000 false",
	} {
		h, err := route.ParseHost("127.64.0.5:7000")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		on := func(m route.Module, h route.Host, out bool) { got = append(got, fmt.Sprint(m, " ", h, " ", out)) }
		var line strings.Builder
		for _, l := range []*slog.Logger{
			slog.New(moves{slog.DiscardHandler, on}).With("service", "agent"), slog.New(slog.NewTextHandler(io.MultiWriter(&line, told{on}), nil)),
		} {
			l.Info("host is "+state.String(), "module", route.Module{ModID: 1, CmdID: 2}, "host", h, "why", "error rate")
			l.Info("dns is connected", "addr", "127.0.0.1:1")
		}
		if len(got) != 2 || got[0] != want || got[1] != want {
			t.Errorf("%v: %q of %s; want %q twice", state, got, line.String(), want)
		}
	}
}
