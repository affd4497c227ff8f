package cli

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
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

// routeLine is one line of a file, and one object of JSON: a host of a module, or
// the module's settings.
type routeLine struct {
	ModID    *int64  `json:"modid"`
	CmdID    *int64  `json:"cmdid"`
	IP       string  `json:"ip,omitempty"`
	Port     *int64  `json:"port,omitempty"`
	Weight   *int64  `json:"weight,omitempty"`
	Zone     *int64  `json:"zone,omitempty"`
	Drain    *bool   `json:"drain,omitempty"`
	Settings *string `json:"settings,omitempty"`
}

func number[T int32 | uint16 | uint32](n T) *int64 {
	wide := int64(n)
	return &wide
}

// hostLine says all of a host, so that it is as exported after an import.
func hostLine(m store.Module, p store.HostPolicy) routeLine {
	return routeLine{
		ModID: number(m.ModID), CmdID: number(m.CmdID), IP: ipText(p.Host.IP), Port: number(p.Host.Port),
		Weight: number(max(p.Weight, 1)), Zone: number(p.Zone), Drain: &p.Draining,
	}
}

func settingsLine(m store.Module, settings string) routeLine {
	return routeLine{ModID: number(m.ModID), CmdID: number(m.CmdID), Settings: &settings}
}

func ipText(ip uint32) string {
	return netip.AddrFrom4([4]byte{byte(ip >> 24), byte(ip >> 16), byte(ip >> 8), byte(ip)}).String()
}

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

// item checks a line.
func (l routeLine) item() (it store.Item, err error) {
	if l.ModID == nil || l.CmdID == nil {
		return it, errors.New("want modid and cmdid, with ip and port or with settings")
	}
	if it.Module, err = makeModule(*l.ModID, *l.CmdID); err != nil {
		return it, err
	}
	if l.Settings != nil {
		if l.IP != "" || l.Port != nil || l.Weight != nil || l.Zone != nil || l.Drain != nil {
			return it, errors.New("settings are the module's: want them without ip, port, weight, zone and drain")
		}
		_, short, err := store.ParseSettings(*l.Settings)
		it.Settings = &short
		return it, err
	}
	if l.IP == "" || l.Port == nil {
		return it, errors.New("want modid, cmdid, ip and port")
	}
	if it.Host, err = makeHost(l.IP, *l.Port); err != nil {
		return it, err
	}
	it.Tune, err = l.tune()
	return it, err
}

func (l routeLine) tune() (t store.Tune, err error) {
	t.Draining = l.Drain
	if l.Weight != nil {
		if *l.Weight < 1 || *l.Weight > store.WeightMax {
			return t, fmt.Errorf("weight %d: allowed are 1 to %d", *l.Weight, store.WeightMax)
		}
		w := uint32(*l.Weight)
		t.Weight = &w
	}
	if l.Zone != nil {
		if *l.Zone < 0 || *l.Zone > math.MaxUint16 {
			return t, fmt.Errorf("zone %d: allowed are 0 to %d", *l.Zone, math.MaxUint16)
		}
		z := uint16(*l.Zone)
		t.Zone = &z
	}
	return t, nil
}

func makeModule(modid, cmdid int64) (store.Module, error) {
	if modid < 0 || modid > math.MaxInt32 || cmdid < 0 || cmdid > math.MaxInt32 {
		return store.Module{}, fmt.Errorf("module %d,%d: ids are from 0 to %d", modid, cmdid, math.MaxInt32)
	}
	return store.Module{ModID: int32(modid), CmdID: int32(cmdid)}, nil
}

// makeHost checks an address, which may also be the number that stands in the
// database.
func makeHost(ip string, port int64) (h store.Host, err error) {
	if port < 1 || port > math.MaxUint16 {
		return h, fmt.Errorf("port %d: ports are from 1 to %d", port, math.MaxUint16)
	}
	h.Port = uint16(port)
	if n, err := strconv.ParseUint(ip, 10, 32); err == nil {
		h.IP = uint32(n)
	} else if a, err := netip.ParseAddr(ip); err == nil && a.Is4() {
		b := a.As4()
		h.IP = uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	} else {
		return h, fmt.Errorf("ip %q: want an IPv4 address, such as 192.168.1.177", ip)
	}
	if h.IP == 0 {
		return h, errors.New("ip 0.0.0.0 is no address")
	}
	return h, nil
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
