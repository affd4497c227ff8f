package agent

import (
	"lars/reactor/frame"
	"lars/system/route"
	"lars/system/tally"
	"lars/system/wire"
)

// shipBytesMax bounds what a shard hands to the reporter's connection at once;
// more waits, merged, in the tally.
const shipBytesMax = 1 << 20

// outbox is the part of a shard that counts calls and hands status reports to
// the reporter's connection. Used on the shard's loop only, except for away.
//
// A report's number tells the reporter what it has had already, and there a
// number below one that has come is a repeat. So after a reconnect everything
// kept in sent goes first, in its order, and only then what is new.
type outbox struct {
	shard *shard
	tally *tally.Tally // nil: there is no reporter
	sent  *tally.Sent
	at    bool // ReportEvery is "at every report"

	link    int    // number of the connection; 0: none now
	waiting bool   // away is with the connection's loop
	drained func() // of a closing agent: called once nothing is left to hand over

	full bool   // there was more than a handful to hand over
	next []byte // frames to hand over
	away []byte // frames handed over; the connection's loop reads them while waiting
	// awayLink is the connection that away is meant for.
	awayLink int

	again, againTo uint64 // numbers: those up to again were repeated, up to againTo are to be
	last           uint64 // number taken last

	taken   tally.Report
	request wire.ReportStatusRequest
	body    []byte
}

func (o *outbox) init(s *shard) (err error) {
	c := s.service.config
	o.shard, o.at = s, c.ReportEvery < 0
	if len(c.Reporter.list()) == 0 {
		return nil
	}
	o.sent = tally.NewSent(tally.SentConfig{BytesMax: c.SentBytesMax / wire.AgentPorts})
	o.tally, err = tally.New(tally.Config{Boot: s.random.Uint64() | 1, BytesMax: c.TallyBytesMax / wire.AgentPorts})
	return err
}

// call counts a call.
func (o *outbox) call(m route.Module, h route.Host, failed bool) {
	if o.tally == nil {
		return
	}
	if !o.tally.Add(m, h, failed) {
		o.shard.count.add(Uncounted)
	}
	if o.at && o.link != 0 && o.again >= o.againTo {
		o.takeOne()
		o.ship()
	}
}

// overload notes the state of a host.
func (o *outbox) overload(m route.Module, h route.Host, overloaded bool) {
	if o.tally != nil {
		o.tally.SetOverload(m, h, overloaded)
	}
}

// say notes a word on a host for other agents.
func (o *outbox) say(m route.Module, h route.Host, w tally.Word) {
	o.tally.SetSuspect(m, h, w)
	o.shard.count.add(Told)
}

// connected begins with a new connection.
func (o *outbox) connected(link int) {
	o.link, o.again, o.againTo = link, 0, o.last
	o.next = o.next[:0] // kept in sent
	o.flush()
}

// lost ends the connection.
func (o *outbox) lost(link int) {
	if o.link == link {
		o.link = 0
	}
	o.settle()
}

// flush hands over what there is, as far as there is room.
func (o *outbox) flush() {
	if o.tally == nil {
		return
	}
	if o.link != 0 && !o.waiting {
		o.repeat()
		for o.again >= o.againTo && o.takeOne() {
		}
		o.full = o.tally.Due()
		o.ship()
	}
	o.settle()
}

// repeat encodes what was sent on an earlier connection.
func (o *outbox) repeat() {
	if o.again >= o.againTo {
		return
	}
	for r := range o.sent.All(o.shard.loop.Now()) {
		if r.Number <= o.again {
			continue
		}
		if r.Number > o.againTo || len(o.next) > shipBytesMax {
			break
		}
		o.encode(r)
		o.again = r.Number
		o.shard.count.add(StatusAgain)
	}
	if len(o.next) <= shipBytesMax {
		o.again = o.againTo // the rest was kept no longer
	}
}

// takeOne encodes one report of what is new; false when there is none, or no
// room.
func (o *outbox) takeOne() bool {
	if len(o.next) > shipBytesMax || !o.tally.Take(&o.taken) {
		return false
	}
	o.last = o.taken.Number
	o.taken.Sharing = o.shard.share(&o.taken)
	early := o.sent.Early()
	o.sent.Add(o.shard.loop.Now(), &o.taken)
	o.shard.count[StatusEarly].Add(o.sent.Early() - early)
	o.encode(&o.taken)
	return true
}

// encode appends a report's frame to next.
func (o *outbox) encode(r *tally.Report) {
	q := &o.request
	*q = wire.ReportStatusRequest{
		ModID: r.Module.ModID, CmdID: r.Module.CmdID, Caller: int32(o.shard.service.caller),
		TS: uint32(o.shard.service.config.Wall().Unix()), Boot: r.Boot, Number: r.Number,
		Sharing: r.Sharing, Results: q.Results[:0],
	}
	for _, x := range r.Results {
		q.Results = append(q.Results, wire.HostCallResult{
			IP: int32(x.Host.IP), Port: int32(x.Host.Port), Succ: x.Succ, Err: x.Err,
			Overload: x.Overload, SuccAdd: x.SuccAdd, ErrAdd: x.ErrAdd, Suspect: uint32(x.Suspect),
		})
	}
	o.body = q.AppendTo(o.body[:0])
	o.next = frame.Append(o.next, wire.IDReportStatusRequest, o.body)
	o.shard.count.add(StatusSent)
}

// ship hands next to the connection's loop.
func (o *outbox) ship() {
	if o.waiting || len(o.next) == 0 {
		return
	}
	o.next, o.away = o.away[:0], o.next
	o.awayLink, o.waiting = o.link, true
	if !o.shard.service.reporter.ship(o) {
		o.waiting = false // the reactor is closed
	}
}

// credit comes back when the connection has taken away and has room again.
func (o *outbox) credit() {
	o.waiting = false
	if len(o.next) > 0 || o.again < o.againTo || o.full || o.at || o.drained != nil {
		o.flush()
	}
}

// settle tells a closing agent that nothing more is to be expected.
func (o *outbox) settle() {
	if o.drained == nil || o.waiting {
		return
	}
	if o.link == 0 || len(o.next) == 0 && o.again >= o.againTo && !o.tally.Due() {
		o.drained()
		o.drained = nil
	}
}

// drain asks for everything to be handed over soon; done is called, once, when
// it is, or cannot be.
func (o *outbox) drain(done func()) {
	if o.tally == nil {
		done()
		return
	}
	o.drained = done
	o.flush()
}
