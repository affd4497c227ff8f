package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"lars/system/up"
	"lars/system/wire"
)

// upPrinter tells a person, or by lines of JSON a program, what "lars up" does.
type upPrinter struct {
	out   io.Writer
	json  bool
	store string // as for --store

	mu sync.Mutex
}

// upEvent is a line of "lars up --json".
type upEvent struct {
	Event      string                     `json:"event"` // up, restarted, stopping, stopped
	*up.Status                            // of up
	Store      string                     `json:"store,omitempty"`      // of up
	Away       string                     `json:"store_away,omitempty"` // of up: why it cannot be reached
	Next       []string                   `json:"next,omitempty"`       // of up: commands to try
	Service    string                     `json:"service,omitempty"`    // of restarted
	PID        int                        `json:"pid,omitempty"`        // of restarted
	Error      string                     `json:"error,omitempty"`      // of restarted: why it could not be
	Stats      map[string]json.RawMessage `json:"stats,omitempty"`      // of stopped: counters by service
}

// print writes an event as JSON or its text.
func (p *upPrinter) print(e upEvent, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.json {
		_, _ = io.WriteString(p.out, text) // nobody to tell
		return
	}
	_ = json.NewEncoder(p.out).Encode(e)
}

// up tells that the system runs.
func (p *upPrinter) up(s *up.System) {
	st, found := s.Status(), s.Prepared()
	e := upEvent{Event: "up", Status: &st, Store: p.store, Next: p.next(s.Addrs(up.Agent)[0])}
	if found.Away != nil {
		e.Away = found.Away.Error()
	}
	p.print(e, p.text(e))
}

func (p *upPrinter) text(e upEvent) string {
	var b strings.Builder
	how := "in one process"
	if e.Processes {
		how = "as processes"
	}
	fmt.Fprintf(&b, "lars is up: backend %s, %s\n", e.Backend, how)
	for _, v := range e.Services {
		fmt.Fprintf(&b, "  %-9s %s (%s)", v.Name, strings.Join(v.Addrs, " "), strings.ToUpper(v.Network))
		if v.PID != 0 {
			fmt.Fprintf(&b, ", pid %d", v.PID)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "  %-9s %s\n  %-9s %s\n  %-9s %s\n", "data", e.Folder, "store", p.store, "routes", routesText(e))
	fmt.Fprintf(&b, "Try in another terminal:\n  %s\nCtrl-C ends it.\n", strings.Join(e.Next, "\n  "))
	return b.String()
}

func routesText(e upEvent) string {
	switch {
	case e.Away != "":
		return "not known yet: the store cannot be reached, the services go on trying: " + e.Away
	case e.Samples > 0:
		return fmt.Sprintf("%d sample routes added, version %d", e.Samples, e.Version)
	}
	if e.Version == 0 {
		return "version 0: none yet, or put in by hand"
	}
	return fmt.Sprintf("version %d, as they were", e.Version)
}

// next are commands that work with this system as they stand.
func (p *upPrinter) next(at string) []string {
	agent, store := "", ""
	if at != fmt.Sprintf("127.0.0.1:%d", wire.AgentPort) {
		agent = " --agent " + at
	}
	if p.store != StoreDefault {
		store = " --store '" + p.store + "'"
	}
	lars := typed()
	return []string{
		lars + " gethost 1 1" + agent,
		lars + " route add --module 1,1 --host 127.0.0.1:9001" + store,
		lars + " getroute 1 1" + agent,
		lars + " qps --module 1,1 --duration 5s" + agent,
	}
}

// typed is how a person calls this program from where it was called: by its
// name when the shell finds it, else by the path that was typed ("bin/lars").
func typed() string {
	name := filepath.Base(os.Args[0])
	if _, err := exec.LookPath(name); err == nil {
		return name
	}
	return os.Args[0]
}

// restarted tells of a service that ended by itself.
func (p *upPrinter) restarted(service string, pid int, err error) {
	e := upEvent{Event: "restarted", Service: service, PID: pid}
	text := fmt.Sprintf("%s ended by itself and runs again, pid %d\n", service, pid)
	if err != nil {
		e.Error = err.Error()
		text = fmt.Sprintf("%s ended by itself and cannot be started, trying again: %v\n", service, err)
	}
	p.print(e, text)
}

func (p *upPrinter) stopping() {
	p.print(upEvent{Event: "stopping"}, "stopping; Ctrl-C once more ends it at once\n")
}

// stopped tells each service's last counters; a person those that are not zero.
func (p *upPrinter) stopped(stats map[string]json.RawMessage) {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(stats)) {
		fmt.Fprintf(&b, "  %-9s %s\n", name, countersText(stats[name]))
	}
	p.print(upEvent{Event: "stopped", Stats: stats}, "stopped; counters of this run:\n"+b.String())
}

// countersText shows whole numbers above zero, also those one level down.
func countersText(stats json.RawMessage) string {
	var all map[string]json.RawMessage
	if json.Unmarshal(stats, &all) != nil {
		return string(stats)
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var n int64
		var inner map[string]json.RawMessage
		switch {
		case strings.HasSuffix(name, "_ns"): // a time, no count
		case json.Unmarshal(all[name], &n) == nil && n > 0:
			parts = append(parts, fmt.Sprintf("%s %d", name, n))
		case json.Unmarshal(all[name], &inner) == nil && len(inner) > 0:
			parts = append(parts, countersText(all[name]))
		}
	}
	if len(parts) == 0 {
		return "nothing to tell"
	}
	return strings.Join(parts, ", ")
}
