package cli

import (
	"net"
	"strings"
	"testing"
)

func TestFiguresAsText(t *testing.T) {
	var out strings.Builder
	err := figuresAsText(&out, []byte(`{"reactor":{"busy_ns":1500000,"errors":{"bad_frame":2}},"service":{"requests":7,"counts":{"picked":3},"dns":"none","list":[1],"away":false}}`))
	want := `requests                  7
counts.picked             3
dns                       none
list                      [1]
away                      false
reactor.busy              1.5ms
reactor.errors.bad_frame  2
`
	if err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestStats(t *testing.T) {
	agent, _ := agentProcess(t, "--port", "0", "--dns", plainDNS(t))
	third := agent[strings.LastIndex(agent, ",")+1:]
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, c := range []struct {
		args string
		want string // of the output, or of the error
		code int
	}{
		{"agent --at " + third, "reactor.backend ", 0},
		{"--json --at " + third + " agent", `"service":{"counts":`, 0},
		{"dns --timeout 20ms --at " + silent.Addr().String(), "older release or the original's", 1},
		{"", "Known: dns, reporter, agent", 2},
		{"web", "Known: dns, reporter, agent", 2},
		{"dns --at 7778", `--at "7778": want an address and a port`, 2},
	} {
		got, code, err := command(t, Stats, strings.Fields(c.args)...)
		if err != nil {
			got = err.Error()
		}
		if code != c.code || !strings.Contains(got, c.want) {
			t.Errorf("lars stats %s: code %d, %q; want %d, %q", c.args, code, got, c.code, c.want)
		}
	}
}
