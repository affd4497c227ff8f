package drivertest

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// patienceWith is short for bugs that a case finds by waiting in vain; it only
// decides how soon a case fails that fails anyway. The others are found by what
// happens, for which a slow machine may need its time.
func patienceWith(b bug) time.Duration {
	switch b {
	case bugPostBlocks, bugTimerForgotten, bugTimerStarves, bugRefusedStays, bugAcceptDies,
		bugForeignLoop, bugForgetsResume, bugNoOutputLimit, bugNoDrained, bugNoInputLimit, bugKeepsBuffers,
		bugConnsCount, bugNeverClosed, bugAbortWaits, bugLeaksGoroutine, bugLeaksDescriptor,
		bugCloseStuck, bugTimerBeside, bugLosesFirst, bugOneOpener, bugPortUnknown, bugDropsEmpty, bugLosesDatagram, bugNotConnected, bugFailedSilent, bugPacketDies:
		return 300 * time.Millisecond
	}
	return patienceDefault
}

// broken says which cases find a bug, and a part of what they say.
var broken = []struct {
	bug   bug
	says  string
	cases []string
}{
	{bugOverlaps, "was called while", []string{"Tasks/OnTheirLoop"}},
	{bugPostInline, "was called while", []string{"Tasks/NotInsidePost"}},
	{bugPostBlocks, "Post returns", []string{"Tasks/PostNeverBlocks"}},
	{bugPostAfterClose, "reported true", []string{"Tasks/AfterClose"}},
	{bugPostLies, "although its Post", []string{"Tasks/PostWhileClosing"}},
	{bugTasksReversed, "", []string{"Tasks/Order", "Tasks/ManyGoroutines"}},

	{bugTimerEarly, "by the loop's clock", []string{"Timers/NotEarly"}},
	{bugTimerOrder, "order", []string{"Timers/Order"}},
	{bugTimerInline, "while another", []string{"Timers/NotEarly", "Timers/InsideTimers"}},
	{bugTimerForgotten, "did not happen", []string{"Timers/Order", "Timers/OrderWhenLate"}},
	{bugTimerNotCancelled, "cancelled", []string{"Timers/Cancel"}},
	{bugTimerStarves, "did not happen", []string{"Timers/ZeroDelayDoesNotStarve"}},
	{bugTimerBeside, "while", []string{"Timers/OnTheirLoop"}},
	{bugNowMoves, "within one callback", []string{"Timers/NowIsSteady"}},

	{bugListenTwice, "EADDRINUSE", []string{"Listen/PortInUse", "Packet/PortInUse"}},
	{bugPortKept, "address already in use", []string{"Listen/CloseReleasesPort"}},
	{bugListenerTakesConns, "", []string{"Listen/CloseReleasesPort", "Listen/CloseInCallback"}},
	{bugRefusedStays, "did not get to", []string{"Listen/Refuse", "Dial/RefusedByOpener"}},
	{bugAcceptDies, "", []string{"Accept/DescriptorsExhausted"}},
	{bugNoReusePort, "address already in use", []string{"Listen/ReusePort", "Packet/ReusePort"}},
	{bugFirstLoop, "put", []string{"Spread/RoundRobin"}},
	{bugLeastIgnored, "had fewer", []string{"Spread/LeastConns"}},
	{bugWrongRemote, "want", []string{"Listen/Addresses", "Dial/Addresses", "Listen/IPv6"}},
	{bugOneOpener, "", []string{"Listen/SeveralListeners"}},
	{bugEvicts, "", []string{"Load/ManyOpen"}},
	{bugInherited, "close-on-exec", []string{"Options/CloseOnExec"}},

	{bugDialBoth, "the dial failed", []string{"Dial/Addresses", "Echo/Sizes/dialled"}},
	{bugDialBoth, "dials ended", []string{"Dial/Many"}},
	{bugDialError, "ECONNREFUSED", []string{"Dial/Refused"}},
	{bugDialTimeout, "ErrDialTimeout", []string{"Dial/Timeout"}},
	{bugDialForgotten, "ErrEngineClosed", []string{"Dial/EngineClosed"}},
	{bugForeignLoop, "ErrForeignLoop", []string{"Dial/ForeignLoop"}},
	{bugWrongLoop, "is on loop", []string{"Dial/Addresses"}},

	{bugNested, "while another", []string{"Load/CallbacksNeverOverlap/accepted"}},
	{bugLosesFirst, "", []string{"Dial/PeerSpeaksFirst", "Echo/OneByteWrites/accepted"}},
	{bugSpins, "asked for events", []string{"Pause/DoesNotSpin/accepted"}},
	{bugLowInputLimit, "", []string{"Frames/Large/accepted"}},
	{bugLimitsArrived, "", []string{"Input/NotFullWhenConsumed/accepted"}},
	{bugLimitsLeft, "", []string{"Close/LeavesInput/accepted"}},
	{bugPoolCloses, "", []string{"Output/PoolLimit/accepted"}},
	{bugLosesByte, "bytes differ", []string{"Output/Drained/accepted", "Output/DrainedLowMark/dialled", "Close/SendsAllFirst/accepted"}},
	{bugLosesByte, "is", []string{"Output/PushToSlowPeer/accepted"}},
	{bugReorders, "bytes differ", []string{
		"Echo/SplitEverywhere/accepted", "Echo/Sizes/accepted", "Echo/Many/dialled", "Echo/BothEndsOfTheDriver/dialled",
		"Frames/ManyInOneSegment/accepted", "Output/Allocs/accepted", "Output/OneLargeAlloc/accepted",
	}},
	{bugDropsPartial, "", []string{
		"Input/PartialConsumption/accepted", "Frames/OneInManySegments/dialled", "Input/PoolLimit/accepted",
	}},
	{bugShowsTwice, "", []string{"Frames/OneInManySegments/accepted"}},
	{bugNoInputLimit, "Closed", []string{"Input/Full/accepted"}},
	{bugReadsAhead, "read ahead", []string{"Input/AheadWhilePaused/accepted", "Input/AheadWhileBusy/accepted", "Input/AheadWhileBusy/dialled"}},
	{bugIgnoresPause, "on a paused connection", []string{"Pause/HoldsInput/accepted", "Pause/InOpener/dialled", "Pause/OverInputLimit/accepted", "Pause/ThenPeerCloses/accepted"}},
	{bugForgetsResume, "did not", []string{"Pause/ResumeShowsUnconsumed/accepted", "Pause/ResumeInReceived/dialled"}},
	{bugNoOutputLimit, "", []string{"Output/OneLargeAlloc/dialled", "Output/PushToSlowPeer/dialled", "Output/DrainedAtOnce/accepted", "Packet/OutputLimit"}},
	{bugNoDrained, "Drained", []string{"Output/Drained/dialled", "Output/DrainedLowMark/accepted", "Output/DrainedAtOnce/accepted"}},
	{bugNoDrained, "", []string{"Output/PushToSlowPeer/accepted"}},
	{bugKeepsBuffers, "holds no buffer", []string{"Output/PoolReturned/accepted"}},
	{bugDelay, "TCP_NODELAY", []string{"Options/Socket/accepted"}},
	{bugConnsCount, "count", []string{"Options/Stats/accepted", "Load/Churn"}},
	{bugClosedTwice, "Closed was called twice", []string{"Close/PeerCloses/accepted", "Close/InTask/dialled", "Close/Twice/accepted"}},
	{bugNeverClosed, "Closed", []string{"Close/InOpener/accepted", "Close/InReceived/dialled", "Close/InDrained/accepted", "Close/InTimer/dialled", "Packet/EngineClosed", "Engine/CloseUnderLoad/accepted", "Close/RacesPeer/accepted", "Reset/BeforeAccept"}},
	{bugReceivedAfterClosed, "Received", []string{"Close/PeerCloses/dialled", "Packet/CloseInReceived"}},
	{bugClosedInside, "while another", []string{"Close/InTask/accepted", "Close/InReceived/accepted", "Reset/WhileClosing/accepted"}},
	{bugWrongCause, "closed with", []string{"Close/InTask/accepted", "Close/AbortsWaitingClose/accepted", "Packet/Close", "Pause/ThenClose/accepted", "Reset/AfterInput/accepted", "Reset/BeforeInput/dialled", "Frames/Hostile/accepted"}},
	{bugWrongCause, "want ECONNRESET", []string{"Reset/WithUnsentOutput/accepted", "Reset/WriteAfterwards/accepted"}},
	{bugWrongCause, "ErrEngineClosed", []string{"Engine/CloseIdle/accepted"}},
	{bugEOFAsNil, "want io.EOF", []string{"Close/PeerCloses/accepted", "Close/HalfClose/accepted"}},
	{bugEOFAsNil, "want ECONNRESET", []string{"Reset/AfterInput/dialled", "Reset/WhilePaused/accepted"}},
	{bugEOFAsNil, "closed with nil", []string{"Close/HalfCloseSlowReader/accepted"}},
	{bugCloseDrops, "", []string{"Close/SendsAllFirst/dialled"}},
	{bugCloseResets, "before Close(nil)", []string{"Close/UnreadInput/accepted", "Close/UnreadInput/dialled"}},
	{bugResetIsEnd, "want ECONNRESET", []string{"Reset/AfterClose/accepted", "Reset/AfterClose/dialled"}},
	{bugAbortWaits, "Closed", []string{"Close/AbortDropsOutput/accepted"}},
	{bugAllocAfterClose, "ErrClosed", []string{"Close/InTask/accepted"}},
	{bugAddressesGo, "in Closed", []string{"Close/AddressesStay/accepted"}},
	{bugStaleReaches, "stale", []string{"Stale/NeverReachesNewConnection/accepted", "Stale/NeverReachesNewConnection/dialled"}},
	{bugLeaksGoroutine, "left behind", []string{"Close/PeerCloses/accepted", "Engine/OpenClose"}},
	{bugLeaksDescriptor, "left behind", []string{"Close/PeerCloses/accepted"}},
	{bugCloseEarly, "Engine.Close", []string{"Engine/CloseIdle/accepted"}},
	{bugClosedOpens, "on a closed engine", []string{"Engine/AfterClose"}},
	{bugCloseStuck, "context", []string{"Engine/CloseEarly"}},

	{bugTruncates, "datagram", []string{"Packet/Sizes"}},
	{bugPortUnknown, "", []string{"Packet/AnyLocal", "Packet/Connected", "Packet/IPv6"}},
	{bugDropsEmpty, "datagram", []string{"Packet/Sizes", "Packet/Batch"}},
	{bugNoTooLong, "ErrTooLong", []string{"Packet/TooLong"}},
	{bugWrongSender, "datagram", []string{"Packet/ManySenders"}},
	{bugLosesDatagram, "datagram", []string{"Packet/Push"}},
	{bugNotConnected, "", []string{"Packet/ConnectedOnlyPeer", "Packet/Unreachable"}},
	{bugFailedSilent, "Failed", []string{"Packet/Unreachable", "Packet/BadAddress"}},
	{bugPacketDies, "", []string{"Packet/Unreachable"}},
	{bugDatagramsDrop, "dropped", []string{"Packet/CloseSendsFirst"}},
	{bugDatagramsGo, "datagram", []string{"Packet/AbortDropsOutput"}},
	{bugUnsentLost, "dropped", []string{"Packet/AbortDropsOutput"}},
}

