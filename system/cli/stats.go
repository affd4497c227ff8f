package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"lars/internal/cli"
	"lars/system/lars"
	"lars/system/wire"
)

// endpoint is where a service answers unless it is told otherwise; port 0: there
// is no such service.
func endpoint(service string) (network string, port int) {
	switch service {
	case "dns":
		return "tcp", wire.DNSPort
	case "reporter":
		return "tcp", wire.ReporterPort
	case "agent":
		return "udp", wire.AgentPort
	}
	return "", 0
}

// Stats is the command "lars stats".
func Stats(ctx context.Context, stdout, _ io.Writer, args []string) error {
	f := cli.NewFlags("lars stats", "dns|reporter|agent [flags]",
		"Shows what a running service has counted since it started, as it prints it at its end, and what its reactor counted.",
		"lars stats dns", "lars stats reporter --at 10.0.0.1:7779 --json", "lars stats agent --watch")
	at := f.String("at", "", "`address` of the service (default its own port on this machine)")
	asJSON := f.Bool("json", false, "print JSON, with --watch a line for each look")
	watch := f.Bool("watch", false, "go on, once a second, until interrupted")
	timeout := f.Duration("timeout", 2*time.Second, "`time` that an answer may take")
	values, flags := splitArguments(args, 1)
	if done, err := f.Parse(stdout, flags); done || err != nil {
		return err
	}
	service := strings.Join(values, " ")
	network, own := endpoint(service)
	if own == 0 {
		return f.Errorf("of which service? Known: dns, reporter, agent")
	}
	addr := cmp.Or(*at, fmt.Sprintf("127.0.0.1:%d", own))
	if host, port, err := net.SplitHostPort(addr); err != nil || host == "" || port == "" {
		return f.Errorf("--at %q: want an address and a port, such as 127.0.0.1:%d", addr, own)
	}
	return repeat(ctx, stdout, *watch, *asJSON, func() error {
		ask, cancel := context.WithTimeout(ctx, *timeout)
		defer cancel()
		s, err := lars.AskStats(ask, network, addr)
		switch {
		case errors.Is(err, lars.ErrNoStats):
			return fmt.Errorf("lars %s at %s: no answer: nothing runs there, or it is of an older release or the original's", service, addr)
		case err != nil:
			return fmt.Errorf("lars %s at %s: %w", service, addr, err)
		case s.Name != service:
			return fmt.Errorf("at %s is no %s, but %q", addr, service, s.Name)
		case *asJSON:
			_, err = fmt.Fprintf(stdout, "%s\n", s.Figures)
			return err
		}
		return figuresAsText(stdout, s.Figures)
	})
}

// repeat calls look once, or with watch once a second until ctx ends.
func repeat(ctx context.Context, stdout io.Writer, watch, asJSON bool, look func() error) error {
	for {
		if err := look(); err != nil || !watch {
			if watch && ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchEvery):
		}
		if !asJSON {
			fmt.Fprintln(stdout)
		}
	}
}

// figuresAsText prints the service's own figures first.
func figuresAsText(stdout io.Writer, all json.RawMessage) error {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(all, &parts); err != nil {
		return err
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	addFigures(w, "", parts["service"])
	addFigures(w, "reactor.", parts["reactor"])
	return w.Flush()
}

// addFigures writes the members of an object in their order, those of objects in
// it with both names.
func addFigures(w io.Writer, prefix string, object json.RawMessage) {
	d := json.NewDecoder(bytes.NewReader(object))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return
	}
	for d.More() {
		name, err := d.Token()
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			return
		}
		path := fmt.Sprint(prefix, name)
		if value[0] == '{' {
			addFigures(w, path+".", value)
			continue
		}
		text := strings.Trim(string(value), `"`)
		if ns, err := strconv.ParseInt(text, 10, 64); err == nil && strings.HasSuffix(path, "_ns") {
			path, text = strings.TrimSuffix(path, "_ns"), time.Duration(ns).String()
		}
		fmt.Fprintf(w, "%s\t%s\n", path, text)
	}
}
