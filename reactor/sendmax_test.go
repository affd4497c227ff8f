package reactor_test

import (
	"strings"
	"testing"

	"lars/reactor"
	"lars/reactor/frame"
)

// TestSendLimit: what is sent may be longer than what is taken.
func TestSendLimit(t *testing.T) {
	eachBackend(t, func(t *testing.T, open func(reactor.Config) *reactor.Reactor) {
		answer := strings.Repeat("x", 2000)
		router := reactor.NewRouter()
		router.Handle(1, func(q *reactor.Request) { _ = q.Reply(1, []byte(answer)) }, nil)
		s := listen(t, open(reactor.Config{}), reactor.ServerConfig{Endpoint: reactor.Endpoint{
			Router: router, BodyBytesMax: 10, SendBytesMax: 2000,
		}})
		p := dial(t, s.Addr())
		p.send(1, "0123456789")
		p.want(1, answer)
		_, _ = p.Write(frame.Append(nil, 1, make([]byte, 11))[:frame.HeadBytes])
		p.wantEnd()
	})
}
