package push

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lars/bench/load"
	"lars/bench/workload"
	"lars/reactor/frame"
	"lars/system/wire"
)

var two = workload.Routes{Modules: 2, Hosts: 2}

// serveRoutes is a dns whose answers about module 0 say what a test likes of the
// edit made last, and about module 1 the truth.
func serveRoutes(t *testing.T, say func(asked int, made int) (edit int)) (addr string, made *atomic.Int64) {
	t.Helper()
	made = &atomic.Int64{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for asked := 0; ; {
					request := make([]byte, frame.HeadBytes+6)
					if _, err := io.ReadFull(in, request); err != nil {
						return
					}
					var q wire.GetRouteRequest
					if q.Decode(request[frame.HeadBytes:]) != nil {
						return
					}
					a := two.Answer(1)
					if i, _ := two.Index(q.ModID, q.CmdID); i == 0 {
						asked++
						n := say(asked, int(made.Load()))
						if n < 0 {
							return
						}
						if a = two.Answer(0); n > 0 {
							a = two.Edited(0, n)
						}
					}
					if _, err := c.Write(message(a)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String(), made
}

func TestBeside(t *testing.T) {
	for _, c := range []struct {
		name    string
		timeout time.Duration
		say     func(asked, made int) int
		want    string
	}{
		{"right", 0, func(_, made int) int { return made }, ""},
		{"goes back", 0, func(asked, made int) int { return made * ((asked + 1) % 2) }, "were older than one before"},
		{"invents", 0, func(asked, made int) int { return made + 1000*(asked%2) }, "wrong content"},
		{"never tells", 100 * time.Millisecond, func(int, int) int { return 0 }, "4 of 4 watchers had not heard of the last edit"},
		{"hangs up", 100 * time.Millisecond, func(asked, made int) int { return made - 100_000*(asked/2) }, "connections ended"},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr, made := serveRoutes(t, c.say)
			w, err := workload.NewGetRoute(two, true)
			if err != nil {
				t.Fatal(err)
			}
			e := Editor{Routes: two, Next: func() int { return int(made.Load()) + 1 }, Edit: func(context.Context) (int, error) { return int(made.Add(1)), nil }}
			r, err := e.Beside(200)(t.Context(), load.Config{
				Addr: netip.MustParseAddrPort(addr), Workload: w, Rate: 500, Duration: 300 * time.Millisecond, Timeout: c.timeout,
			})
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(r.Violations(), "; ")
			if made.Load() == 0 || r.Completed == 0 || c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("%d edits, %q: want %q", made.Load(), got, c.want)
			}
		})
	}
}

func TestBesideErrors(t *testing.T) {
	addr, _ := serveRoutes(t, func(_, made int) int { return made })
	w, _ := workload.NewGetRoute(two, true)
	c := load.Config{Addr: netip.MustParseAddrPort(addr), Workload: w, Rate: 100, Duration: 100 * time.Millisecond}
	broken := Editor{Routes: two, Next: func() int { return 1 }, Edit: func(context.Context) (int, error) { return 1, io.ErrShortWrite }}
	if _, err := broken.Beside(1000)(t.Context(), c); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("an edit that fails: %v", err)
	}
	c.Addr = netip.MustParseAddrPort("127.0.0.1:1")
	if _, err := broken.Beside(1000)(t.Context(), c); !errors.Is(err, load.ErrDial) {
		t.Errorf("nobody there: %v", err)
	}
}
