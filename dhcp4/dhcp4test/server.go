package dhcp4test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/dora"
	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
	"github.com/tandem-dhcp/tandem/pool"
)

// Pool is addresses of a subnet that a server gives to clients.
type Pool struct {
	// Prefix is the subnet; the zero Prefix is that of the LAN. Pools of one subnet are of one network.
	Prefix netip.Prefix
	// First and Last bound the addresses. Unset, they are the tenth of the subnet and the last before its broadcast address.
	First, Last netip.Addr
	Settings    dora.Settings // of this pool alone
	Allow, Deny []dora.Permit
}

// ServerConfig is what a server gives to whom. The zero value is a good one: a single pool, most of the LAN's subnet.
type ServerConfig struct {
	Addr     netip.Addr    // of the server; unset, the first of the LAN that nobody has
	Settings dora.Settings // for all clients
	Pools    []Pool        // none: one, the zero Pool
	// Adjust, if not nil, changes the configuration of the engine before each start: hosts, classes, options, what not.
	Adjust func(*dora.Config)
	// Ping has the server ask the LAN whether somebody uses an address before it is offered.
	Ping   bool
	Logger *zap.Logger // nil is silent
	Seed   uint64      // of what a loss of power leaves on the disk
}

// Server is a DHCP server on a LAN. One that Serve has made is a handler of one's own. One of NewServer or NewPair is whole:
// the engine of package dora, a lease file on a disk in memory, and maybe a partner.
type Server struct {
	lan  *LAN
	at   *station
	addr netip.Addr
	cfg  ServerConfig
	pair *Pair // nil: alone
	role failover.Role
	disk *leasetest.Disk // nil: not a whole server
	own  dhcp4.Handler   // of Serve

	mu       sync.Mutex
	clock    clock
	stop     context.CancelFunc // nil: it does not run
	running  *sync.WaitGroup
	dead     death
	conn     *conn
	store    *leasefile.Store
	book     *lease.Book
	pools    []*pool.Pool
	endpoint *failover.Endpoint
}

// death is how a server came to its end.
type death uint8

const (
	stopped death = iota
	killed        // the process, and not what it had written
	dark          // the machine lost its power
)

// leaseFile is the name of the lease file on a server's disk.
const leaseFile = "dhcpd.leases"

// Serve has a handler answer on the LAN, through a dhcp4.Server, at the first address that nobody has.
func (l *LAN) Serve(h dhcp4.Handler) *Server {
	l.t.Helper()
	s := l.newServer(ServerConfig{})
	s.own = h
	s.start()
	return s
}

// NewServer starts a whole server without a partner.
func (l *LAN) NewServer(cfg ServerConfig) *Server {
	l.t.Helper()
	s := l.newServer(cfg)
	s.disk = leasetest.NewDisk(cfg.Seed)
	s.start()
	return s
}

func (l *LAN) newServer(cfg ServerConfig) *Server {
	l.t.Helper()
	s := &Server{lan: l, cfg: cfg, addr: l.serverAddr(cfg.Addr)}
	b := s.addr.As4()
	hw := string(append([]byte{2, 1}, b[:]...))
	s.at = l.plug("server "+s.addr.String(), hw, dhcp4.ServerPort, s.addr)
	s.at.setUp(false)
	l.atEnd(s.Stop)
	return s
}

func (s *Server) station() *station { return s.at }

// Addr returns the server's address on the LAN.
func (s *Server) Addr() netip.Addr { return s.addr }

// String returns "server 10.0.0.1".
func (s *Server) String() string { return s.at.name }

// Book returns the ledger of a whole server, as of its last start.
func (s *Server) Book() *lease.Book { s.mu.Lock(); defer s.mu.Unlock(); return s.book }

// Endpoint returns a server's side of the relationship with its partner, as of its last start; nil if it has none.
func (s *Server) Endpoint() *failover.Endpoint { s.mu.Lock(); defer s.mu.Unlock(); return s.endpoint }

// Disk returns the disk with the lease file of a whole server, to make it fail.
func (s *Server) Disk() *leasetest.Disk { return s.disk }

// State returns the failover state; the zero State if it has no partner or does not run.
func (s *Server) State() failover.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.endpoint == nil || s.stop == nil {
		return 0
	}
	return s.endpoint.Status().State
}

// Order gives an order of an operator to a server with a partner, such as failover.OrderPartnerDown.
func (s *Server) Order(o failover.Order) error {
	e := s.Endpoint()
	if e == nil {
		return fmt.Errorf("dhcp4test: %v has no partner: %v means nothing to it", s, o.Kind)
	}
	return e.Order(context.Background(), o)
}

// start brings the server up from what its disk has.
func (s *Server) start() {
	s.lan.t.Helper()
	if err := s.boot(); err != nil {
		s.lan.t.Fatalf("dhcp4test: %v does not start: %v", s, err)
	}
	if s.disk != nil {
		s.recall()
	}
}

