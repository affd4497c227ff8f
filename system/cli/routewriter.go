package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// routeWriter writes lines in some form; end comes after the last.
type routeWriter struct {
	line func(routeLine) error
	end  func() error
}

// newRouteWriter makes a writer of text, csv or json.
func newRouteWriter(format string, out io.Writer) (routeWriter, error) {
	w := bufio.NewWriter(out)
	switch format {
	case "text":
		return routeWriter{
			line: func(l routeLine) error {
				_, err := fmt.Fprintf(w, "%d,%d  %s:%d\n", *l.ModID, *l.CmdID, l.IP, *l.Port)
				return err
			},
			end: w.Flush,
		}, nil
	case "csv":
		_, _ = w.WriteString(csvHead + "\n") // an error stays in w
		return routeWriter{
			line: func(l routeLine) error { _, err := w.WriteString(l.csv()); return err },
			end:  w.Flush,
		}, nil
	case "json":
		return newJSONWriter(w), nil
	}
	return routeWriter{}, fmt.Errorf("unknown format %q; known: text, csv, json", format)
}

// csv is a line that is a whole host, or settings; neither needs quotes.
func (l routeLine) csv() string {
	if l.Settings != nil {
		return fmt.Sprintf("%d,%d,,,,,,%s\n", *l.ModID, *l.CmdID, *l.Settings)
	}
	return fmt.Sprintf("%d,%d,%s,%d,%d,%d,%s,\n", *l.ModID, *l.CmdID, l.IP, *l.Port, *l.Weight, *l.Zone, onOff(*l.Drain))
}

func onOff(v bool) string {
	if v {
		return "on"
	}
	return "off"
}

// newJSONWriter writes an array with one object on each line.
func newJSONWriter(w *bufio.Writer) routeWriter {
	before := "[\n"
	return routeWriter{
		line: func(l routeLine) error {
			text, err := json.Marshal(l)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(w, "%s  %s", before, text)
			before = ",\n"
			return err
		},
		end: func() error {
			if before == "[\n" {
				_, _ = w.WriteString("[")
			}
			_, _ = w.WriteString("\n]\n")
			return w.Flush()
		},
	}
}
