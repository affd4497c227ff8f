package agent

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestShippedConfigurationIsTheDefault(t *testing.T) {
	var def, file Config
	def.Keys()
	if err := file.Keys().Load("../conf/lars_lb_agent.conf"); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(def, file) {
		t.Errorf("the file says\n%+v\nthe defaults are\n%+v", file, def)
	}
	if _, err := def.resolve(); err != nil {
		t.Error(err)
	}
}

// The original's file as it is, with its sections in its order.
func TestOriginalsConfiguration(t *testing.T) {
	var c Config
	err := c.Keys().Parse("lars_lb_agent.conf", `[reporter]
ip = 10.0.0.9
port = 7779
[dnsserver]
ip = 10.0.0.8
port = 7778
[loadbalance]
;经过若干次获取请求host节点后,试探选择一次overload过载节点
probe_num=10
init_succ_cnt=180
init_err_cnt=5
err_rate=0.1
succ_rate=0.92
contin_err_limit=15
contin_succ_limit=15
window_err_rate=0.7
idle_timeout=15
overload_timeout=15
update_timeout=20
`)
	if err != nil {
		t.Fatal(err)
	}
	// It balances as the agent that it replaces, with the file's numbers.
	if b, err := c.settings(""); err != nil || b.Algorithm != "classic" || b.Classic.SuccRate != 0.92 || c.knobsNote() != "" {
		t.Errorf("balanced by %+v, %v", b, err)
	}
	if b, err := c.settings("algorithm=rr"); err != nil || b.Algorithm != "rr" {
		t.Errorf("a module with settings of its own: %+v, %v", b, err)
	}
	if c.DNS.String() != "10.0.0.8:7778" || c.Reporter.String() != "10.0.0.9:7779" || c.SuccRate != 0.92 || c.UpdateTimeout != 20*time.Second {
		t.Errorf("%+v", c)
	}
}

// The original's knobs are its algorithm's: whoever turns them elsewhere is told.
func TestKnobsWithoutEffectAreTold(t *testing.T) {
	for _, tt := range []struct {
		config Config
		told   bool
	}{
		{Config{}, false},
		{Config{ProbeNum: 10}, false}, // as shipped
		{Config{ProbeNum: 3}, true},
		{Config{ProbeNum: 3, Balance: "algorithm=p2c"}, true},
		{Config{ProbeNum: 3, Balance: "algorithm=classic"}, false},
		{Config{ErrRate: 0.2, Balance: "algorithm=elb"}, false},
	} {
		if told := tt.config.knobsTurned() && tt.config.knobsNote() != ""; told != tt.told {
			t.Errorf("%+v: told is %v", tt.config, told)
		}
	}
}

func TestConfigurationRefuses(t *testing.T) {
	for _, line := range []string{
		"[loadbalance]\nprobe_num = 0", "[loadbalance]\nerr_rate = 0", "[loadbalance]\nsucc_rate = 1.5",
		"[loadbalance]\nidle_timeout = -1", "[dnsserver]\nport = 0", "[dnsserver]\nport = 70000", "[dnsserver]\nip = dns",
		"[reporter]\naddrs = 10.0.0.1", "[agent]\nport = 65534", "[agent]\ncaller = me", "[agent]\nmodules_max = 1", "[agent]\nreport_every = -2",
	} {
		var c Config
		if err := c.Keys().Parse("x", line); err == nil {
			t.Errorf("%q was accepted", line)
		}
	}
}

func TestFlagsOfAllKeys(t *testing.T) {
	var c Config
	s := c.Keys()
	fs := flag.NewFlagSet("x", flag.ContinueOnError)
	s.Flags(fs)
	args := []string{"--port", "0", "--dns", "a:1, b:2", "--reporter-ip", "10.0.0.1", "--report-every", "-1", "--routes-file", ""}
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	if c.Port != 0 || c.DNS.String() != "a:1, b:2" || c.Reporter.String() != "10.0.0.1:7779" || c.ReportEvery != -time.Second || c.RoutesFile != "" {
		t.Errorf("%+v", c)
	}
	var out strings.Builder
	s.Print(&out)
	if !strings.Contains(out.String(), "addrs = a:1, b:2\n; ^ --dns") {
		t.Error(out.String())
	}
}

func TestCallerIsTheHostsIPv4(t *testing.T) {
	if got := localIPv4("192.168.1.177"); got != 3232235953 {
		t.Errorf("%d", got)
	}
	if name, err := os.Hostname(); err == nil && name != "" {
		if got := localIPv4(""); got == 0 {
			t.Error("no address")
		}
	}
}
