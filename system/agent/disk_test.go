package agent

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"lars/reactor"
	"lars/system/balance"
	"lars/system/wire"
)

// knowledge is a keeper that has been told of so many modules, every other with
// a policy.
func knowledge(modules int) *keeper {
	k := newKeeper("routes", nil)
	for i := range modules {
		n := news{hosts: balance.Plain(addrs(1, i%5+1))}
		if i%2 == 1 {
			n.settings, n.version = "algorithm=wrr", int64(i)
			n.hosts[0].Weight, n.hosts[0].Zone, n.hosts[i%len(n.hosts)].Draining = 3, 65535, true
		}
		k.note(mod(int32(i), 7), n)
	}
	k.take(k.changes())
	return k
}

func (k *keeper) encode(at time.Time) []byte { return encodeRoutes(nil, at, k.routes, k.policies) }

func TestRoutesFileRoundTrip(t *testing.T) {
	at := time.Unix(1574000000, 123456789)
	for _, modules := range []int{0, 1, 2, 100} {
		k := knowledge(modules)
		agreed, routes, err := decodeRoutes(k.encode(at))
		if err != nil || !agreed.Equal(at) || len(routes) != modules {
			t.Fatalf("%d modules: %d routes, %v, %v", modules, len(routes), agreed, err)
		}
		for _, r := range routes {
			p, some := r.policy()
			if want, said := k.policies[r.module]; !slices.Equal(addresses(r.hosts), k.routes.Lookup(r.module)) || some != said || some && !reflect.DeepEqual(p, want) {
				t.Errorf("%v: %+v", r.module, r)
			}
		}
	}
}

// What is said no longer is kept no longer.
func TestPoliciesThatAreTakenBackLeaveTheFile(t *testing.T) {
	k := knowledge(4)
	k.note(mod(1, 7), news{hosts: balance.Plain(addrs(1, 2))})
	k.note(mod(3, 7), news{})
	k.take(k.changes())
	_, routes, err := decodeRoutes(k.encode(time.Now()))
	if err != nil || len(routes) != 3 || len(k.policies) != 0 {
		t.Fatalf("%+v, %v; %v", routes, err, k.policies)
	}
	for _, r := range routes {
		if p, some := r.policy(); some {
			t.Errorf("%v: %+v", r.module, p)
		}
	}
}