func (s *Server) boot() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	run, handler := []func(context.Context) error{}, s.own
	if s.disk != nil {
		var err error
		if handler, run, err = s.assemble(ctx); err != nil {
			cancel()
			if s.store != nil {
				err = errors.Join(err, s.store.Close())
			}
			return err
		}
	}
	s.stop, s.running, s.dead = cancel, new(sync.WaitGroup), stopped
	for drained := false; !drained; { // what came while nobody listened
		select {
		case <-s.at.in:
		default:
			drained = true
		}
	}
	s.conn = newConn(s.at, s.addr)
	loop := &dhcp4.Server{Handler: dhcp4.Chain(handler, s.byItsClock), Logger: s.cfg.Logger}
	run = append(run, func(ctx context.Context) error { return loop.Serve(ctx, s.conn) })
	s.at.setUp(true)
	for _, f := range run {
		s.running.Go(func() {
			if err := f(ctx); err != nil && !errors.Is(err, context.Canceled) && ctx.Err() == nil {
				s.lan.t.Errorf("dhcp4test: %v: %v", s, err)
			}
		})
	}
	return nil
}

// byItsClock has the handler take the server's clock for the time.
func (s *Server) byItsClock(h dhcp4.Handler) dhcp4.Handler {
	return dhcp4.HandlerFunc(func(ctx context.Context, req *dhcp4.Request) (*dhcp4.Message, error) {
		req.Received = s.clock.at(req.Received)
		return h.ServeDHCP(ctx, req)
	})
}

// has reports whether an address is in one of the server's pools.
func (s *Server) has(a netip.Addr) bool {
	for _, p := range s.pools {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// recall compares what clients hold from this server with what it remembers after a start.
func (s *Server) recall() {
	s.lan.ledger.remembered(s.addr, s.at.name+" after its start", s.has, s.book.Get, s.clock.behind())
}

// end takes the server down.
func (s *Server) end(how death) {
	s.mu.Lock()
	stop, running := s.stop, s.running
	s.stop, s.dead = nil, how
	s.mu.Unlock()
	if stop == nil {
		return
	}
	if how != stopped {
		s.at.setUp(false)
		if s.pair != nil && how == killed {
			s.pair.wire.reset()
		} else if s.pair != nil {
			s.pair.wire.freeze()
		}
		switch {
		case s.disk == nil:
		case how == killed:
			s.disk.Kill(0)
		default:
			s.disk.LosePower(0)
		}
	}
	stop()
	running.Wait()
	s.at.setUp(false)
	if s.store != nil {
		if err := s.store.Close(); err != nil && how == stopped {
			s.lan.t.Logf("dhcp4test: %v stops: %v", s, err) // its disk was made to fail
		}
	}
}

// Stop ends the server in good order: what it is at is done, its partner is told.
func (s *Server) Stop() { s.end(stopped) }

// Crash ends the server as kill -9 does: no answer leaves it any more, its partner sees the connection end. What it had
// written is still in the cache of its disk.
func (s *Server) Crash() { s.end(killed) }

// PowerOff takes the power from the server's machine: the partner hears nothing any more, and of what was written and not
// synced some is lost, some is torn.
func (s *Server) PowerOff() { s.end(dark) }

// Restart starts the server again, with what its disk has.
func (s *Server) Restart() {
	s.lan.t.Helper()
	s.mu.Lock()
	runs, dead := s.stop != nil, s.dead
	s.mu.Unlock()
	if runs {
		s.lan.t.Fatalf("dhcp4test: Restart: %v runs: Stop, Crash or PowerOff it first", s)
	}
	if s.disk != nil && dead == killed {
		s.disk.Respawn()
	}
	if s.disk != nil && dead == dark {
		s.disk.Restart()
	}
	if s.pair != nil {
		s.pair.wire.reset() // a host that is new to a connection resets it
	}
	s.start()
}

// LoseDisk gives a server that does not run an empty disk in place of its own: all it knew is gone.
func (s *Server) LoseDisk() {
	s.lan.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		s.lan.t.Fatalf("dhcp4test: LoseDisk: %v runs: Stop, Crash or PowerOff it first", s)
	}
	s.disk, s.dead = leasetest.NewDisk(s.cfg.Seed), stopped
	s.lan.ledger.excuse(s.addr)
}

// Now returns the time of day as the server has it.
func (s *Server) Now() time.Time { return s.clock.now() }

// StepClock sets the server's clock ahead, or with a negative duration back. Only a server with a partner takes all it does
// by this clock; one without ends its leases by that of the test.
func (s *Server) StepClock(d time.Duration) { s.clock.step(d) }

// DriftClock has the server's clock go faster by this rate from now on, or slower if it is negative: 0.01 is a second in
// 100. See StepClock.
func (s *Server) DriftClock(rate float64) {
	s.lan.t.Helper()
	if rate <= -1 {
		s.lan.t.Fatalf("dhcp4test: DriftClock(%v): a clock that does not go forward is none: want more than -1", rate)
	}
	s.clock.drift(rate)
}
