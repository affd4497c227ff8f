package record

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// seriesColumns is the first line of timeseries.csv.
var seriesColumns = []string{
	"arm", "round", "phase", "start_unix_ns", "length_ns", "sent", "completed", "errors",
	"p50_ns", "p99_ns", "server_cpu_ns", "generator_cpu_ns", "in_flight", "queued",
}

// timeSeries is one line for each interval, the warm-up too.
func timeSeries(slices []Slice) []byte {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	// A bytes.Buffer does not fail, and so neither does the writer.
	_ = w.Write(seriesColumns)
	for _, s := range slices {
		cpu := ""
		if s.ServerKnown {
			cpu = strconv.FormatInt(int64(s.ServerCPU), 10)
		}
		_ = w.Write([]string{
			s.Arm, strconv.Itoa(s.Round), s.Phase,
			integer(s.Start.UnixNano()), integer(int64(s.End.Sub(s.Start))),
			integer(s.Sent), integer(s.Completed), integer(s.Errors),
			integer(int64(s.P50)), integer(int64(s.P99)), cpu, integer(int64(s.GeneratorCPU)),
			integer(s.InFlight), integer(s.Queued),
		})
	}
	w.Flush()
	return out.Bytes()
}

func integer(n int64) string { return strconv.FormatInt(n, 10) }

// readSeries reads what timeSeries writes.
func readSeries(raw []byte) ([]Slice, error) {
	r := csv.NewReader(bytes.NewReader(raw))
	r.ReuseRecord = true
	head, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("no first line: %w", err)
	}
	if !slices.Equal(head, seriesColumns) {
		return nil, fmt.Errorf("its columns are not %v", seriesColumns)
	}
	var out []Slice
	for {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		s, err := readSlice(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(out)+2, err)
		}
		out = append(out, s)
	}
}

func readSlice(line []string) (Slice, error) {
	n := make([]int64, len(line))
	for i, cell := range line {
		if i == 0 || i == 2 || seriesColumns[i] == "server_cpu_ns" && cell == "" {
			continue
		}
		var err error
		if n[i], err = strconv.ParseInt(cell, 10, 64); err != nil {
			return Slice{}, fmt.Errorf("%s: %.40q is no whole number", seriesColumns[i], cell)
		}
	}
	if n[1] < 0 || n[4] < 0 {
		return Slice{}, errors.New("a round or length below zero")
	}
	start := time.Unix(0, n[3])
	return Slice{
		Arm: line[0], Round: int(n[1]), Phase: line[2], Start: start, End: start.Add(time.Duration(n[4])),
		Sent: n[5], Completed: n[6], Errors: n[7], P50: time.Duration(n[8]), P99: time.Duration(n[9]),
		ServerCPU: time.Duration(n[10]), ServerKnown: line[10] != "", GeneratorCPU: time.Duration(n[11]),
		InFlight: n[12], Queued: n[13],
	}, nil
}
