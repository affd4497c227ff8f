package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lars/bench/record"
)

// TestPage: the same files give the same bytes; what a file says stays text;
// sections without data are not there.
func TestPage(t *testing.T) {
	dir, f := folder(t, made([]string{"floor", "epoll"}, 3))
	page, err := Page(f)
	if err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil || !bytes.Equal(page, written) {
		t.Errorf("made again it is another page (%v)", err)
	}
	text := string(page)
	for _, bad := range []string{"<script", "<img", "ZgotmplZ", "NaN", "Inf", "http://192"} {
		for i := 0; ; {
			k := strings.Index(text[i:], bad)
			if k < 0 {
				break
			}
			// As text it may stand there; as markup it may not.
			if bad != "http://192" || strings.HasSuffix(text[:i+k], `src="`) {
				t.Errorf("the page has %q: %s", bad, text[max(0, i+k-40):i+k+40])
			}
			i += k + 1
		}
	}
	for _, want := range []string{
		`id="ratios"`, `id="stages"`, "8.7 µs to 9.4 µs", `class="fault"`, "lars bench all --out &#39;it&#39;\\&#39;&#39;s; ", "prefers-color-scheme:dark", "@media print",
		"Between 30,000/s and 40,000/s with p99 within 5 ms, at 95 % confidence.", "9.00 MiB", "5.12 µs",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, link := range regexp.MustCompile(`href="#?([^"]*)"`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join(dir, link[1])); err != nil && !strings.Contains(text, `id="`+link[1]+`"`) && link[1] != "data:," {
			t.Errorf("%s leads nowhere", link[0])
		}
	}
}

func TestSectionsWithoutData(t *testing.T) {
	b := made([]string{"epoll"}, 1)
	b.Slices, b.Hists, b.Circumstances = nil, nil, nil
	a := &b.Run.Arms[0]
	*a = record.Arm{Name: "epoll", StandIns: []string{}, Metrics: []record.Metric{}, Latency: []record.Latency{}, Rounds: []record.RoundInfo{}}
	b.Run.Design.Baseline = ""
	_, f := folder(t, b)
	page, err := Page(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"ratios", "figures", "percentiles", "time", "sweep", "cost", "stages", "correctness", "generator"} {
		if bytes.Contains(page, []byte(`id="`+id+`"`)) || bytes.Contains(page, []byte(`href="#`+id+`"`)) {
			t.Errorf("section %s is there", id)
		}
	}
}

// TestWellFormed: every drawing is XML that a reader of SVG accepts.
func TestWellFormed(t *testing.T) {
	_, f := folder(t, compared(made([]string{"floor", "epoll", "std"}, 6), record.VerdictInconclusive))
	page, err := Page(f)
	if err != nil {
		t.Fatal(err)
	}
	drawings := regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAll(page, -1)
	if len(drawings) < 20 {
		t.Fatalf("%d drawings", len(drawings))
	}
	for _, svg := range drawings {
		d := xml.NewDecoder(bytes.NewReader(svg))
		for {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%v in %.200s", err, svg)
			}
		}
	}
}

func TestJudge(t *testing.T) {
	p := func(v float64) *float64 { return &v }
	for _, c := range []struct {
		low, high *float64
		better    string
		want      string
	}{
		{nil, nil, "lower", "no interval"},
		{p(0.9), p(1.2), "lower", "indistinguishable"},
		{p(1.01), p(1.04), "lower", "indistinguishable"},
		{p(1.01), p(1.06), "lower", "worse"},
		{p(0.90), p(0.99), "lower", "better"},
		{p(1.2), p(1.3), "higher", "better"},
		{p(0.7), p(0.8), "higher", "worse"},
	} {
		if got := Judge(c.low, c.high, c.better); got.Word != c.want {
			t.Errorf("%v to %v, %s is better: %s, want %s", c.low, c.high, c.better, got.Word, c.want)
		}
	}
}

