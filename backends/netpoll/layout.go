package netpoll

import (
	"fmt"
	"net"
	"reflect"
	"unsafe"

	"github.com/cloudwego/netpoll"
)

// layout has the places of the private fields of a netpoll connection that the
// adapter uses, and of its operator, by which a poller knows it.
type layout struct {
	output   uintptr // *netpoll.LinkBuffer, what is unsent
	trigger  uintptr // chan error, told when the poller has sent it
	remote   uintptr // net.Addr, without which a write time-out panics
	operator uintptr // *netpoll.FDOperator
	state    uintptr // int32, of the operator: its lock
	poll     uintptr // netpoll.Poll, of the operator: its poller
}

// findLayout looks the fields up by name and checks their types, so that
// another version of the library is refused instead of misread.
func findLayout() (layout, error) {
	var y layout
	c, ok := reflect.TypeFor[netpoll.TCPConnection]().FieldByName("connection")
	if !ok || c.Offset != 0 {
		return y, fmt.Errorf("netpoll: TCPConnection does not begin with a connection as the adapter expects")
	}
	op := reflect.TypeFor[netpoll.FDOperator]()
	for _, f := range []struct {
		in   reflect.Type
		name string
		kind reflect.Type
		to   *uintptr
	}{
		{c.Type, "outputBuffer", reflect.TypeFor[*netpoll.LinkBuffer](), &y.output},
		{c.Type, "writeTrigger", reflect.TypeFor[chan error](), &y.trigger},
		{c.Type, "remoteAddr", reflect.TypeFor[net.Addr](), &y.remote},
		{c.Type, "operator", reflect.TypeFor[*netpoll.FDOperator](), &y.operator},
		{op, "state", reflect.TypeFor[int32](), &y.state},
		{op, "poll", reflect.TypeFor[netpoll.Poll](), &y.poll},
	} {
		at, err := offsetOf(f.in, f.name, f.kind)
		if err != nil {
			return y, err
		}
		*f.to = at
	}
	return y, nil
}

func offsetOf(in reflect.Type, name string, kind reflect.Type) (at uintptr, err error) {
	f, ok := in.FieldByName(name)
	if !ok || f.Type != kind {
		return 0, fmt.Errorf("netpoll: this version's %v has no field %s of type %v, which the adapter needs", in, name, kind)
	}
	for i := range f.Index { // through embedded structs
		at += in.FieldByIndex(f.Index[:i+1]).Offset
	}
	return at, nil
}

// private are the fields of one connection.
type private struct {
	output  *netpoll.LinkBuffer
	trigger chan error
	op      *netpoll.FDOperator
	state   *int32
	poll    netpoll.Poll
}

// of reads the fields of c, and sets its remote address, which connections
// made from a descriptor lack.
func (y layout) of(c netpoll.Connection, remote net.Addr) private {
	p := reflect.ValueOf(c).UnsafePointer()
	if at := (*net.Addr)(unsafe.Add(p, y.remote)); *at == nil {
		*at = remote
	}
	op := *(*unsafe.Pointer)(unsafe.Add(p, y.operator))
	return private{
		output:  *(**netpoll.LinkBuffer)(unsafe.Add(p, y.output)),
		trigger: *(*chan error)(unsafe.Add(p, y.trigger)),
		op:      (*netpoll.FDOperator)(op),
		state:   (*int32)(unsafe.Add(op, y.state)),
		poll:    *(*netpoll.Poll)(unsafe.Add(op, y.poll)),
	}
}
