package proc

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine is the part of a measurement's circumstances that stays the same from
// run to run. A value that cannot be read is a text in Missing, by field name,
// and never a zero or an empty one that could be taken for a finding.
type Machine struct {
	Architecture string            `json:"architecture"`
	CPUModel     string            `json:"cpu_model"`
	CPUStepping  string            `json:"cpu_stepping,omitempty"`
	Microcode    string            `json:"microcode,omitempty"`
	CPUs         int               `json:"cpus"`
	Sockets      int               `json:"sockets,omitempty"`
	NUMANodes    int               `json:"numa_nodes,omitempty"`
	Caches       map[string]string `json:"caches,omitempty"` // "L1 Data": "32K"
	SMT          string            `json:"smt,omitempty"`
	Hypervisor   bool              `json:"hypervisor"`
	Vendor       string            `json:"vendor,omitempty"`
	MemoryBytes  int64             `json:"memory_bytes"`
	SwapBytes    int64             `json:"swap_bytes"`

	Kernel       string            `json:"kernel"`
	KernelBuild  string            `json:"kernel_build"` // with its preemption model
	CommandLine  string            `json:"kernel_command_line,omitempty"`
	Clock        string            `json:"clock_source"`
	Clocks       string            `json:"clock_sources_available,omitempty"`
	Governor     string            `json:"governor,omitempty"`
	HugePages    string            `json:"transparent_hugepages,omitempty"`
	Mitigations  map[string]string `json:"mitigations,omitempty"`
	Sysctls      map[string]string `json:"sysctls"`
	CgroupV2     bool              `json:"cgroup_v2"`
	CgroupCPUMax string            `json:"cgroup_cpu_max,omitempty"`
	LoopbackMTU  string            `json:"loopback_mtu,omitempty"`
	Container    string            `json:"container,omitempty"`

	Missing map[string]string `json:"missing,omitempty"`
}

// Process is the part that a build or a run decides.
type Process struct {
	Go         string            `json:"go"`
	GOMAXPROCS int               `json:"gomaxprocs"`
	Settings   map[string]string `json:"settings,omitempty"`    // of the build: -race, GOAMD64, vcs.revision ...
	Variables  map[string]string `json:"environment,omitempty"` // GOGC, GOMEMLIMIT, GODEBUG, GOMAXPROCS as set
	FilesSoft  uint64            `json:"files_soft"`
	FilesHard  uint64            `json:"files_hard"`
	Allowed    []int             `json:"allowed_cpus"`
	Missing    map[string]string `json:"missing,omitempty"`
}

// sysctls that change what a network benchmark measures.
var sysctls = [...]string{
	"kernel/perf_event_paranoid", "kernel/randomize_va_space", "kernel/sched_autogroup_enabled",
	"net/core/somaxconn", "net/core/rmem_max", "net/core/wmem_max", "net/core/busy_poll", "net/core/busy_read",
	"net/core/netdev_budget", "net/core/default_qdisc",
	"net/ipv4/tcp_rmem", "net/ipv4/tcp_wmem", "net/ipv4/tcp_congestion_control", "net/ipv4/ip_local_port_range",
	"net/ipv4/tcp_tw_reuse", "net/ipv4/tcp_max_syn_backlog", "net/ipv4/tcp_autocorking", "vm/swappiness",
}

// reader collects what cannot be read.
type reader struct{ missing map[string]string }

func (r *reader) line(name, path string) string {
	text, err := readLine(path)
	if err != nil {
		r.missing[name] = err.Error()
	}
	return text
}

func (r *reader) note(name string, err error) {
	if err != nil {
		r.missing[name] = err.Error()
	}
}

// ReadMachine describes the machine. It takes some milliseconds.
func ReadMachine() Machine {
	r := reader{map[string]string{}}
	m := Machine{Architecture: runtime.GOARCH, Missing: r.missing}
	m.readCPU(&r)
	m.readMemory(&r)
	m.readKernel(&r)
	m.Sysctls = map[string]string{}
	for _, name := range sysctls {
		if text := r.line("sysctl "+name, "/proc/sys/"+name); text != "" {
			m.Sysctls[strings.ReplaceAll(name, "/", ".")] = strings.Join(strings.Fields(text), " ")
		}
	}
	m.LoopbackMTU = r.line("loopback_mtu", "/sys/class/net/lo/mtu")
	m.Container = container()
	return m
}