// TestRatioAxis: marks lie on the axis and leave each other room.
func TestRatioAxis(t *testing.T) {
	for _, reach := range []float64{1, 1.004, 1.03, 1.08, 1.3, 1.7, 2.2, 4, 11, 90, 1e6} {
		s, marks := ratioAxis([]estimate{{ratio: reach}})
		if math.Abs(s.at(1)-0.5) > 1e-9 || len(marks) < 3 {
			t.Errorf("reach %v: 1 is at %v, marks %v", reach, s.at(1), marks)
		}
		for i, m := range marks {
			for _, other := range marks[:i] {
				if d := math.Abs(m.Share - other.Share); d < 0.07 {
					t.Errorf("reach %v: %s and %s are %.3f apart", reach, m.Label, other.Label, d)
				}
			}
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{number(0), "0"},
		{number(123456.7), "123,457"},
		{number(-1234), "−1,234"},
		{number(12.34), "12.3"},
		{number(0.5), "0.50"},
		{number(0.0123), "0.012"},
		{percent(0.95), "95 %"},
		{percent(0.0321), "3.2 %"},
		{percent(0.0001), "< 0.1 %"},
		{value(5123, "ns/op"), "5.12 µs"},
		{value(2048, "B"), "2.00 KiB"},
		{value(173618, "req/s"), "173,618/s"},
		{value(2.1, "switches/op"), "2.10"},
		{nameOf("p99.9"), "Latency p99.9"},
		{nameOf("page_faults"), "Page faults"},
		{nameOf(""), ""},
		{shell([]string{"a", "b c", "d'e", ""}), `a 'b c' 'd'\''e' ''`},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// FuzzPage: whatever number or text the files of a result hold in any place, if
// they are accepted there is a page, and no drawing has what is not a number.
func FuzzPage(f *testing.F) {
	dir, _ := folder(f, compared(made([]string{"a", "b"}, 2), record.VerdictEquivalent))
	raw, err := os.ReadFile(filepath.Join(dir, record.RunFile))
	if err != nil {
		f.Fatal(err)
	}
	for _, v := range []float64{0, -1, 1, 1e-300, 1e18, 1e308} {
		for n := uint16(0); n < 400; n += 41 {
			f.Add(n, v, "")
		}
	}
	f.Add(uint16(0), 1.0, "0001-01-01T00:00:00Z")
	path := regexp.MustCompile(` d="([^"]*)"`)
	f.Fuzz(func(t *testing.T, n uint16, v float64, text string) {
		var run any
		if err := json.Unmarshal(raw, &run); err != nil {
			t.Fatal(err)
		}
		place := int(n)
		changed, err := json.Marshal(replace(run, &place, v, text))
		if err != nil {
			return // not a number
		}
		if err := os.WriteFile(filepath.Join(dir, record.RunFile), changed, 0o644); err != nil {
			t.Fatal(err)
		}
		folder, err := record.Open(dir)
		if err != nil {
			return
		}
		page, err := Page(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, drawing := range path.FindAllSubmatch(page, -1) {
			if bytes.Contains(drawing[1], []byte("NaN")) || bytes.Contains(drawing[1], []byte("Inf")) {
				t.Fatalf("a drawing has %s", drawing[1])
			}
		}
	})
}

// replace puts v, or text if the leaf is a string, in the place of the n-th leaf
// of a document.
func replace(doc any, n *int, v float64, text string) any {
	switch d := doc.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(d)) {
			d[k] = replace(d[k], n, v, text)
		}
	case []any:
		for i := range d {
			d[i] = replace(d[i], n, v, text)
		}
	case float64:
		if *n--; *n == -1 {
			if v == math.Trunc(v) && math.Abs(v) < 1<<62 {
				return int64(v)
			}
			return v
		}
	case string:
		if *n--; *n == -1 && text != "" {
			return text
		}
	}
	return doc
}
