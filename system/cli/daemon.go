package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"lars/internal/cli"
	"lars/reactor"
	"lars/reactor/conf"
	"lars/reactor/driver"
	"lars/system/store"
)

// stopWithin bounds the clean end of a service.
const stopWithin = 10 * time.Second

// storeService is a running service that keeps a store.
type storeService interface {
	Addr() netip.AddrPort
	Close(ctx context.Context) error
}

// daemon is what the commands of dns and reporter have in common.
type daemon struct {
	name    string // as typed: "lars dns"
	flags   *cli.Flags
	keys    *conf.Set
	backend string
	config  string
	store   StoreOptions
}

func newDaemon(name, summary string, keys *conf.Set, backends []string, examples ...string) *daemon {
	d := &daemon{name: name, keys: keys}
	d.flags = cli.NewFlags(name, "[--backend NAME] [--config FILE] [--store STORE]", summary, examples...)
	d.flags.StringVar(&d.backend, "backend", "epoll", "`name` of the backend: "+strings.Join(backends, ", "))
	d.flags.StringVar(&d.config, "config", "", "configuration `file`, in the original's form")
	d.store.Keys(keys)
	keys.Flags(d.flags.FlagSet)
	return d
}

// parse reads flags and file; a flag wins.
func (d *daemon) parse(stdout io.Writer, args []string) (done bool, err error) {
	return parseWithFile(d.flags, d.keys, &d.config, stdout, args)
}

// parseWithFile reads the flags, then the file that one of them names, and the
// flags once more, which so win also where a file spells a key in another way.
func parseWithFile(f *cli.Flags, keys *conf.Set, file *string, stdout io.Writer, args []string) (done bool, err error) {
	if done, err = f.Parse(stdout, args); done || err != nil || *file == "" {
		return done, err
	}
	if err := keys.Load(*file); err != nil {
		return false, cli.Exit(cli.ExitUsage, err)
	}
	return f.Parse(stdout, args)
}

func newLog(stderr io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(stderr, nil)) }

// run runs a service until ctx ends. start must not return a typed nil.
func (d *daemon) run(ctx context.Context, stdout io.Writer, open func(string) (driver.Driver, error), c reactor.Config,
	start func(*reactor.Reactor, store.Store) (s storeService, stats func() any, err error),
) error {
	backend, err := open(d.backend)
	if err != nil {
		return cli.Usagef("%s: %v", d.name, err)
	}
	st, storeName, err := d.store.Open()
	if err != nil {
		return cli.Usagef("%s: %v", d.name, err)
	}
	defer st.Close()
	r, err := reactor.Open(backend, c)
	if err != nil {
		return err
	}
	defer r.Close()
	s, stats, err := start(r, st)
	if err != nil {
		return cli.Exit(cli.ExitUsage, err)
	}
	fmt.Fprintf(stdout, "%s: listening on %v, backend %s, %d loops, store %s\n", d.name, s.Addr(), r.Backend(), len(r.Loops()), storeName)
	<-ctx.Done()
	stop, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	err = s.Close(stop)
	if line, jerr := json.Marshal(stats()); jerr == nil {
		fmt.Fprintf(stdout, "%s: stopped %s\n", d.name, line)
	}
	return err
}