func (m *Machine) readCPU(r *reader) {
	info, err := readFields("/proc/cpuinfo")
	r.note("cpu_model", err)
	m.CPUModel, m.CPUStepping, m.Microcode = info["model name"], info["stepping"], info["microcode"]
	if m.CPUModel == "" && err == nil {
		r.missing["cpu_model"] = "no model name in /proc/cpuinfo"
	}
	m.Hypervisor = strings.Contains(" "+info["flags"]+" ", " hypervisor ")
	m.CPUs, err = onlineCPUs()
	r.note("cpus", err)
	packages := map[string]bool{}
	ids, _ := filepath.Glob("/sys/devices/system/cpu/cpu[0-9]*/topology/physical_package_id")
	for _, path := range ids {
		if id, err := readLine(path); err == nil {
			packages[id] = true
		}
	}
	m.Sockets = len(packages)
	nodes, _ := filepath.Glob("/sys/devices/system/node/node[0-9]*")
	m.NUMANodes = len(nodes)
	m.SMT = r.line("smt", "/sys/devices/system/cpu/smt/control")
	m.Governor = r.line("governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
	m.Caches = caches()
	m.Vendor = r.line("vendor", "/sys/class/dmi/id/sys_vendor")
}

// onlineCPUs is what the kernel runs, whatever this process may use.
func onlineCPUs() (int, error) {
	list, err := readLine("/sys/devices/system/cpu/online")
	if err != nil {
		return 0, err
	}
	cpus, err := ParseCPUs(list)
	return len(cpus), err
}

func caches() map[string]string {
	out := map[string]string{}
	dirs, _ := filepath.Glob("/sys/devices/system/cpu/cpu0/cache/index[0-9]*")
	for _, dir := range dirs {
		level, err1 := readLine(filepath.Join(dir, "level"))
		kind, err2 := readLine(filepath.Join(dir, "type"))
		size, err3 := readLine(filepath.Join(dir, "size"))
		if err1 == nil && err2 == nil && err3 == nil {
			out["L"+level+" "+kind] = size
		}
	}
	return out
}

func (m *Machine) readMemory(r *reader) {
	info, err := readFields("/proc/meminfo")
	r.note("memory_bytes", err)
	if err != nil {
		return
	}
	m.MemoryBytes, err = info.bytes("MemTotal")
	r.note("memory_bytes", err)
	m.SwapBytes, err = info.bytes("SwapTotal")
	r.note("swap_bytes", err)
}

func (m *Machine) readKernel(r *reader) {
	var u unix.Utsname
	r.note("kernel", unix.Uname(&u))
	m.Kernel, m.KernelBuild = unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Version[:])
	m.CommandLine = tuning(r.line("kernel_command_line", "/proc/cmdline"))
	m.Clock = r.line("clock_source", "/sys/devices/system/clocksource/clocksource0/current_clocksource")
	m.Clocks = r.line("clock_sources_available", "/sys/devices/system/clocksource/clocksource0/available_clocksource")
	m.HugePages = r.line("transparent_hugepages", "/sys/kernel/mm/transparent_hugepage/enabled")
	m.Mitigations = map[string]string{}
	files, _ := filepath.Glob("/sys/devices/system/cpu/vulnerabilities/*")
	for _, path := range files {
		if text, err := readLine(path); err == nil {
			m.Mitigations[filepath.Base(path)] = text
		}
	}
	_, err := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	m.CgroupV2 = err == nil
	if m.CgroupV2 {
		m.CgroupCPUMax = cgroupCPUMax()
	}
}

// cgroupCPUMax is the processor quota of this process's own group, if it has one.
func cgroupCPUMax() string {
	raw, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	group := strings.TrimPrefix(strings.TrimSpace(string(raw)), "0::")
	text, err := readLine(filepath.Join("/sys/fs/cgroup", filepath.Clean("/"+group), "cpu.max"))
	if err != nil {
		return ""
	}
	return text
}

