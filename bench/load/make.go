package load

import (
	"math/rand/v2"
	"sync/atomic"

	"lars/bench/hist"
	"lars/bench/pace"
	"lars/reactor/frame"
)

// newWorker makes a worker with its own poller, and no connections yet.
func newWorker(c *Config, number int, stopping *atomic.Bool) (*worker, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	schedule, err := pace.New(c.Arrivals, max(c.Rate, 1), c.Seed)
	if err != nil {
		poll.close()
		return nil, err
	}
	w := &worker{
		cfg: c, workload: c.Workload, number: number, stopping: stopping,
		open: c.Open(), udp: c.udp(), oneWay: c.Workload.OneWay(),
		poll: poll, schedule: schedule,
		warmEnd: int64(c.Warmup), end: int64(c.Warmup + c.Duration),
		queueMax: int64((c.QueueRequestsMax + c.Workers - 1) / c.Workers),
		exchange: hist.NewExchange(newGroup(c.arms()), newGroup(c.arms()), newGroup(c.arms())),
	}
	if c.Warmup == 0 {
		w.phase = Measured
	}
	if c.duet() {
		w.coin = rand.New(rand.NewPCG(c.Seed, coinStream+uint64(number)))
	}
	w.partly, _ = c.Workload.(Partly)
	w.requestMax, w.replyMax = c.Workload.FrameBytesMax()
	w.buffers()
	return w, nil
}

// buffers makes all memory that the loop shares between its connections.
func (w *worker) buffers() {
	if !w.udp {
		w.rx = make([]byte, scratchBytes)
		w.tx = make([]byte, 0, max(scratchBytes, w.requestMax))
		return
	}
	n := batchMax
	if !w.open {
		n = min(w.cfg.Depth, batchMax)
	}
	w.received, w.sending = newBatch(n, max(w.replyMax, frame.HeadBytes)), newBatch(n, w.requestMax)
}

// coinStream parts the order of a duet's arms from other uses of one seed.
const coinStream = 0x636f696e << 16 // "coin"

// adopt takes the worker's share of the connected sockets: those of the first
// arm, then as many of the second.
func (w *worker) adopt(arms [][]int) error {
	w.share = (len(arms[0]) - w.number + w.cfg.Workers - 1) / w.cfg.Workers
	all := len(arms) * w.share
	w.conns = make([]conn, 0, all)
	w.touched = make([]*conn, 0, min(all, len(arms)*arrivalsMax))
	size := slotsFor(w.cfg)
	slots := make([]slot, all*size)
	for arm, fds := range arms {
		for id := w.number; id < len(fds); id += w.cfg.Workers {
			key := int32(len(w.conns))
			w.conns = append(w.conns, conn{
				fd: fds[id], id: id, arm: uint8(arm), key: key,
				ring: ring{slots: slots[int(key)*size:][:size:size]},
			})
			if err := w.poll.add(fds[id], key, epollIn); err != nil {
				return err
			}
		}
		w.alive[arm] = w.share
	}
	return nil
}

// slotsFor is the size of a connection's ring at the start: twice the depth, so
// that half of it remembers settled requests.
func slotsFor(c *Config) int {
	n := slotsMin
	for n < 2*c.Depth {
		n *= 2
	}
	return n
}