// TestEveryCaseFindsABug: a case that no broken driver fails has shown of nobody
// that it can fail. Of accepted and dialled connections one side is enough.
func TestEveryCaseFindsABug(t *testing.T) {
	whole := func(name string) string { return strings.TrimSuffix(strings.TrimSuffix(name, "/accepted"), "/dialled") }
	finds := map[string]bool{}
	for _, b := range broken {
		for _, name := range b.cases {
			finds[whole(name)] = true
		}
	}
	for _, c := range allCases() {
		if name := whole(c.name); !finds[name] {
			finds[name] = true // said once
			t.Errorf("no broken driver fails %s", name)
		}
	}
}

// TestBrokenDriversFail: the suite finds each bug, in the cases that are for
// it, and says what is wrong.
func TestBrokenDriversFail(t *testing.T) {
	raiseDescriptorLimit(t)
	byName := map[string]testCase{}
	for _, c := range allCases() {
		byName[c.name] = c
	}
	for i, b := range broken {
		t.Run(fmt.Sprintf("%d_%s", i, strings.ReplaceAll(string(b.bug), " ", "_")), func(t *testing.T) {
			h := Harness{Driver: refDriver{bug: b.bug}}
			if inChild() {
				runChild(t, h)
				return
			}
			for _, name := range b.cases {
				c, known := byName[name]
				if !known {
					t.Fatalf("there is no case %s", name)
				}
				if strings.HasSuffix(name, "/IPv6") && !hasIPv6() {
					continue // there the case only asks that the driver says so
				}
				said := failure(t.Name(), h, c, b.bug, b.says)
				if said == "" {
					t.Errorf("%s did not fail for a driver that %s", name, b.bug)
				} else if !strings.Contains(said, b.says) {
					t.Errorf("%s failed, but not with %q: %s", name, b.says, said)
				}
			}
		})
	}
}

func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
}

// failure is what a case says of a driver with a bug. Where impatience may have
// been what failed, on a machine that is slow now, it is asked again.
func failure(name string, h Harness, c testCase, b bug, says string) (said string) {
	for patience := patienceWith(b); ; patience *= 10 {
		said = runRecorded(name, h, c, min(patience, patienceDefault))
		if strings.Contains(said, says) || patience >= patienceDefault {
			return said
		}
	}
}

// A recorder takes the place of testing.T.
type recorder struct {
	name string
	mu   sync.Mutex
	said strings.Builder
}

func (*recorder) Helper()             {}
func (r *recorder) Name() string      { return r.name }
func (*recorder) Logf(string, ...any) {}
func (*recorder) FailNow()            { runtime.Goexit() }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(&r.said, format+"\n", args...)
}

// runRecorded runs a case and returns what it failed with.
func runRecorded(name string, h Harness, c testCase, patience time.Duration) string {
	r, done := &recorder{name: name}, make(chan struct{})
	go func() {
		defer close(done)
		runCase(r, h, c, patience)
	}()
	<-done
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said.String()
}
