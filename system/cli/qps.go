package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"lars/bench/hist"
	"lars/internal/cli"
	"lars/system/lars"
)

// qpsOptions of "lars qps".
type qpsOptions struct {
	*apiCommand
	threads  int
	duration time.Duration
	module   string
	noReport bool
	json     bool
}

// QPS is the command "lars qps".
func QPS(ctx context.Context, stdout, _ io.Writer, args []string) error {
	o, done, err := parseQPS(stdout, args)
	if done || err != nil {
		return err
	}
	callers, err := o.callers()
	for _, c := range callers {
		defer c.client.Close()
	}
	if err != nil {
		return err
	}
	result, err := o.run(ctx, stdout, callers)
	if err != nil {
		return agentError(err)
	}
	return result.print(stdout, o.json)
}

func parseQPS(stdout io.Writer, args []string) (o qpsOptions, done bool, err error) {
	o.apiCommand = newAPI("lars qps", "", "Callers in a loop: get_host, then report. Thread i calls modid i + 1, cmdid 1, as the original's tool does.",
		"lars qps --threads 4 --duration 10s", "lars qps --module 1,1 --no-report --json")
	f := o.flags
	f.IntVar(&o.threads, "threads", 1, "`number` of callers")
	f.DurationVar(&o.duration, "duration", 10*time.Second, "`time` to run")
	f.StringVar(&o.module, "module", "", "`modid,cmdid` that all callers call, instead of one each")
	f.BoolVar(&o.noReport, "no-report", false, "get_host alone")
	f.BoolVar(&o.json, "json", false, "print the result as JSON, and no line a second")
	values, flags := leadingArguments(args)
	if len(values) == 1 { // the original's argument
		flags = append(flags, "--threads", values[0])
	} else if len(values) > 1 {
		return o, false, f.Errorf("%d arguments: want none, or the number of threads", len(values))
	}
	if done, err = f.Parse(stdout, flags); done || err != nil {
		return o, done, err
	}
	if o.threads < 1 || o.threads > 10_000 || o.duration <= 0 {
		return o, false, f.Errorf("%d threads for %v: want 1 to 10000, and a time above 0", o.threads, o.duration)
	}
	return o, false, nil
}

// qpsCaller is one caller with a client of its own, as in the original.
type qpsCaller struct {
	client *lars.Client
	module lars.Module
	report bool

	calls     atomic.Int64
	outcomes  [4]int64 // by the original's return code
	latencies *hist.Recorder
}

func (o qpsOptions) callers() (all []*qpsCaller, err error) {
	for i := range o.threads {
		m := lars.Module{ModID: int32(i + 1), CmdID: 1}
		if o.module != "" {
			if m, err = qpsModule(o.module); err != nil {
				return all, o.flags.Errorf("%v", err)
			}
		}
		c, err := o.client()
		if err != nil {
			return all, err
		}
		all = append(all, &qpsCaller{client: c, module: m, report: !o.noReport, latencies: hist.New()})
	}
	return all, nil
}

func qpsModule(text string) (lars.Module, error) {
	var modid, cmdid int32
	if n, err := fmt.Sscanf(text, "%d,%d", &modid, &cmdid); n != 2 || err != nil || modid < 0 || cmdid < 0 {
		return lars.Module{}, fmt.Errorf("%q is not modid,cmdid, such as 1,1", text)
	}
	return lars.Module{ModID: modid, CmdID: cmdid}, nil
}

// loop calls until ctx ends. The time of get_host is measured: a report is not
// answered.
func (c *qpsCaller) loop(ctx context.Context) {
	for ctx.Err() == nil {
		before := time.Now()
		addr, err := c.client.GetHost(ctx, c.module)
		if ctx.Err() != nil {
			return
		}
		c.latencies.Record(int64(time.Since(before)))
		c.outcomes[lars.Retcode(err)]++
		if err == nil && c.report {
			c.tell(ctx, addr)
		}
		c.calls.Add(1)
	}
}

func (c *qpsCaller) tell(ctx context.Context, addr netip.AddrPort) {
	if err := c.client.Report(ctx, c.module, addr, 0); err != nil && ctx.Err() == nil {
		c.outcomes[lars.Retcode(err)]++
	}
}

