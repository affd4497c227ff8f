package service_test

import (
	"encoding/json"
	"testing"

	"google.golang.org/protobuf/proto"

	"lars/backends/std"
	"lars/reactor"
	"lars/system/internal/service"
	"lars/system/larspb"
)

// Whatever the body, the answer is an error, or the counters with the question's
// number.
func FuzzStatsAnswer(f *testing.F) {
	r, err := reactor.Open(std.Driver{}, reactor.Config{Loops: 3})
	if err != nil {
		f.Fatal(err)
	}
	defer r.Close()
	for _, seed := range []string{"", "\x08\x07", "\x08", "\x08\x07\x82\x01\x01x", "\x0a\x01\x01"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var q larspb.StatsRequest
		want := proto.Unmarshal(body, &q)
		got, err := service.StatsAnswer(body, "dns", func() any { return map[string]int{"requests": 9} }, r)
		if (err == nil) != (want == nil) {
			t.Fatalf("%x: %v, want %v", body, err, want)
		}
		if err != nil {
			return
		}
		var a larspb.StatsResponse
		var figures map[string]map[string]any
		if err := proto.Unmarshal(got, &a); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(a.GetFigures()), &figures); err != nil {
			t.Fatal(err)
		}
		if a.GetSeq() != q.GetSeq() || a.GetService() != "dns" || figures["service"]["requests"] != 9.0 || figures["reactor"]["backend"] != "std" {
			t.Errorf("%x: %v", body, &a)
		}
		if _, some := figures["reactor"]["loops"]; some {
			t.Error("a list that grows with the loops")
		}
	})
}
