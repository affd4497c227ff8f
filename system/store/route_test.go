package store

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseHost(t *testing.T) {
	good := map[string]Host{
		"192.168.1.177:7777":    {IP: 3232235953, Port: 7777},
		"0.0.0.1:1":             {IP: 1, Port: 1},
		"255.255.255.255:65535": {IP: 0xFFFFFFFF, Port: 65535},
	}
	for text, want := range good {
		if got, err := ParseHost(text); err != nil || got != want {
			t.Errorf("ParseHost(%q) = %v, %v; want %v", text, got, err, want)
		}
		if got := want.String(); got != text {
			t.Errorf("%+v prints %s, want %s", want, got, text)
		}
	}
	for _, text := range []string{
		"", "1.2.3.4", "1.2.3.4:", ":80", "1.2.3.4:0", "0.0.0.0:80", "1.2.3.4:65536", "1.2.3.4:-1",
		"1.2.3:80", "1.2.3.256:80", "[::1]:80", "[::ffff:1.2.3.4]:80", "host:80", "1.2.3.4:80 ", "01.2.3.4:80",
	} {
		if got, err := ParseHost(text); !errors.Is(err, ErrInvalid) {
			t.Errorf("ParseHost(%q) = %v, %v; want ErrInvalid", text, got, err)
		}
	}
}

func FuzzParseHost(f *testing.F) {
	for _, seed := range []string{"1.2.3.4:80", "0.0.0.0:0", "[::1]:80", "1.2.3.4:99999", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ParseHost(text)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%v has no kind", err)
			}
			return
		}
		again, err := ParseHost(h.String())
		if err != nil || again != h || !h.Valid() {
			t.Errorf("%q gives %v, which gives %v, %v", text, h, again, err)
		}
	})
}

func TestFormatHosts(t *testing.T) {
	if got := FormatHosts(nil); got != "" {
		t.Errorf("no hosts print %q", got)
	}
	if got := FormatHosts([]Host{{IP: 1, Port: 2}, {IP: 0x01020304, Port: 5}}); got != "0.0.0.1:2,1.2.3.4:5" {
		t.Errorf("two hosts print %q", got)
	}
}

func TestRouteOrder(t *testing.T) {
	sorted := []Route{
		{Module{ModID: 1, CmdID: 1}, Host{IP: 1, Port: 1}},
		{Module{ModID: 1, CmdID: 1}, Host{IP: 1, Port: 2}},
		{Module{ModID: 1, CmdID: 1}, Host{IP: 0xC0000000, Port: 1}}, // addresses compare unsigned
		{Module{ModID: 1, CmdID: 2}, Host{IP: 1, Port: 1}},
		{Module{ModID: 2, CmdID: 0}, Host{IP: 1, Port: 1}},
	}
	if !slices.IsSortedFunc(sorted, Route.Compare) {
		t.Error("routes are not ordered by module, then address, then port")
	}
	if got := sorted[2].String(); got != "1,1 192.0.0.0:1" {
		t.Errorf("a route prints %q", got)
	}
}

func TestOpWords(t *testing.T) {
	seen := map[string]bool{}
	for op := OpAdd; op <= OpDrop; op++ {
		word := op.String()
		if seen[word] || strings.Contains(word, "(") || len(word) > 16 { // the width of the column
			t.Errorf("operation %d has the word %q", int(op), word)
		}
		seen[word] = true
	}
	if got := Op(0).String(); got != "op(0)" {
		t.Errorf("an unknown operation prints %q", got)
	}
}
