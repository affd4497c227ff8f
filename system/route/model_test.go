package route

import (
	"errors"
	"math"
	"testing"
)

func TestMakeModule(t *testing.T) {
	for _, c := range []struct {
		modid, cmdid int64
		ok           bool
	}{
		{0, 0, true},
		{math.MaxInt32, math.MaxInt32, true},
		{-1, 0, false},
		{0, -1, false},
		{math.MaxInt32 + 1, 0, false},
		{0, math.MaxUint32, false},
	} {
		m, err := MakeModule(c.modid, c.cmdid)
		if (err == nil) != c.ok || (err != nil && !errors.Is(err, ErrModule)) {
			t.Errorf("MakeModule(%d, %d) = %v, %v", c.modid, c.cmdid, m, err)
		}
		if err == nil && moduleOf(m.key()) != m {
			t.Errorf("%v does not come back from its key", m)
		}
	}
}

func TestMakeHost(t *testing.T) {
	for _, c := range []struct {
		ip, port int64
		want     string // empty: refused
	}{
		{-1062731343, 7777, "192.168.1.177:7777"}, // as on the wire
		{3232235953, 7777, "192.168.1.177:7777"},  // as in the store
		{1, 65535, "0.0.0.1:65535"},
		{0, 80, ""},
		{1, 0, ""},
		{1, 65536, ""},
		{1, -1, ""},
		{math.MaxUint32 + 1, 80, ""},
		{math.MinInt32 - 1, 80, ""},
	} {
		h, err := MakeHost(c.ip, c.port)
		if c.want == "" {
			if !errors.Is(err, ErrHost) {
				t.Errorf("MakeHost(%d, %d) = %v, %v; want ErrHost", c.ip, c.port, h, err)
			}
			continue
		}
		if err != nil || h.String() != c.want {
			t.Errorf("MakeHost(%d, %d) = %v, %v; want %s", c.ip, c.port, h, err, c.want)
		}
		if back, err := ParseHost(h.String()); err != nil || back != h {
			t.Errorf("ParseHost(%q) = %v, %v", h.String(), back, err)
		}
	}
}

func TestParseHostRefuses(t *testing.T) {
	for _, s := range []string{"", "10.0.0.1", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.256:80", "0.0.0.0:80", "[::1]:80", "10.0.0.1:80 ", "localhost:80", "10.0.0:80"} {
		if h, err := ParseHost(s); !errors.Is(err, ErrHost) {
			t.Errorf("ParseHost(%q) = %v, %v; want ErrHost", s, h, err)
		}
	}
}

func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"10.0.0.1:80", "255.255.255.255:65535", "0.0.0.1:1", "1.2.3.4:080", "[::ffff:1.2.3.4]:80", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHost(s)
		if err != nil {
			if !errors.Is(err, ErrHost) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if again, err := ParseHost(h.String()); err != nil || again != h || !h.Valid() {
			t.Fatalf("%q is %v, which is %v, %v", s, h, again, err)
		}
	})
}
