package service

import (
	"encoding/json"

	"google.golang.org/protobuf/proto"

	"lars/reactor"
	"lars/system/larspb"
)

// StatsAnswer is the answer to the body of a StatsRequest: stats as JSON, with
// what the reactor counts. An error says that body is no such question. People
// ask it, so it may allocate.
func StatsAnswer(body []byte, name string, stats func() any, r *reactor.Reactor) ([]byte, error) {
	var q larspb.StatsRequest
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, &q); err != nil {
		return nil, err
	}
	text, err := json.Marshal(map[string]any{"service": stats(), "reactor": withoutLoops{Stats: r.Stats()}})
	if err != nil {
		return nil, err
	}
	return proto.Marshal(&larspb.StatsResponse{Seq: q.GetSeq(), Service: name, Figures: string(text)})
}

// withoutLoops leaves out the only list: it has an entry for each loop.
type withoutLoops struct {
	reactor.Stats
	Loops *int `json:"loops,omitempty"`
}
