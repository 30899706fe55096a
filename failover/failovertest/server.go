package failovertest

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
	"github.com/tandem-dhcp/tandem/pool"
)

const (
	relationship = "model"
	maxBatch     = 64          // events that are decided before the ledger is written once
	retryTime    = time.Second // after a write that failed
	maxIdle      = 4           // Ticks in a row that may leave something to do at once
)

// brain is what decides in a server: a failover.Machine, or what behaves as ISC dhcpd does.
type brain interface {
	Step(time.Time, failover.Event) failover.Effects
	Settle(error)
	Deadline() (time.Time, bool)
	State() failover.State
	Status() failover.Status
}

// crashPoint is where in the effects of a step a server crashes.
type crashPoint uint8

const (
	nowhere crashPoint = iota
	beforeSave
	midSave   // the power goes while the store writes: it is written or not, and nobody is told
	afterSave // and before anything is sent
	midSend   // after some of what is to be sent
	afterSend // and before the clients are answered
)

// server is one partner: a Machine with its ledger, driven as Endpoint does, and the desk for clients (desk.go).
type server struct {
	m     *Model
	id    int
	name  string
	cfg   failover.Config
	addrs pool.Config
	clk   clock
	store *store
	term  time.Duration // what it gives without a partner
	held  bool          // an operator, or the fence, keeps it from running
	lost  time.Duration // when it last lost its ledger

	// Of one life.
	alive    bool
	boots    int // counts lives
	book     *lease.Book
	pool     *pool.Pool
	machine  brain
	isc      *isc            // the machine, if it is that
	status   failover.Status // as published
	inbox    []item
	busy     bool // deciding or writing
	conn     *conn
	claimed  bool
	dialling bool // a look is planned at whether to dial
	retry    time.Duration
	alarm    time.Duration // when the loop wakes next; -1: not at all
	due      time.Duration // when the next Tick is
	idle     int           // Ticks that left the Deadline where it was
	crash    crashPoint    // at the next batch
	dark     bool          // the power goes with it
	slow     time.Duration // up to this much longer a write takes
	offers   offers
	lines    map[*client][]message // what waits for the message before it, of the same client

	sent      map[uint32]failover.Binding // on this connection, by xid
	asked     map[netip.Addr]lease.Lease  // what the partner had when it began to answer our UPDREQALL (I8)
	requested uint32                      // the xid of that
	downSince time.Time                   // when it went into PARTNER-DOWN, or came up in it

	known  map[netip.Addr]knowledge // what the partner must know by what was said, in this life or before
	unsure []failover.Binding       // what that is, too, if the write in which the power went got through
}

// knowledge is what the partner is known to know of one binding.
type knowledge struct {
	client lease.Client
	until  time.Time
}

// build makes the two servers and the clients.
func (m *Model) build() {
	half, err := pool.Split(m.split)
	if err != nil {
		panic(err) // it is a number of buckets
	}
	for i, name := range []string{"primary", "secondary"} {
		s := &server{m: m, id: i, name: name, store: newStore(), known: make(map[netip.Addr]knowledge)}
		s.addrs, s.term = m.ranges(m.cfg.Addresses), m.lease
		if m.files {
			s.store.disks = m.cfg.Seed<<16 + uint64(i)<<8
			s.store.disk = leasetest.NewDisk(s.store.disks)
		}
		s.cfg = failover.Config{
			Name: relationship, Role: failover.Role(i),
			Local:   netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + i)}), 647),
			Partner: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(2 - i)}), 647),
			MaxSecs: m.maxSecs, ReceiveTimer: m.receive, MaxUnacked: m.window, SafePeriod: m.safe,
			FullLeases: m.full, EagerBalance: m.eager,
		}
		if s.cfg.Role == failover.Primary {
			s.cfg.MCLT, s.cfg.HBA = m.mclt, &half
		}
		m.servers[i] = s
	}
	m.differ()
	for i := range m.cfg.Clients {
		m.clients = append(m.clients, newClient(m, i))
	}
	m.twins()
}

// ranges is a pool of so many addresses.
func (m *Model) ranges(n int) pool.Config {
	first := netip.MustParseAddr("10.0.0.1")
	last := first
	for range n - 1 {
		last = last.Next()
	}
	return pool.Config{Name: "shared", Ranges: []pool.Range{{First: first, Last: last}}}
}

// clock is what the server takes for the time.
func (s *server) clock() time.Time { return s.clk.at(s.m.now) }

