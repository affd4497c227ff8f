package cli

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"

	"lars/system/store"
)

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
