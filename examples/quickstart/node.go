package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/dora"
	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
	"github.com/tandem-dhcp/tandem/pool"
)

// node is one of the two servers, with all a real one has: a lease file, a failover endpoint, the DHCP engine.
type node struct {
	role     failover.Role
	address  netip.Addr // on the LAN
	file     string
	size     int // of the pool
	local    netip.AddrPort
	partner  netip.AddrPort
	segment  *lan
	states   *states
	log      *zap.Logger
	listener net.Listener // of the first start

	store    *leasefile.Store
	book     *lease.Book
	pool     *pool.Pool
	endpoint *failover.Endpoint
	conn     *port
	links    *links
	end      context.CancelFunc
	running  sync.WaitGroup
}

// newPair returns a primary and a secondary that know each other.
func newPair(dir string, segment *lan, show *timeline, size int) (one, two *node, err error) {
	var nodes [2]*node
	for i, role := range []failover.Role{failover.Primary, failover.Secondary} {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		log := &states{show: show, name: role.String()}
		nodes[i] = &node{
			role: role, size: size, segment: segment, listener: l, states: log, log: log.logger(),
			address: netip.AddrFrom4([4]byte{10, 77, 0, byte(2 + i)}),
			file:    filepath.Join(dir, role.String()+".leases"),
			local:   netip.MustParseAddrPort(l.Addr().String()),
		}
	}
	nodes[0].partner, nodes[1].partner = nodes[1].local, nodes[0].local
	return nodes[0], nodes[1], nil
}

// start brings the server up from what its lease file has.
func (n *node) start() error {
	ctx, cancel := context.WithCancel(context.Background())
	n.end = cancel
	n.states.shown.Store(true)
	var err error
	if n.store, err = leasefile.Open(n.file, leasefile.Config{Failover: func(netip.Addr) bool { return true }}); err != nil {
		return err
	}
	if n.book, err = lease.OpenBook(ctx, n.store, lease.BookConfig{}); err != nil {
		return err
	}
	first := netip.AddrFrom4([4]byte{10, 77, 1, 0})
	last := netip.AddrFrom4([4]byte{10, 77, byte(1 + (n.size-1)/256), byte((n.size - 1) % 256)})
	if n.pool, err = pool.New(pool.Config{Name: "10.77.0.0/16", Ranges: []pool.Range{{First: first, Last: last}}}, n.book); err != nil {
		return err
	}
	n.book.Observe(n.pool)

	cfg := failover.Config{
		Name: "quickstart", Role: n.role, Local: n.local, Partner: n.partner,
		MaxSecs: maxSecs, ReceiveTimer: 6 * time.Second, Pools: []*pool.Pool{n.pool},
	}
	if n.role == failover.Primary {
		half, err := pool.Split(128)
		if err != nil {
			return err
		}
		cfg.MCLT, cfg.HBA = mclt, &half
	}
	n.links = &links{TCP: failover.TCP{Local: n.local, Partner: n.partner, Listener: n.listener}}
	n.listener = nil
	if n.endpoint, err = failover.NewEndpoint(cfg, n.book, failover.Options{Transport: n.links, Logger: n.log}); err != nil {
		return err
	}
	engine, err := dora.New(dora.Config{
		Settings: dora.Settings{DefaultLease: leaseTime, MaxLease: leaseTime, MinLease: time.Second, PingCheck: dora.Off, CacheThreshold: -1},
		Networks: []dora.Network{{
			Name:    "lan",
			Subnets: []dora.Subnet{{Prefix: netip.MustParsePrefix("10.77.0.0/16")}},
			Pools:   []dora.Pool{{Pool: n.pool, Gate: n.endpoint}},
		}},
	}, n.book, n.log)
	if err != nil {
		return err
	}
	n.conn = n.segment.plug(n.address)
	server := &dhcp4.Server{Handler: engine, Logger: n.log}
	n.running.Go(func() { n.fail(n.endpoint.Run(ctx)) })
	n.running.Go(func() { n.fail(server.Serve(ctx, n.conn)) })
	return nil
}

func (n *node) fail(err error) {
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, net.ErrClosed) {
		n.log.Error(fmt.Sprintf("%v: %v", n.role, err))
	}
}

// kill ends the server as a power failure would: no word to the partner or the clients. What its lease file has is
// what was durable.
func (n *node) kill() {
	n.states.shown.Store(false)
	n.conn.Close()
	n.links.sever()
	n.stop()
}

// stop ends the server.
func (n *node) stop() {
	if n.end == nil {
		return
	}
	n.states.shown.Store(false)
	n.end()
	n.end = nil
	n.running.Wait()
	n.fail(n.store.Close())
}

func (n *node) state() failover.State { return n.endpoint.Status().State }
func (n *node) normal() bool          { return n.state() == failover.Normal }

// settled reports whether the partner has acknowledged everything.
func (n *node) settled() bool { return n.endpoint.Status().Unacked == 0 }

// links is a TCP transport whose connections can be torn out.
type links struct {
	failover.TCP
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func (l *links) Listen(ctx context.Context) (net.Listener, error) {
	inner, err := l.TCP.Listen(ctx)
	return listener{inner, l}, err
}

func (l *links) Dial(ctx context.Context) (net.Conn, error) {
	c, err := l.TCP.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return l.keep(c), nil
}

func (l *links) keep(c net.Conn) net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		c.Close()
	}
	l.conns = append(l.conns, c)
	return c
}

func (l *links) sever() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for _, c := range l.conns {
		c.Close()
	}
}

type listener struct {
	net.Listener
	links *links
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.links.keep(c), nil
}
