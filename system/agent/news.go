package agent

import (
	"slices"

	"lars/system/balance"
	"lars/system/route"
	"lars/system/wire"
)

// news is what dns says of a module.
type news struct {
	hosts    []balance.Host // none: the module does not exist, or no longer
	settings string
	version  int64 // of the settings
}

// equal reports whether dns says the same again.
func (n news) equal(o news) bool {
	return n.settings == o.settings && n.version == o.version && slices.Equal(n.hosts, o.hosts)
}

// settingsBytesMax bounds what is kept of each module.
const settingsBytesMax = 4096

// newsOf checks and copies a route. bad is how many hosts are no address.
func newsOf(r *wire.GetRouteResponse) (n news, bad int) {
	if len(r.Hosts) == 0 {
		return n, 0
	}
	n.hosts = make([]balance.Host, 0, len(r.Hosts))
	for _, h := range r.Hosts {
		host, err := route.MakeHost(int64(h.IP), int64(h.Port))
		if err != nil {
			bad++
			continue
		}
		n.hosts = append(n.hosts, balance.Host{Host: host})
	}
	if !r.HasPolicy {
		return n, bad
	}
	n.settings, n.version = string(r.Policy.Settings), r.Policy.Version
	if len(n.settings) > settingsBytesMax {
		n.settings = n.settings[:settingsBytesMax] + " too long" // no settings, as will be found
	}
	n.tune(r.Policy.Hosts)
	return n, bad
}

// tune adds what is said of single hosts. Both lists of dns are ascending, but
// need not be.
func (n *news) tune(said []wire.HostPolicy) {
	if len(said) == 0 {
		return
	}
	of := make(map[wire.HostInfo]*wire.HostPolicy, len(said))
	for i := range said {
		of[said[i].HostInfo] = &said[i]
	}
	for i := range n.hosts {
		h := &n.hosts[i]
		if p := of[wire.HostInfo{IP: int32(h.IP), Port: int32(h.Port)}]; p != nil {
			h.Weight, h.Zone, h.Draining = p.Weight, uint16(p.Zone), p.Draining
		}
	}
}

// policy is what is said beside the addresses, if anything: newsOf reads it.
func (n *news) policy() (p wire.Policy, some bool) {
	p = wire.Policy{Settings: []byte(n.settings), Version: n.version}
	for _, h := range n.hosts {
		if plain := (balance.Host{Host: h.Host}); h != plain {
			p.Hosts = append(p.Hosts, wire.HostPolicy{
				HostInfo: wire.HostInfo{IP: int32(h.IP), Port: int32(h.Port)},
				Weight:   h.Weight, Zone: uint32(h.Zone), Draining: h.Draining,
			})
		}
	}
	return p, n.settings != "" || len(p.Hosts) > 0
}

// addresses are the hosts of a route, for the file.
func addresses(hosts []balance.Host) []route.Host {
	all := make([]route.Host, len(hosts))
	for i := range hosts {
		all[i] = hosts[i].Host
	}
	return all
}
