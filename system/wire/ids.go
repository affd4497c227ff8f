package wire

// Message ids: the msgid of the frame's head. The original defines 1 to 8;
// ids of our own start at 100.
const (
	IDGetRouteRequest     int32 = 1 // agent to dns, TCP; also subscribes
	IDGetRouteResponse    int32 = 2 // dns to agent, TCP; answer and push
	IDReportStatusRequest int32 = 3 // agent to reporter, TCP; no answer
	IDGetHostRequest      int32 = 4 // caller to agent, UDP
	IDGetHostResponse     int32 = 5 // agent to caller, UDP
	IDReportRequest       int32 = 6 // caller to agent, UDP; no answer
	IDAPIGetRouteRequest  int32 = 7 // caller to agent, UDP; body GetRouteRequest
	IDAPIGetRouteResponse int32 = 8 // agent to caller, UDP; body GetRouteResponse

	// Ours.
	IDHints int32 = 102 // dns to agent, TCP; push to those that asked for it

	// Ours, and rare, so their bodies are package larspb's.
	IDHostsRequest  int32 = 100 // tool to agent, UDP
	IDHostsResponse int32 = 101 // agent to tool, UDP
	IDStatsRequest  int32 = 103 // tool to dns or reporter, TCP, or to agent, UDP
	IDStatsResponse int32 = 104 // their answer
)

// IDEcho is the message id of EchoMessage in the original's speed test, which
// runs on a port of its own.
const IDEcho int32 = 1

// Return codes of GetHostResponse and ReportRequest.
const (
	RetSucc        int32 = 0 // a host is present; the call went well
	RetOverload    int32 = 1 // every host is overloaded; the call failed
	RetSystemError int32 = 2 // never sent by an agent; clients use it for local errors
	RetNoExist     int32 = 3 // the module has no host, or its first pull is under way
)

// Limits of a body's length, from the original's sources.
const (
	// BodyBytesMax is the longest body that the original's servers accept, on
	// TCP and in a datagram (65535 less the head).
	BodyBytesMax = 65535 - headBytes
	// DatagramBodyBytesMax is the longest body that UDP over IPv4 can carry:
	// 65507 bytes less the head. The original's agent loses longer answers.
	DatagramBodyBytesMax = 65507 - headBytes
	// RouteBodyBytesMax is the longest GetRouteResponse that a client of dns
	// accepts: the original's dns sends beyond BodyBytesMax, and the
	// original's client has a buffer of 4 MiB.
	RouteBodyBytesMax = 4 << 20

	headBytes = 8
)

// Ports of the original. An agent listens on AgentPorts UDP ports in a row.
const (
	DNSPort      = 7778
	ReporterPort = 7779
	AgentPort    = 8888
	AgentPorts   = 3
	QPSPort      = 7777
)

// PortFor tells which of the agent's UDP ports owns a module: port AgentPort +
// index, index from 0 to AgentPorts-1. ok is false for a negative id, where
// the original's index is negative and kills its agent; refuse such a module.
// Unlike in the original, the sum of two great ids does not overflow.
func PortFor(modid, cmdid int32) (index int, ok bool) {
	if modid < 0 || cmdid < 0 {
		return 0, false
	}
	return int((int64(modid) + int64(cmdid)) % AgentPorts), true
}
