package evio

import (
	"bytes"
	"context"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/tidwall/evio"
)

// label marks the goroutines of one evio server in profiles.
const label = "evio-server"

// parkedMax bounds the wait for a server to stand ready for its end.
const parkedMax = 10 * time.Second

// serve runs an evio server under a name.
func serve(name string, events evio.Events, addr string) (err error) {
	pprof.Do(context.Background(), pprof.Labels(label, name), func(context.Context) {
		err = evio.Serve(events, addr)
	})
	return err
}

// awaitParked waits until the server of that name waits for its loops to end,
// or has returned. A loop that ended before would not be noticed, and Serve
// would never return: evio signals a condition without a state behind it.
// Nothing tells when that wait begins but the goroutine's own stack.
func awaitParked(name string, done <-chan error) {
	want := `"` + label + `":"` + name + `"`
	for end := time.Now().Add(parkedMax); len(done) == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		var b bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
			return
		}
		for stack := range strings.SplitSeq(b.String(), "\n\n") {
			if strings.Contains(stack, want) && strings.Contains(stack, "waitForShutdown") && strings.Contains(stack, "sync.(*Cond).Wait") {
				return
			}
		}
	}
}
