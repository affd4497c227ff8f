package evio

import (
	"sync"
	"testing"
	"time"

	"github.com/tidwall/evio"
)

// TestAwaitParked: once it returns, a loop that ends at once still ends Serve.
func TestAwaitParked(t *testing.T) {
	for range 20 {
		done := make(chan error, 1)
		var parked sync.WaitGroup
		parked.Add(1)
		events := evio.Events{Tick: func() (time.Duration, evio.Action) {
			parked.Wait()
			return 0, evio.Shutdown
		}}
		go func() { done <- serve(t.Name(), events, "tcp://127.0.0.1:0") }()
		awaitParked(t.Name(), done)
		parked.Done()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Fatal("Serve did not return")
		}
	}
}