// run registers the modules and lets the callers loop. Each second it prints
// the original's lines.
func (o qpsOptions) run(ctx context.Context, stdout io.Writer, callers []*qpsCaller) (qpsResult, error) {
	for _, c := range callers {
		err := o.register(ctx, c)
		if err != nil && !errors.Is(err, lars.ErrNotExist) {
			return qpsResult{}, err
		}
		if err != nil && !o.json {
			fmt.Fprintf(stdout, "modid %d, cmdid %d still not exist host, after register, ret = %d\n", c.module.ModID, c.module.CmdID, lars.Retcode(err))
		}
	}
	started := time.Now()
	ctx, cancel := context.WithTimeout(ctx, o.duration)
	defer cancel()
	var all sync.WaitGroup
	for _, c := range callers {
		all.Go(func() { c.loop(ctx) })
	}
	o.lines(ctx, stdout, callers)
	all.Wait()
	return sum(callers, time.Since(started)), nil
}

func (o qpsOptions) register(ctx context.Context, c *qpsCaller) error {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	return c.client.Register(ctx, c.module)
}

func (o qpsOptions) lines(ctx context.Context, stdout io.Writer, callers []*qpsCaller) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	before := make([]int64, len(callers))
	for second := int64(1); ; second++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for i, c := range callers {
			n := c.calls.Load()
			if !o.json {
				fmt.Fprintf(stdout, "thread:[%d] --> qps = [%d], average = [%d]\n", i, n-before[i], n/second)
			}
			before[i] = n
		}
	}
}

// qpsResult is what the run came to.
type qpsResult struct {
	Threads  int     `json:"threads"`
	Seconds  float64 `json:"seconds"`
	Calls    int64   `json:"calls"`
	Rate     float64 `json:"calls_per_second"`
	Succ     int64   `json:"succ"`
	Overload int64   `json:"overload"`
	System   int64   `json:"system_error"`
	NotExist int64   `json:"not_exist"`
	Again    uint64  `json:"asked_again"` // questions or answers that were lost
	Late     uint64  `json:"late"`

	Latency []qpsPercentile `json:"get_host_latency"`
}

type qpsPercentile struct {
	Percent float64 `json:"percent"` // 100: the greatest
	Micros  float64 `json:"us"`
}

func sum(callers []*qpsCaller, took time.Duration) qpsResult {
	r := qpsResult{Threads: len(callers), Seconds: took.Seconds()}
	h := hist.New()
	for _, c := range callers {
		h.Merge(c.latencies)
		r.Calls += c.calls.Load()
		r.Succ += c.outcomes[0]
		r.Overload += c.outcomes[1]
		r.System += c.outcomes[2]
		r.NotExist += c.outcomes[3]
		s := c.client.Stats()
		r.Again += s.Again
		r.Late += s.Late
	}
	r.Rate = float64(r.Calls) / r.Seconds
	if h.Count() == 0 {
		return r
	}
	for _, p := range h.Percentiles(0.95, 50, 90, 99, 99.9) {
		r.Latency = append(r.Latency, qpsPercentile{p.P, float64(p.Value) / 1e3})
	}
	r.Latency = append(r.Latency, qpsPercentile{100, float64(h.Max()) / 1e3})
	return r
}

// print writes the result. A run in which the agent never answered has failed.
func (r qpsResult) print(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		if err := e.Encode(r); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(w, "%d threads, %.1f s: %d calls, %.0f a second; %d succ, %d overload, %d not exist, %d system error, %d asked again\n",
			r.Threads, r.Seconds, r.Calls, r.Rate, r.Succ, r.Overload, r.NotExist, r.System, r.Again)
		for _, p := range r.Latency {
			fmt.Fprintf(w, "get_host p%-5g %9.1f us\n", p.Percent, p.Micros)
		}
	}
	if r.Calls == r.System {
		return cli.Exit(exitAgent+lars.Retcode(lars.ErrSystem), errors.New("the agent never answered"))
	}
	return nil
}
