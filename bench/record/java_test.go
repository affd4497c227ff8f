package record

import (
	"bufio"
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lars/bench/hist"
)

// The files in testdata/java were made once, to see that the HdrHistogram
// project's own tool reads what we write:
//
//	go test ./bench/record -run TestJava -rewrite
//	cd bench/record/testdata/java
//	for f in full compact; do
//	  java -cp /usr/share/java/hdrhistogram.jar org.HdrHistogram.HistogramLogProcessor -i $f.hlog -outputValueUnitRatio 1 -o $f.ns
//	  java -cp /usr/share/java/hdrhistogram.jar org.HdrHistogram.HistogramLogProcessor -i $f.hlog -outputValueUnitRatio 1000000 -o $f.ms
//	done
//	rm full.ms compact.ms compact.ms.hgrm
//
// with HdrHistogram 2.1.11 (Debian's libhdrhistogram-java) on OpenJDK 17. It
// adds ".hgrm" to the merged output and writes a line for each interval beside
// it.
var rewrite = flag.Bool("rewrite", false, "write testdata/java/*.hlog")

// javaRow is a line of a percentile distribution.
type javaRow struct {
	value string
	count int64
}

func readDistribution(t *testing.T, raw []byte) (rows []javaRow) {
	t.Helper()
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		if len(f) < 3 || strings.HasPrefix(line, "#") || f[0] == "Value" {
			continue
		}
		n, err := strconv.ParseInt(f[2], 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		rows = append(rows, javaRow{f[0], n})
	}
	return rows
}

func golden(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "java", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestJava: our writer still makes the log that Java read, and Java found in it
// exactly what we recorded: every value it printed is a counter of ours, with
// the same number of requests up to it, and so in each interval.
func TestJava(t *testing.T) {
	for _, name := range []string{"full", "compact"} {
		t.Run(name, func(t *testing.T) {
			b := sample(t)
			raw, err := intervalLog(b.Slices, "epoll", name == "compact")
			if err != nil {
				t.Fatal(err)
			}
			if *rewrite {
				if err := os.WriteFile(filepath.Join("testdata", "java", name+".hlog"), raw, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got, want := plainParts(raw), plainParts(golden(t, name+".hlog")); !slices.Equal(got, want) {
				t.Errorf("the log is another:\n%q\nJava read\n%q", got, want)
			}
			log, err := readLog(bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			upTo := map[int64]int64{}
			all := hist.New()
			for _, in := range log {
				for _, bucket := range in.Response {
					all.Add(bucket)
				}
			}
			seen := int64(0)
			for _, bucket := range coarse(log, name == "compact", all) {
				seen += bucket.Count
				upTo[bucket.High] = seen
			}
			rows := readDistribution(t, golden(t, name+".ns.hgrm"))
			for _, row := range rows {
				value, err := strconv.ParseFloat(row.value, 64)
				if err != nil {
					t.Fatal(err)
				}
				if n, ok := upTo[int64(value)]; !ok || n != row.count {
					t.Errorf("Java has %d requests up to %s ns, we have %d", row.count, row.value, n)
				}
			}
			if last := rows[len(rows)-1].count; last != seen || len(rows) < 50 {
				t.Errorf("Java has %d requests in %d lines, we have %d", last, len(rows), seen)
			}
			intervals := 0
			lines := bufio.NewScanner(bytes.NewReader(golden(t, name+".ns")))
			for lines.Scan() {
				if regexp.MustCompile(`^\d`).MatchString(lines.Text()) {
					intervals++
				}
			}
			if intervals != len(log) {
				t.Errorf("Java has %d intervals, we have %d", intervals, len(log))
			}
		})
	}
}

// coarse is the merged counters in the geometry of the log.
func coarse(log []LogInterval, compact bool, all *hist.Recorder) []hist.Bucket {
	var out []hist.Bucket
	if !compact {
		for b := range all.Buckets {
			out = append(out, b)
		}
		return out
	}
	sum := map[hist.Bucket]int64{}
	for _, in := range log {
		for _, b := range in.Response {
			sum[hist.Bucket{Low: b.Low, High: b.High}] += b.Count
		}
	}
	for b, n := range sum {
		out = append(out, hist.Bucket{Low: b.Low, High: b.High, Count: n})
	}
	slices.SortFunc(out, func(a, b hist.Bucket) int { return int(a.Low - b.Low) })
	return out
}

// plainParts is a log without its compressed payloads, whose bytes may change
// with the compressor.
func plainParts(raw []byte) (out []string) {
	for line := range strings.Lines(string(raw)) {
		if i := strings.Index(line, ",HISTF"); i >= 0 {
			line = line[:i]
		}
		out = append(out, strings.TrimSpace(line))
	}
	return out
}

// TestJavaPercentiles: our percentile file has the values and counts that Java
// prints of the same log.
func TestJavaPercentiles(t *testing.T) {
	b := sample(t)
	raw, err := percentileFile(b.Hists["epoll"][StageResponse], nsPerMS)
	if err != nil {
		t.Fatal(err)
	}
	ours, java := readDistribution(t, raw), readDistribution(t, golden(t, "full.ms.hgrm"))
	if !slices.Equal(ours, java) {
		t.Errorf("ours has %d lines, Java's %d:\n%v\n%v", len(ours), len(java), ours, java)
	}
}