// container names the usual marks of one; empty means that none was found.
func container() string {
	for path, name := range map[string]string{"/.dockerenv": "docker", "/run/.containerenv": "podman"} {
		if _, err := os.Stat(path); err == nil {
			return name
		}
	}
	return os.Getenv("container") // systemd-nspawn, lxc
}

// ID names the class of machine: equal descriptions have equal ones, and what
// cannot be read counts as well.
func (m Machine) ID() string {
	raw, err := json.Marshal(m) // maps are written in the order of their keys
	if err != nil {
		return "unknown"
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}

// tuningParameters begin the kernel parameters that change how fast programs
// run. The others say how the machine boots, and may be nobody's business.
var tuningParameters = [...]string{
	"mitigations", "isolcpus", "nohz", "rcu", "irqaffinity", "preempt", "threadirqs", "skew_tick", "idle", "processor.", "intel_idle", "intel_pstate",
	"amd_pstate", "cpuidle", "haltpoll", "cpufreq", "nosmt", "maxcpus", "nr_cpus", "clocksource", "tsc", "highres", "hpet", "transparent_hugepage",
	"hugepage", "default_hugepage", "numa", "psi", "cgroup", "systemd.unified_cgroup", "audit", "selinux", "apparmor", "spec", "retbleed", "pti", "nopti", "kpti",
	"l1tf", "mds", "tsx", "srbds", "mmio_stale_data", "gather_data_sampling", "slab", "init_on_", "page_alloc", "page_poison", "kvm", "elevator", "nowatchdog", "nmi_watchdog",
}

// tuning keeps those of a kernel command line; what follows "--" is for init.
func tuning(line string) string {
	var out []string
	for _, word := range strings.Fields(line) {
		if word == "--" {
			break
		}
		if slices.ContainsFunc(tuningParameters[:], func(p string) bool { return strings.HasPrefix(word, p) }) {
			out = append(out, word)
		}
	}
	return strings.Join(out, " ")
}

// ReadProcess describes this process.
func ReadProcess() Process {
	r := reader{map[string]string{}}
	p := Process{
		Go: runtime.Version(), GOMAXPROCS: runtime.GOMAXPROCS(0), Missing: r.missing,
		Settings: map[string]string{}, Variables: map[string]string{},
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			p.Settings[s.Key] = s.Value
		}
	} else {
		r.missing["settings"] = "the binary holds no build information"
	}
	for _, name := range []string{"GOGC", "GOMEMLIMIT", "GODEBUG", "GOMAXPROCS", "GOFLAGS"} {
		if v, ok := os.LookupEnv(name); ok {
			p.Variables[name] = v
		}
	}
	var err error
	p.FilesSoft, p.FilesHard, err = FileLimit()
	r.note("files", err)
	p.Allowed, err = AllowedCPUs(0)
	r.note("allowed_cpus", err)
	return p
}

// Counters are the machine's network counters since boot that tell of trouble
// on the way: by "Tcp.RetransSegs", "TcpExt.ListenOverflows", "Udp.RcvbufErrors".
type Counters map[string]int64

// ReadNetwork reads them from /proc/net/snmp and netstat.
func ReadNetwork() (Counters, error) {
	out := Counters{}
	for _, path := range []string{"/proc/net/snmp", "/proc/net/netstat"} {
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, unavailable(path, err)
		}
		out.parse(string(raw))
	}
	return out, nil
}

// parse reads pairs of lines: names, then values, both headed "Tcp:".
func (c Counters) parse(text string) {
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		names := strings.Fields(lines.Text())
		if !lines.Scan() {
			return
		}
		values := strings.Fields(lines.Text())
		for i := 1; i < len(names) && i < len(values); i++ {
			if n, err := strconv.ParseInt(values[i], 10, 64); err == nil {
				c[strings.TrimSuffix(names[0], ":")+"."+names[i]] = n
			}
		}
	}
}

// Since gives the counters that moved from an earlier reading to c.
func (c Counters) Since(before Counters) Counters {
	moved := Counters{}
	for name, n := range c {
		if d := n - before[name]; d != 0 {
			moved[name] = d
		}
	}
	return moved
}