// boot starts the server from what its store has.
func (s *server) boot() {
	if s.alive || s.held || s.m.breach != nil {
		return
	}
	ctx := context.Background()
	err := s.store.open()
	if err == nil {
		s.book, err = lease.OpenBook(ctx, s.store, lease.BookConfig{})
	}
	if err == nil {
		s.pool, err = pool.New(s.addrs, s.book)
	}
	if err == nil {
		err = lease.Check(s.book.All())
	}
	if err != nil {
		s.m.fail("I10", netip.Addr{}, "%s does not start: %v", s.name, err)
		return
	}
	for _, u := range s.unsure {
		if l := s.book.Get(u.Addr); l.Status == u.Status && l.Client == u.Client && !l.KnownExpiry().Before(u.PotentialExpiry) {
			s.learn(u)
		}
	}
	s.unsure = nil
	s.book.Observe(s.pool)
	s.cfg.Pools = []*pool.Pool{s.pool}
	peer, _ := s.book.Peer(relationship)
	if s.m.cfg.ISC.is(s.cfg.Role) {
		s.isc = newISC(s.cfg, s.book, peer, func(why string) { s.m.fail("I11", netip.Addr{}, "an ISC dhcpd does not survive: %s", why) })
		s.machine = s.isc
	} else if s.machine, err = failover.NewMachine(s.cfg, s.book, s.book.All(), peer); err != nil {
		s.m.fail("I10", netip.Addr{}, "%s does not start: %v", s.name, err)
		return
	}
	s.alive, s.m.disturbed = true, s.m.now
	s.boots++
	s.inbox, s.busy, s.conn, s.claimed, s.retry, s.alarm, s.idle = nil, false, nil, false, 0, -1, 0
	s.offers, s.lines = newOffers(), make(map[*client][]message)
	s.sent, s.asked = nil, nil
	s.status = s.machine.Status()
	s.m.tracef("%s starts", s.name)
	s.post(item{event: failover.Started{}})
	s.dialling = true
	s.later(s.m.upTo(time.Second), s.dial)
	s.m.redial()
}

// later lets something happen unless the server dies before.
func (s *server) later(d time.Duration, do func()) {
	boot := s.boots
	s.m.after(d, func() {
		if s.alive && s.boots == boot {
			do()
		}
	})
}

// die ends this life of the server. With power the partner sees the connection end, without it sees nothing.
func (s *server) die(power bool) {
	if !s.alive {
		return
	}
	s.m.tracef("%s crashes", s.name)
	s.alive, s.m.disturbed = false, s.m.now
	s.store.crash(!power)
	for _, c := range slices.Clone(s.m.wire.conns) {
		if power {
			c.close(s.id, errPower)
		} else {
			c.ends[s.id].state, c.ends[s.id].queue = gone, nil
			c.forget()
		}
	}
}

// dial connects to the partner whenever there is no connection.
func (s *server) dial() {
	other := s.m.servers[1-s.id]
	if s.claimed || !other.alive || s.m.wire.stalled[0] || s.m.wire.stalled[1] {
		s.dialling = false // redial sees to it when that may be different
		return
	}
	s.m.wire.open(s.id)
	s.later(dialTime+s.m.upTo(100*time.Millisecond), s.dial)
}

// redial lets the servers dial again, when something has changed that kept them from it.
func (m *Model) redial() {
	for _, s := range m.servers {
		if s.alive && !s.dialling {
			s.dialling = true
			s.later(m.upTo(dialTime), s.dial)
		}
	}
}

// answers, serves, mine and limit are what failover.Endpoint tells the desk.
func (s *server) answers() error {
	if s.isc == nil {
		return s.status.Answers()
	}
	if !s.isc.serves() {
		return failover.ErrNotServing
	}
	return nil
}

func (s *server) serves(c lease.Client, secs uint16) error {
	if s.isc == nil || s.isc.State() == failover.Normal {
		return s.status.Serves(s.cfg, []byte(c.STID()), secs)
	}
	return s.answers()
}

func (s *server) mine(now time.Time, l lease.Lease) bool {
	if s.isc == nil {
		return s.status.Mine(now, l)
	}
	return s.isc.mine(now, l)
}

func (s *server) limit(now time.Time, l lease.Lease, c lease.Client, want time.Time) (time.Time, error) {
	if s.isc == nil {
		return s.status.Limit(s.cfg, now, l, c, want)
	}
	return s.isc.limit(lease.Second(now), l, c, want)
}

// leases gives every address of the pool as it is on record.
func (s *server) leases() iter.Seq[lease.Lease] {
	return func(yield func(lease.Lease) bool) {
		for a := range s.pool.Addrs() {
			if !yield(s.book.Get(a)) {
				return
			}
		}
	}
}

func (s *server) String() string {
	p, _ := s.book.Peer(relationship)
	return fmt.Sprintf("%s in %v (%v), partner %v", s.name, s.status.State, failover.State(p.State), failover.State(p.Partner))
}

// addrOf is the address that a message is about.
func (m *Model) addrOf(f *failover.Frame) netip.Addr {
	switch b := f.Body.(type) {
	case *failover.BindingUpdate:
		return b.Bindings[0].Addr
	case *failover.BindingAck:
		return b.Results[0].Addr
	}
	return netip.Addr{}
}

// offers are the addresses held for clients that were offered them.
type offers struct {
	byClient map[lease.Client]netip.Addr
	byAddr   map[netip.Addr]offer
}

type offer struct {
	client lease.Client
	until  time.Duration
}

func newOffers() offers {
	return offers{make(map[lease.Client]netip.Addr), make(map[netip.Addr]offer)}
}

func (o offers) expire(now time.Duration) {
	maps.DeleteFunc(o.byAddr, func(a netip.Addr, f offer) bool { return f.until <= now })
	maps.DeleteFunc(o.byClient, func(c lease.Client, a netip.Addr) bool { return o.byAddr[a].client != c })
}

func (o offers) drop(c lease.Client) {
	if a, ok := o.byClient[c]; ok {
		delete(o.byAddr, a)
		delete(o.byClient, c)
	}
}
