package agent

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lars/reactor"
	"lars/system/route"
)

func snapshot(modules int) *route.Snapshot {
	var b route.Builder
	for n := range modules {
		for _, h := range addrs(1, n%5+1) {
			_ = b.Add(mod(int32(n), 7), h)
		}
	}
	return b.Build(1)
}

func TestRoutesFileRoundTrip(t *testing.T) {
	at := time.Unix(1574000000, 123456789)
	for _, modules := range []int{0, 1, 100} {
		s := snapshot(modules)
		agreed, routes, err := decodeRoutes(encodeRoutes(nil, at, s))
		if err != nil || !agreed.Equal(at) || len(routes) != modules {
			t.Fatalf("%d modules: %d routes, %v, %v", modules, len(routes), agreed, err)
		}
		for _, r := range routes {
			if !slices.Equal(r.Hosts, s.Lookup(r.Module)) {
				t.Errorf("%v: %v", r.Module, r.Hosts)
			}
		}
	}
}

// Cut anywhere, or with any bit changed, a file is refused.
func TestDamagedRoutesFileIsRefused(t *testing.T) {
	whole := encodeRoutes(nil, time.Now(), snapshot(20))
	for n := range whole {
		if _, _, err := decodeRoutes(whole[:n]); !errors.Is(err, errFile) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(whole), err)
		}
		bad := bytes.Clone(whole)
		bad[n] ^= 1 << (n % 8)
		if _, _, err := decodeRoutes(bad); !errors.Is(err, errFile) {
			t.Fatalf("with a bit of byte %d changed: %v", n, err)
		}
	}
	if _, _, err := decodeRoutes(append(bytes.Clone(whole), 0)); !errors.Is(err, errFile) {
		t.Error("longer than written:", err)
	}
}

// The generation before the damaged one is used.
func TestPreviousGenerationIsUsed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "routes")
	for _, modules := range []int{3, 5} {
		if err := (disk{}).Replace(path, encodeRoutes(nil, time.Now(), snapshot(modules))); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		harm   func()
		want   int
		damage bool
	}{
		{"whole", func() {}, 5, false},
		{"cut", func() { _ = os.Truncate(path, 40) }, 3, true},
		{"gone between two renames", func() { os.Remove(path) }, 3, false},
		{"both damaged", func() { _ = os.Truncate(path+".old", 9) }, 0, true},
		{"both gone", func() { os.Remove(path + ".old") }, 0, false},
	} {
		c.harm()
		_, routes, damage := readRoutes(disk{}, path)
		if len(routes) != c.want || (damage != nil) != c.damage {
			t.Errorf("%s: %d routes, %v", c.name, len(routes), damage)
		}
	}
}

func FuzzDecodeRoutes(f *testing.F) {
	f.Add(encodeRoutes(nil, time.Unix(0, 1), snapshot(3)))
	f.Add([]byte(fileMagic))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		agreed, routes, err := decodeRoutes(b)
		if err != nil {
			return
		}
		var s *route.Snapshot
		s = s.Apply(0, routes)
		again, same, err := decodeRoutes(encodeRoutes(nil, agreed, s))
		if err != nil || !again.Equal(agreed) || len(same) != s.Modules() {
			t.Fatalf("%d routes, %v", len(same), err)
		}
	})
}

// A disk that fails is counted and tried again; callers notice nothing.
func TestDiskThatFails(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		dir := filepath.Join(t.TempDir(), "not yet")
		d := startDNS(t)
		s := start(t, open(2), Config{DNS: d.where(), RoutesFile: filepath.Join(dir, "routes")})
		c := newCaller(t, s.Addrs())
		d.set(mod(1, 1), addrs(1, 1))
		c.host(mod(1, 1))
		eventually(t, "a save fails", func() bool { return s.Stats().Count(SavesFailed) > 0 })
		c.host(mod(1, 1))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a save succeeds", func() bool { return !s.Stats().Saved.IsZero() })
		if _, routes, err := readRoutes(disk{}, filepath.Join(dir, "routes")); err != nil || len(routes) != 1 {
			t.Errorf("%d routes, %v", len(routes), err)
		}
	})
}
