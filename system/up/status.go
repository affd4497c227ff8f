package up

import "net/netip"

// Status says what runs where.
type Status struct {
	Backend   string          `json:"backend"`
	Processes bool            `json:"processes"`
	Folder    string          `json:"folder"`
	Version   int64           `json:"routes_version"` // at the start
	Samples   int             `json:"samples"`        // sample routes added at the start
	Services  []ServiceStatus `json:"services"`
}

// ServiceStatus is that of one service.
type ServiceStatus struct {
	Name    string   `json:"name"`
	Network string   `json:"network"` // tcp or udp
	Addrs   []string `json:"addrs"`   // the agent's in the order of its three ports
	PID     int      `json:"pid,omitempty"`
	Running bool     `json:"running"`
}

// Status of the system now.
func (s *System) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{
		Backend: s.cfg.Backend, Processes: s.cfg.Program != "", Folder: s.cfg.Folder,
		Version: s.prepared.Version, Samples: s.prepared.Samples,
	}
	for _, name := range Services() {
		v := ServiceStatus{Name: name, Network: "tcp", Addrs: s.ports.addrs(s.cfg.IP, name)}
		if name == Agent {
			v.Network = "udp"
		}
		if p := s.parts[name]; p != nil {
			v.Running, v.PID = true, p.pid()
		}
		st.Services = append(st.Services, v)
	}
	return st
}

// Prepared is what Start found in the store.
func (s *System) Prepared() Prepared { return s.prepared }

// Addrs are the addresses at which a service is reached from this machine: one,
// or the agent's three.
func (s *System) Addrs(service string) []string {
	ip := s.cfg.IP
	switch a, _ := netip.ParseAddr(ip); {
	case a.IsUnspecified() && a.Is4():
		ip = "127.0.0.1"
	case a.IsUnspecified() && a.Is6():
		ip = "::1"
	}
	return s.ports.addrs(ip, service)
}
