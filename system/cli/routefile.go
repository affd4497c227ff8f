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
	"strconv"
	"strings"

	"lars/system/store"
)

// Limits of a file of routes.
const (
	routeLineBytesMax = 4096    // one line of CSV
	routeFileBytesMax = 1 << 30 // a file
)

// csvHead is the first line of an export.
const csvHead = "modid,cmdid,ip,port"

// routeJSON is one route in a JSON file.
type routeJSON struct {
	ModID int32  `json:"modid"`
	CmdID int32  `json:"cmdid"`
	IP    string `json:"ip"`
	Port  uint16 `json:"port"`
}

func toJSON(r store.Route) routeJSON {
	return routeJSON{r.ModID, r.CmdID, ipText(r.IP), r.Port}
}

func ipText(ip uint32) string {
	return netip.AddrFrom4([4]byte{byte(ip >> 24), byte(ip >> 16), byte(ip >> 8), byte(ip)}).String()
}

// routeWriter writes routes in some form; end comes after the last.
type routeWriter struct {
	route func(store.Route) error
	end   func() error
}

// newRouteWriter makes a writer of text, csv or json.
func newRouteWriter(format string, out io.Writer) (routeWriter, error) {
	w := bufio.NewWriter(out)
	switch format {
	case "text":
		return routeWriter{
			route: func(r store.Route) error { _, err := fmt.Fprintf(w, "%v  %v\n", r.Module, r.Host); return err },
			end:   w.Flush,
		}, nil
	case "csv":
		_, _ = w.WriteString(csvHead + "\n") // an error stays in w
		return routeWriter{
			route: func(r store.Route) error {
				_, err := fmt.Fprintf(w, "%d,%d,%s,%d\n", r.ModID, r.CmdID, ipText(r.IP), r.Port)
				return err
			},
			end: w.Flush,
		}, nil
	case "json":
		return newJSONWriter(w), nil
	}
	return routeWriter{}, fmt.Errorf("unknown format %q; known: text, csv, json", format)
}

// newJSONWriter writes an array with one route on each line.
func newJSONWriter(w *bufio.Writer) routeWriter {
	before := "[\n"
	return routeWriter{
		route: func(r store.Route) error {
			line, err := json.Marshal(toJSON(r))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(w, "%s  %s", before, line)
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
// a file with a mistake changes nothing.
func readRoutes(format string, in io.Reader) ([]store.Route, error) {
	limited := &io.LimitedReader{R: in, N: routeFileBytesMax + 1}
	var routes []store.Route
	add := func(r store.Route) error {
		if len(routes) == store.ImportRoutesMax {
			return fmt.Errorf("more than %d routes", store.ImportRoutesMax)
		}
		routes = append(routes, r)
		return nil
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
	return routes, err
}

func readCSV(in io.Reader, add func(store.Route) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, routeLineBytesMax)
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff")) // spreadsheets begin with a mark
		if line == "" || n == 1 && strings.HasPrefix(strings.Trim(line, `"`), "modid") {
			continue
		}
		r, err := parseCSV(line)
		if err == nil {
			err = add(r)
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

// parseCSV reads one line. Fields may be quoted.
func parseCSV(line string) (store.Route, error) {
	r := csv.NewReader(strings.NewReader(line))
	r.TrimLeadingSpace = true
	fields, err := r.Read()
	if err != nil || len(fields) != 4 {
		return store.Route{}, fmt.Errorf("%q: want %s", line, csvHead)
	}
	modid, err1 := strconv.ParseInt(strings.TrimSpace(fields[0]), 10, 64)
	cmdid, err2 := strconv.ParseInt(strings.TrimSpace(fields[1]), 10, 64)
	port, err3 := strconv.ParseInt(strings.TrimSpace(fields[3]), 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return store.Route{}, fmt.Errorf("%q: ids and port are numbers", line)
	}
	return makeRoute(modid, cmdid, strings.TrimSpace(fields[2]), port)
}

// makeRoute checks the parts of a route. The address may also be the number
// that stands in the database.
func makeRoute(modid, cmdid int64, ip string, port int64) (store.Route, error) {
	var r store.Route
	if modid < 0 || modid > math.MaxInt32 || cmdid < 0 || cmdid > math.MaxInt32 {
		return r, fmt.Errorf("module %d,%d: ids are from 0 to %d", modid, cmdid, math.MaxInt32)
	}
	if port < 1 || port > math.MaxUint16 {
		return r, fmt.Errorf("port %d: ports are from 1 to %d", port, math.MaxUint16)
	}
	r.Module = store.Module{ModID: int32(modid), CmdID: int32(cmdid)}
	r.Port = uint16(port)
	if n, err := strconv.ParseUint(ip, 10, 32); err == nil {
		r.IP = uint32(n)
	} else if a, err := netip.ParseAddr(ip); err == nil && a.Is4() {
		b := a.As4()
		r.IP = uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	} else {
		return r, fmt.Errorf("ip %q: want an IPv4 address, such as 192.168.1.177", ip)
	}
	if r.IP == 0 {
		return r, errors.New("ip 0.0.0.0 is no address")
	}
	return r, nil
}

func readJSON(in io.Reader, add func(store.Route) error) error {
	d := json.NewDecoder(in)
	d.DisallowUnknownFields()
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return errors.New(`want an array of routes: [{"modid":1,"cmdid":1,"ip":"192.168.1.177","port":7777}]`)
	}
	for n := 1; d.More(); n++ {
		var j struct {
			ModID, CmdID, Port *int64
			IP                 string
		}
		err := d.Decode(&j)
		if err == nil && (j.ModID == nil || j.CmdID == nil || j.Port == nil) {
			err = errors.New("want modid, cmdid, ip and port")
		}
		var r store.Route
		if err == nil {
			r, err = makeRoute(*j.ModID, *j.CmdID, j.IP, *j.Port)
		}
		if err == nil {
			err = add(r)
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