// version1 is a file of an agent that kept no policies: modules 1,1 and 2,5.
func version1() []byte {
	b := []byte("LarsRte1" +
		"\x01\x00\x00\x00\x00\x00\x00\x00" +
		"\x01\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00" + "\x01\x01\xa8\xc0\x59\x1b" + "\x02\x01\xa8\xc0\x5a\x1b" +
		"\x02\x00\x00\x00\x05\x00\x00\x00\x01\x00\x00\x00" + "\x03\x01\xa8\xc0\x5b\x1b")
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func TestRoutesFileOfVersion1IsRead(t *testing.T) {
	agreed, routes, err := decodeRoutes(version1())
	want := []said{{mod(1, 1), news{hosts: balance.Plain(addrs(1, 2))}}, {mod(2, 5), news{hosts: balance.Plain(addrs(3, 3))}}}
	if err != nil || agreed.UnixNano() != 1 || !reflect.DeepEqual(routes, want) {
		t.Errorf("%v, %+v, %v", agreed, routes, err)
	}
}

// Cut anywhere, or with any bit changed, a file is refused.
func TestDamagedRoutesFileIsRefused(t *testing.T) {
	for _, whole := range [][]byte{knowledge(20).encode(time.Now()), version1()} {
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
}

// A right checksum makes no sense of what is in a file.
func TestRoutesFileWithoutSenseIsRefused(t *testing.T) {
	for name, record := range map[string]string{
		"half a length":     "\x01\x00",
		"more than is":      "\x03\x00\x00\x00\x08\x01",
		"no message":        "\x01\x00\x00\x00\x08",
		"no host":           "\x04\x00\x00\x00\x08\x01\x10\x01",
		"host without port": "\x08\x00\x00\x00\x08\x01\x10\x01\x1a\x02\x08\x01",
		"negative module":   "\x13\x00\x00\x00\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x01\x1a\x04\x08\x01\x10\x01",
	} {
		for _, magic := range []string{fileMagic, fileMagic1} {
			b := []byte(magic + "12345678" + record)
			b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
			if _, routes, err := decodeRoutes(b); !errors.Is(err, errFile) {
				t.Errorf("%s, %s: %+v, %v", name, magic, routes, err)
			}
		}
	}
}

// The generation before the damaged one is used.
func TestPreviousGenerationIsUsed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "routes")
	for _, modules := range []int{3, 5} {
		if err := (disk{}).Replace(path, knowledge(modules).encode(time.Now())); err != nil {
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
	f.Add(knowledge(3).encode(time.Unix(0, 1)))
	f.Add(version1())
	f.Add([]byte(fileMagic + fileMagic1))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := len(b) - sumLength; n > 0 { // chance will not find it
			binary.LittleEndian.PutUint32(b[n:], crc32.Checksum(b[:n], castagnoli))
		}
		agreed, routes, err := decodeRoutes(b)
		if err != nil {
			return
		}
		k := newKeeper("routes", nil)
		k.take(routes)
		again, same, err := decodeRoutes(k.encode(agreed))
		if err != nil || !again.Equal(agreed) || len(same) != k.routes.Modules() {
			t.Fatalf("%d routes, %v", len(same), err)
		}
		for _, r := range same {
			if p, _ := r.policy(); !reflect.DeepEqual(p, k.policies[r.module]) && len(p.Settings)+len(p.Hosts) > 0 {
				t.Errorf("%v: %+v, was %+v", r.module, p, k.policies[r.module])
			}
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

// After a restart without dns a host that drains gets no calls, weights hold,
// and of settings those that had a meaning.
func TestPoliciesOutliveARestartWithoutDNS(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(int) *reactor.Reactor) {
		file := filepath.Join(t.TempDir(), "routes")
		d, m := startDNS(t), mod(1, 1)
		r := open(1)
		s := start(t, r, Config{DNS: d.where(), RoutesFile: file, Balance: "algorithm=random"})
		linked(t, s)
		d.set(m, addrs(1, 3))
		c := newCaller(t, s.Addrs())
		c.host(m)
		eventually(t, "the route is saved", func() bool { return !s.Stats().Saved.IsZero() })
		// The hosts stay the same: only what is said of them is new.
		said := []wire.HostPolicy{{HostInfo: info(addr(1)), Weight: 3}, {HostInfo: info(addr(2)), Zone: 4, Draining: true}}
		d.pushPolicy(m, "algorithm=wrr slow_start=off", 7, said...)
		eventually(t, "settings are in force", func() bool { return c.states(m, 0).GetVersion() == 7 })
		d.pushPolicy(m, "algorithm=of-tomorrow", 8, said...)
		counted(t, s, BadSettings, 1)
		before := c.states(m, 0)
		stop(t, s)
		d.stop()

		s = start(t, r, Config{DNS: d.where(), RoutesFile: file, Balance: "algorithm=random"})
		c = newCaller(t, s.Addrs())
		a := c.states(m, 0)
		if a.GetSettings() != "algorithm=wrr slow_start=off" || a.GetVersion() != 7 || before.GetVersion() != 7 {
			t.Errorf("%v, before %v", a, before)
		}
		for i, h := range a.GetHost() {
			if b := before.GetHost()[i]; h.GetWeight() != b.GetWeight() || h.GetZone() != b.GetZone() || h.GetDraining() != b.GetDraining() {
				t.Errorf("%v, before %v", h, b)
			}
		}
		if seen := c.picks(m, 40); seen[addr(1)] != 30 || seen[addr(2)] != 0 || seen[addr(3)] != 10 {
			t.Errorf("weight 3 of 4, one drains: %v", seen)
		}
		counted(t, s, BadSettings, 0)

		// dns is back and takes it all back.
		d.policy[m] = nil
		d.start()
		eventually(t, "the agent's own settings", func() bool { return c.states(m, 0).GetSettings() == "algorithm=random" })
		eventually(t, "and all hosts", func() bool { return c.picks(m, 1)[addr(2)] > 0 })
	})
}
