package wire

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	"lars/system/larspb"
)

// differ checks one body against the generated code: the same verdict, and the
// same bytes when both encode what they read (unknown fields left out), which
// means the same values. It is the whole law of this package; there is no
// documented difference.
func differ(t *testing.T, body []byte, ours message, theirs proto.Message) {
	t.Helper()
	err := ours.Decode(body)
	want := proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(body, theirs)
	if (err == nil) != (want == nil) {
		t.Fatalf("%T of %x: %v; larspb says %v", ours, body, err, want)
	}
	if err != nil {
		return
	}
	expect, err := proto.MarshalOptions{Deterministic: true}.Marshal(theirs)
	if err != nil {
		t.Fatal(err)
	}
	got := ours.AppendTo(nil)
	if !bytes.Equal(got, expect) || ours.Size() != len(got) {
		t.Fatalf("%T of %x: encoded %x (Size %d); larspb %x", ours, body, got, ours.Size(), expect)
	}
}

// seed adds every captured body, whatever its message: all are bytes.
func seed(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.body)
	}
	for _, m := range sample() {
		f.Add(m.AppendTo(nil))
	}
	f.Add([]byte("\x80\x01\x01\x81\x01\x01\x00\x00\x00\x00\x00\x00\x00\x88\x01\x05"))
	f.Add([]byte("\xfa\xff\xff\xff\x7f\x01\x01")) // field number above the maximum
}

func FuzzGetRouteRequest(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) { differ(t, b, new(GetRouteRequest), new(larspb.GetRouteRequest)) })
}

func FuzzGetRouteResponse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) { differ(t, b, new(GetRouteResponse), new(larspb.GetRouteResponse)) })
}

func FuzzReportStatusRequest(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) { differ(t, b, new(ReportStatusRequest), new(larspb.ReportStatusRequest)) })
}

func FuzzGetHostRequest(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) { differ(t, b, new(GetHostRequest), new(larspb.GetHostRequest)) })
}

func FuzzGetHostResponse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) { differ(t, b, new(GetHostResponse), new(larspb.GetHostResponse)) })
}

func FuzzReportRequest(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) { differ(t, b, new(ReportRequest), new(larspb.ReportRequest)) })
}

func FuzzHints(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) { differ(t, b, new(Hints), new(larspb.Hints)) })
}

func FuzzEchoMessage(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) { differ(t, b, new(EchoMessage), new(larspb.EchoMessage)) })
}
