package lars

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"time"

	"google.golang.org/protobuf/proto"

	"lars/reactor/frame"
	"lars/system/larspb"
	"lars/system/wire"
)

// ServiceStats is what a service has counted since it started.
type ServiceStats struct {
	Name    string          // dns, reporter or agent
	Figures json.RawMessage // an object with two in it: service and reactor
}

// Errors of AskStats beside those of the network.
var (
	// ErrNoStats: in the time given no answer came. A service of a release
	// without this question, or the original's, passes it over.
	ErrNoStats = errors.New("lars: the service does not tell its counters")
	// ErrBadStats: an answer came that makes no sense.
	ErrBadStats = errors.New("lars: the service tells counters that cannot be read")
)

// statsAgain is the pause after which an agent is asked once more: UDP loses.
const statsAgain = 200 * time.Millisecond

// AskStats asks a service for its counters until ctx ends: dns or the reporter
// over the network tcp, an agent over udp. It is for people and tools.
func AskStats(ctx context.Context, network, addr string) (ServiceStats, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil && ctx.Err() != nil {
		return ServiceStats{}, ErrNoStats
	}
	if err != nil {
		return ServiceStats{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	for seq := uint32(1); ; seq++ {
		body, err := proto.Marshal(&larspb.StatsRequest{Seq: seq})
		if err == nil {
			_, err = conn.Write(frame.Append(nil, wire.IDStatsRequest, body))
		}
		if err == nil && network == "udp" {
			err = conn.SetReadDeadline(time.Now().Add(statsAgain))
		}
		var s ServiceStats
		if err == nil {
			s, err = awaitStats(conn, network == "udp")
		}
		switch {
		case err != nil && ctx.Err() != nil:
			return s, ErrNoStats
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return s, err
		}
	}
}

// awaitStats reads until an answer comes; of one service, any will do.
func awaitStats(conn net.Conn, datagrams bool) (ServiceStats, error) {
	buf := make([]byte, frame.HeadBytes+wire.BodyBytesMax)
	for have := 0; ; {
		n, err := conn.Read(buf[have:])
		if err != nil {
			return ServiceStats{}, err
		}
		for have += n; ; {
			id, size, err := frame.Next(buf[:have], wire.BodyBytesMax)
			if err != nil && !datagrams {
				return ServiceStats{}, err
			}
			if size > 0 && id == wire.IDStatsResponse {
				return readStats(buf[frame.HeadBytes:size])
			}
			if size == 0 {
				break
			}
			have = copy(buf, buf[size:have])
		}
		if datagrams {
			have = 0
		}
	}
}

// readStats checks an answer.
func readStats(body []byte) (ServiceStats, error) {
	var a larspb.StatsResponse
	var object map[string]json.RawMessage
	if proto.Unmarshal(body, &a) != nil || json.Unmarshal([]byte(a.GetFigures()), &object) != nil || object == nil {
		return ServiceStats{}, ErrBadStats
	}
	return ServiceStats{Name: a.GetService(), Figures: json.RawMessage(a.GetFigures())}, nil
}
