package evio

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/tidwall/evio"
	"golang.org/x/sys/unix"
)

// layout has the places of the private fields of an evio connection that the
// adapter uses. They are touched only on evio's goroutine of the connection.
type layout struct {
	fd, out, loop uintptr // in conn: int, []byte, *loop
	idx, poll     uintptr // in loop: int, *internal.Poll
	epoll         uintptr // in internal.Poll: int
}

// layoutOf looks the fields up by name in a live connection and checks their
// types, so that another version of the library is refused, not misread.
func layoutOf(c evio.Conn) (y layout, err error) {
	t := reflect.TypeOf(c)
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return y, fmt.Errorf("evio: a connection is a %v, not a pointer to a struct as the adapter expects", t)
	}
	in := t.Elem()
	for _, f := range []struct {
		name string
		kind reflect.Kind
		to   *uintptr
	}{
		{"fd", reflect.Int, &y.fd},
		{"out", reflect.Slice, &y.out},
		{"loop", reflect.Pointer, &y.loop},
		{"idx", reflect.Int, &y.idx},
		{"poll", reflect.Pointer, &y.poll},
		{"fd", reflect.Int, &y.epoll},
	} {
		field, ok := in.FieldByName(f.name)
		if !ok || field.Type.Kind() != f.kind || f.kind == reflect.Slice && field.Type.Elem().Kind() != reflect.Uint8 {
			return y, fmt.Errorf("evio: this version's %v has no field %s of kind %v, which the adapter needs", in, f.name, f.kind)
		}
		*f.to = field.Offset
		if f.kind == reflect.Pointer { // the following names are in what it points to
			in = field.Type.Elem()
		}
	}
	return y, nil
}

// private are the fields of one connection.
type private struct {
	fd    int
	out   *[]byte // unsent output
	loop  int     // index of its loop
	epoll int     // descriptor that the loop waits on
}

func (y layout) of(c evio.Conn) private {
	p := reflect.ValueOf(c).UnsafePointer()
	loop := *(*unsafe.Pointer)(unsafe.Add(p, y.loop))
	poll := *(*unsafe.Pointer)(unsafe.Add(loop, y.poll))
	return private{
		fd:    *(*int)(unsafe.Add(p, y.fd)),
		out:   (*[]byte)(unsafe.Add(p, y.out)),
		loop:  *(*int)(unsafe.Add(loop, y.idx)),
		epoll: *(*int)(unsafe.Add(poll, y.epoll)),
	}
}

// watch makes the connection's loop wait for these events of it only.
func (p private) watch(events uint32) error {
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_MOD, p.fd, &unix.EpollEvent{Events: events, Fd: int32(p.fd)})
}
