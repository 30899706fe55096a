package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/dora"
	"github.com/tandem-dhcp/tandem/dhcp4/isc"
	"github.com/tandem-dhcp/tandem/dhcp4/l2"
	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
)

// serve is the server from its configuration to the end of ctx.
func serve(ctx context.Context, o options, log *zap.Logger) (err error) {
	prepare(o.pprof != 0)
	if !o.quiet {
		log.Info("Tandem DHCP Server")
		log.Info("https://github.com/tandem-dhcp/tandem")
	}
	cfg, err := load(&o, log)
	if err != nil {
		return err
	}
	if o.testConfig && !o.testLeases {
		return trial(o, cfg)
	}
	store, err := openLeases(o, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	book, err := lease.OpenBook(ctx, store, lease.BookConfig{ScopeOf: cfg.ScopeOf()})
	if err != nil {
		return err
	}
	if o.testLeases {
		return trial(o, cfg)
	}
	remove, err := writePID(o.pid)
	if err != nil {
		return err
	}
	defer remove()
	log.Info(fmt.Sprintf("Wrote %d leases to leases file.", book.Len()))

	n, err := newNode(o, cfg, book, log)
	if err != nil {
		return err
	}
	defer n.close()
	if o.control != "" {
		if n.control, err = listenControl(o.control, n.endpoints); err != nil {
			return err
		}
	}
	if o.pprof != 0 {
		stop, err := profile(uint16(o.pprof), log)
		if err != nil {
			return err
		}
		defer stop()
	}
	links, err := choose(cfg, o.interfaces, log)
	if err != nil {
		return err
	}
	conn, err := listen(links, o, log)
	if err != nil {
		return err
	}
	engine, err := n.engine(links)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	settle(ctx)
	if err := slacken(); err != nil {
		log.Debug(err.Error()) // it serves all the same
	}
	log.Info("Server starting service.")
	if err := sayReady(); err != nil {
		log.Warn("nobody hears that this server is ready: " + err.Error())
	}
	return n.run(ctx, &dhcp4.Server{Handler: engine, Logger: log, Destination: o.destination()}, conn)
}

// load reads the configuration, and what it says of files into o.
func load(o *options, log *zap.Logger) (*isc.Config, error) {
	cfg, err := isc.Load(nil, o.config, isc.LoadOptions{Resolve: resolve})
	if err != nil {
		return nil, err
	}
	for _, w := range cfg.Warnings {
		log.Warn(w.Error())
	}
	or := func(values ...string) string {
		return values[slices.IndexFunc(values, func(s string) bool { return s != "" })]
	}
	o.leases = or(o.leases, cfg.Server.LeaseFileName, defaultLeases)
	o.pid = or(o.pid, cfg.Server.PIDFileName, defaultPID)
	log.Info("Config file: " + o.config)
	log.Info("Database file: " + o.leases)
	log.Info("PID file: " + o.pid)
	return cfg, nil
}

// resolve looks a name of the configuration up.
func resolve(name string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(context.Background(), "ip4", name)
}

// trial makes everything that a configuration describes, over a ledger that is thrown away, to see whether it can be.
func trial(o options, cfg *isc.Config) error {
	book, err := lease.OpenBook(context.Background(), lease.NewMemory(), lease.BookConfig{ScopeOf: cfg.ScopeOf()})
	if err != nil {
		return err
	}
	n, err := newNode(o, cfg, book, zap.NewNop())
	if err != nil {
		return err
	}
	_, err = n.engine(nil)
	return err
}

// openLeases opens the lease file, and says loudly what cannot be read of it.
func openLeases(o options, cfg *isc.Config, log *zap.Logger) (*leasefile.Store, error) {
	var shared []isc.Range
	for _, n := range cfg.Networks {
		for _, p := range n.Pools {
			if p.Peer != "" {
				shared = append(shared, p.Ranges...)
			}
		}
	}
	return leasefile.Open(o.leases, leasefile.Config{
		Failover: func(a netip.Addr) bool {
			return slices.ContainsFunc(shared, func(r isc.Range) bool { return r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0 })
		},
		Report:   func(err error) { log.Error(err.Error()) },
		Progress: progress(log),
	})
}

// progressEvery is how often a long start says how far it is.
const progressEvery = time.Second

// progress logs how much of the lease file was read, so that nobody takes a long start for none.
func progress(log *zap.Logger) func(done, size int64) {
	last := time.Now()
	return func(done, size int64) {
		if now := time.Now(); now.Sub(last) >= progressEvery {
			last = now
			log.Info(fmt.Sprintf("Reading the leases file: %d %%.", done*100/size))
		}
	}
}

// node is what works on the ledger: an endpoint for each relationship, and a gate for the pools without one.
type node struct {
	log       *zap.Logger
	config    dora.Config
	book      *lease.Book
	endpoints []*failover.Endpoint
	alone     *dora.Alone
	ping      *dora.ICMP
	control   *control // nil if no orders are taken
}

func newNode(o options, cfg *isc.Config, book *lease.Book, log *zap.Logger) (*node, error) {
	setup, err := cfg.Setup(book)
	if err != nil {
		return nil, err
	}
	for _, p := range setup.Pools() {
		book.Observe(p)
	}
	n := &node{log: log, book: book, alone: dora.NewAlone(book, log, setup.Alone...)}
	gates := map[string]dora.Gate{"": n.alone}
	transports, err := o.transports(setup.Failover, log)
	if err != nil {
		return nil, err
	}
	for i, f := range setup.Failover {
		fence, err := o.fenceOf(f)
		if err != nil {
			return nil, err
		}
		e, err := failover.NewEndpoint(f, book, failover.Options{Logger: log, Transport: transports[i], Fence: fence})
		if err != nil {
			return nil, err
		}
		n.endpoints = append(n.endpoints, e)
		gates[f.Name] = e
	}
	n.config, err = setup.Dora(func(peer string) dora.Gate { return gates[peer] })
	return n, err
}

// engine returns the server that answers clients. Interfaces without an address belong to the only network there is.
func (n *node) engine(links []link) (*dora.Server, error) {
	c := n.config
	for _, l := range links {
		if !l.addr.IsValid() && len(c.Networks) == 1 && !slices.Contains(c.Networks[0].Links, l.name) {
			c.Networks = slices.Clone(c.Networks)
			c.Networks[0].Links = append(slices.Clone(c.Networks[0].Links), l.name)
		}
	}
	if links != nil {
		var err error
		if n.ping, err = dora.NewICMP(); err != nil {
			n.log.Warn("addresses are offered without a ping before: " + err.Error())
		} else {
			c.Pinger = n.ping
		}
	}
	return dora.New(c, n.book, n.log)
}

func (n *node) close() {
	if n.ping != nil {
		n.ping.Close()
	}
	if n.control != nil {
		n.control.listener.Close()
	}
}

// run serves until ctx is done: first the clients are let go, then the partners.
func (n *node) run(ctx context.Context, server *dhcp4.Server, conn dhcp4.Conn) error {
	g, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	inner, stop := context.WithCancel(failed)
	defer stop()
	for _, e := range n.endpoints {
		g.Go(func() error { return e.Run(inner) })
	}
	g.Go(func() error { return n.alone.Run(inner) })
	if n.control != nil {
		g.Go(func() error { return n.control.run(inner) })
	}
	g.Go(func() error {
		defer stop()
		clients, end := context.WithCancel(inner)
		defer end()
		defer context.AfterFunc(ctx, end)()
		return server.Serve(clients, conn)
	})
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// listen opens the packet sockets of the links, or UDP sockets where the system has none of these.
func listen(links []link, o options, log *zap.Logger) (dhcp4.Conn, error) {
	var names []string
	for _, l := range links {
		names = append(names, l.name)
	}
	kind := "LPF"
	conn, err := dhcp4.Conn(nil), error(nil)
	if conn, err = l2.Listen(l2.Config{Interfaces: names, Port: uint16(o.port)}); errors.Is(err, errors.ErrUnsupported) {
		kind = "Socket"
		conn, err = dhcp4.ListenUDP(dhcp4.UDPConfig{Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(o.port)), Interfaces: names})
	}
	if err != nil {
		return nil, err
	}
	for _, way := range []string{"Listening on", "Sending on  "} {
		for _, l := range links {
			log.Info(fmt.Sprintf("%s %s/%s/%v/%s", way, kind, l.name, l.hw, l.network))
		}
	}
	log.Info("Sending on   Socket/fallback/fallback-net")
	return conn, nil
}
