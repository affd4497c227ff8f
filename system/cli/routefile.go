package cli

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"lars/system/store"
)

// Limits of a file of routes.
const (
	routeLineBytesMax = 4096    // one line of CSV
	routeFileBytesMax = 1 << 30 // a file
)

// csvHead is the first line of an export. What is not said is left empty, or out
// at the end of a line; settings are in a line without host.
const csvHead = "modid,cmdid,ip,port,weight,zone,drain,settings"

// csvFieldsMin is how many fields a route has.
const csvFieldsMin = 4

// readRoutes reads a whole file of routes, csv or json, and checks it, so that
// a file with a mistake changes nothing. The items come in order.
func readRoutes(format string, in io.Reader) ([]store.Item, error) {
	limited := &io.LimitedReader{R: in, N: routeFileBytesMax + 1}
	var items []store.Item
	add := func(l routeLine) error {
		if len(items) == store.ImportRoutesMax {
			return fmt.Errorf("more than %d routes", store.ImportRoutesMax)
		}
		it, err := l.item()
		items = append(items, it)
		return err
	}
	var err error
	switch format {
	case "csv":
		err = readCSV(limited, add)
	case "json":
		err = readJSON(limited, add)
	default:
		err = fmt.Errorf("unknown format %q; known: csv, json", format)
	}
	if limited.N == 0 {
		err = fmt.Errorf("larger than %d bytes", routeFileBytesMax)
	}
	if err != nil {
		return nil, err
	}
	return items, contradiction(items)
}

// contradiction sorts items and finds two of which not both can be.
func contradiction(items []store.Item) error {
	slices.SortFunc(items, func(a, b store.Item) int { return a.Route.Compare(b.Route) })
	for i := 1; i < len(items); i++ {
		switch a, b := items[i-1], items[i]; {
		case a.Route != b.Route:
		case a.Settings != nil && *a.Settings != *b.Settings:
			return fmt.Errorf("module %v is given settings %q and %q", a.Module, *a.Settings, *b.Settings)
		case !a.Tune.Equal(b.Tune):
			return fmt.Errorf("%v is given twice, with %q and %q", a.Route, a.Tune, b.Tune)
		}
	}
	return nil
}

func readCSV(in io.Reader, add func(routeLine) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, routeLineBytesMax)
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff")) // spreadsheets begin with a mark
		if line == "" {
			continue
		}
		fields, err := splitCSV(line)
		switch {
		case err != nil:
		case n == 1 && strings.HasPrefix(fields[0], "modid"):
			err = checkHead(fields)
		default:
			var l routeLine
			if l, err = parseCSV(fields); err == nil {
				err = add(l)
			}
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", n+1, err)
	}
	return nil
}

// splitCSV splits one line. Fields may be quoted.
func splitCSV(line string) ([]string, error) {
	r := csv.NewReader(strings.NewReader(line))
	r.TrimLeadingSpace = true
	fields, err := r.Read()
	if err != nil || len(fields) < csvFieldsMin || len(fields) > strings.Count(csvHead, ",")+1 {
		return nil, fmt.Errorf("%q: want %s, of which the last four may be left out", line, csvHead)
	}
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	return fields, nil
}

// checkHead finds columns in another order, but has no mind about the names of
// the first four.
func checkHead(fields []string) error {
	for i, want := range strings.Split(csvHead, ",")[csvFieldsMin:] {
		if at := csvFieldsMin + i; at < len(fields) && fields[at] != want {
			return fmt.Errorf("column %d is %q: want %s, in this order", at+1, fields[at], csvHead)
		}
	}
	return nil
}

func parseCSV(fields []string) (l routeLine, err error) {
	for i, to := range []**int64{&l.ModID, &l.CmdID, nil, &l.Port, &l.Weight, &l.Zone} {
		if to == nil || i >= len(fields) || fields[i] == "" {
			continue
		}
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return l, fmt.Errorf("%q: ids, port, weight and zone are numbers", fields[i])
		}
		*to = &n
	}
	l.IP = fields[2]
	if len(fields) > 6 && fields[6] != "" {
		on := fields[6] == "on"
		if !on && fields[6] != "off" {
			return l, fmt.Errorf("drain %q: allowed are on and off", fields[6])
		}
		l.Drain = &on
	}
	if len(fields) > 7 && (fields[7] != "" || l.IP == "" && l.Port == nil) {
		l.Settings = &fields[7]
	}
	return l, nil
}

func readJSON(in io.Reader, add func(routeLine) error) error {
	d := json.NewDecoder(in)
	d.DisallowUnknownFields()
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return errors.New(`want an array of routes: [{"modid":1,"cmdid":1,"ip":"192.168.1.177","port":7777}]`)
	}
	for n := 1; d.More(); n++ {
		var l routeLine
		err := d.Decode(&l)
		if err == nil {
			err = add(l)
		}
		if err != nil {
			return fmt.Errorf("route %d: %w", n, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("after the last route: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more text after the array of routes")
	}
	return nil
}
