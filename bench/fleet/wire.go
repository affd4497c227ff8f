package fleet

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"lars/bench/hist"
	"lars/bench/load"
	"lars/bench/pace"
)

// Protocol is said first by both sides; another one is refused.
const Protocol = "lars.bench.worker/v1"

// Limits of a message, which is a length of four bytes, most significant first,
// and JSON. Three full histograms take about 1 MB.
const (
	messageBytesMax = 4 << 20
	helloBytesMax   = 1 << 10 // before the token was proved
	writeTimeout    = 10 * time.Second
)

// Kinds of messages, in their order.
const (
	kindHello    = "hello"    // both: protocol, nonce, name
	kindProof    = "proof"    // both, the coordinator first
	kindPing     = "ping"     // to the worker: what does your clock say?
	kindPong     = "pong"     // its answer
	kindJob      = "job"      // to the worker: connect
	kindReady    = "ready"    // connected
	kindStart    = "start"    // to the worker: begin when your clock says Clock
	kindPhase    = "phase"    // a phase has begun
	kindInterval = "interval" // an interval is over
	kindReport   = "report"   // the load is over
	kindFailed   = "failed"   // instead of ready or report; Text says why
	kindAbort    = "abort"    // to the worker: stop at once, and report
)

type message struct {
	Kind     string     `json:"kind"`
	Hello    *hello     `json:"hello,omitempty"`
	Proof    []byte     `json:"proof,omitempty"`
	Clock    int64      `json:"clock,omitempty"` // of the worker, ns since it began
	Job      *Job       `json:"job,omitempty"`
	Phase    load.Phase `json:"phase,omitempty"`
	Interval *interval  `json:"interval,omitempty"`
	Report   *report    `json:"report,omitempty"`
	Text     string     `json:"text,omitempty"`
}

type hello struct {
	Protocol string `json:"protocol"`
	Role     string `json:"role"`
	Name     string `json:"name"`
	Nonce    []byte `json:"nonce"`
}

// Spec names a workload for a worker to make.
type Spec struct {
	Name     string `json:"name"`
	Payloads []int  `json:"payloads,omitempty"`
	Modules  int    `json:"modules,omitempty"`
	Hosts    int    `json:"hosts,omitempty"`
	Mix      [3]int `json:"mix"` // gethost, report, getroute
}

// Job is a worker's share of a load: the fields of load.Config that make sense
// on another machine.
type Job struct {
	Workload    Spec           `json:"workload"`
	Network     string         `json:"network"`
	Addr        netip.AddrPort `json:"addr"`
	Conns       int            `json:"conns"`
	Depth       int            `json:"depth"`
	Rate        float64        `json:"rate"`
	Arrivals    pace.Kind      `json:"arrivals"`
	Seed        uint64         `json:"seed"`
	Warmup      time.Duration  `json:"warmup_ns"`
	Duration    time.Duration  `json:"duration_ns"`
	Timeout     time.Duration  `json:"timeout_ns"`
	DialTimeout time.Duration  `json:"dial_timeout_ns"`
	Loops       int            `json:"loops"`
	Every       time.Duration  `json:"every_ns"`
	Part        load.Part      `json:"part"`
	Churn       bool           `json:"churn"`
}

// interval is a load.Interval as it crosses the network.
type interval struct {
	Phase      load.Phase    `json:"phase"`
	Start, End time.Duration // since the worker's start
	Counts     load.Counts   `json:"counts"`
	Response   *histogram    `json:"response"`
	CPU        time.Duration `json:"cpu_ns"`
	InFlight   int64         `json:"in_flight"`
	Queued     int64         `json:"queued"`
}

// report is a load.Result as it crosses the network.
type report struct {
	Clock    int64         `json:"clock"` // when the load began
	Elapsed  time.Duration `json:"elapsed_ns"`
	Cut      bool          `json:"cut"`
	Counts   load.Counts   `json:"counts"`
	Warmup   load.Counts   `json:"warmup"`
	Response *histogram    `json:"response"`
	Service  *histogram    `json:"service"`
	SendLag  *histogram    `json:"send_lag"`
	Audit    load.Audit    `json:"audit"` // without RunDelayErr
	DelayErr string        `json:"delay_err,omitempty"`
}

// histogram crosses the network exactly.
type histogram struct{ *hist.Recorder }

func (h histogram) MarshalJSON() ([]byte, error) {
	b, err := h.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	return json.Marshal(b)
}

func (h *histogram) UnmarshalJSON(text []byte) error {
	var b []byte
	if err := json.Unmarshal(text, &b); err != nil {
		return err
	}
	h.Recorder = hist.New()
	return h.UnmarshalBinary(b)
}

// ErrProtocol is a peer that says what it must not.
var ErrProtocol = errors.New("not the protocol of a worker")

func confused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// link is a connection that carries messages. One goroutine receives; several
// may send.
type link struct {
	conn  net.Conn
	limit int // bytes of a message that may be received
	mu    sync.Mutex
}

func newLink(c net.Conn) *link { return &link{conn: c, limit: helloBytesMax} }

func (l *link) send(m message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err = l.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

// receive waits for a message, for ever without a timeout.
func (l *link) receive(timeout time.Duration) (*message, error) {
	deadline := time.Time{}
	if timeout > 0 {
		deadline = time.Now().Add(timeout)
	}
	if err := l.conn.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	return readMessage(l.conn, l.limit)
}

// readMessage reads one message; memory grows with what really comes.
func readMessage(r io.Reader, limit int) (*message, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := int64(binary.BigEndian.Uint32(head[:]))
	if size > int64(limit) {
		return nil, confused("a message of %d bytes, at most %d are allowed", size, limit)
	}
	var body bytes.Buffer
	if _, err := io.CopyN(&body, r, size); err != nil {
		return nil, err
	}
	d := json.NewDecoder(&body)
	d.DisallowUnknownFields()
	var m message
	if err := d.Decode(&m); err != nil {
		return nil, confused("%v", err)
	}
	if d.More() {
		return nil, confused("more than one object in a message")
	}
	return &m, m.check()
}

// check looks for what belongs to the kind, so that nobody has to ask for nil.
func (m *message) check() error {
	ok := true
	switch m.Kind {
	case kindHello:
		ok = m.Hello != nil
	case kindProof:
		ok = len(m.Proof) > 0
	case kindJob:
		ok = m.Job != nil
	case kindInterval:
		ok = m.Interval != nil && m.Interval.Response.has() && m.Interval.Phase <= load.Draining
	case kindReport:
		ok = m.Report != nil && m.Report.Response.has() && m.Report.Service.has() && m.Report.SendLag.has()
	case kindPhase:
		ok = m.Phase <= load.Draining
	case kindPing, kindPong, kindReady, kindStart, kindFailed, kindAbort:
	default:
		return confused("a message of kind %.40q", m.Kind)
	}
	if !ok {
		return confused("an incomplete message of kind %s", m.Kind)
	}
	return nil
}

func (h *histogram) has() bool { return h != nil && h.Recorder != nil }
