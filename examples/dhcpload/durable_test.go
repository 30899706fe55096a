package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/dora"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
	"github.com/tandem-dhcp/tandem/pool"
)

// What must hold while a server is fast, in virtual time: a whole server over a disk that fails on purpose, its clients at
// the other end of a wire made of channels.

// end is one end of a wire.
type end struct {
	in, out chan []byte
	closed  chan struct{}
	once    sync.Once
}

func newWire() (server, clients *end) {
	a, b := make(chan []byte, 1<<14), make(chan []byte, 1<<14)
	return &end{in: a, out: b, closed: make(chan struct{})}, &end{in: b, out: a, closed: make(chan struct{})}
}

func (e *end) ReadBatch(ds []dhcp4.Datagram) (n int, err error) {
	select {
	case <-e.closed:
		return 0, net.ErrClosed
	case b := <-e.in:
		ds[0] = e.datagram(ds[0], b)
	}
	for n = 1; n < len(ds); n++ {
		select {
		case b := <-e.in:
			ds[n] = e.datagram(ds[n], b)
		default:
			return n, nil
		}
	}
	return n, nil
}

func (e *end) datagram(room dhcp4.Datagram, b []byte) dhcp4.Datagram {
	return dhcp4.Datagram{
		Data: append(room.Data[:0], b...), Link: dhcp4.Link{Index: 1, Name: "eth0"}, Local: serverIP,
		Src: netip.AddrPortFrom(relayIP, 67), Dst: netip.AddrPortFrom(serverIP, 67),
	}
}

func (e *end) WriteBatch(ds []dhcp4.Datagram) (int, error) {
	for i := range ds {
		e.out <- bytes.Clone(ds[i].Data)
	}
	return len(ds), nil
}

func (e *end) CloseRead() error { e.once.Do(func() { close(e.closed) }); return nil }
func (e *end) Close() error     { return e.CloseRead() }

var (
	serverIP = netip.MustParseAddr("10.0.0.1")
	relayIP  = netip.MustParseAddr("10.0.0.2")
)

// testDisk is a leasetest.Disk as leasefile takes it, whose syncs wait for hold.
type testDisk struct {
	*leasetest.Disk
	hold func()
}

func (d testDisk) OpenFile(name string, flag int, perm fs.FileMode) (leasefile.File, error) {
	f, err := d.Disk.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return testFile{f, d.hold}, nil
}

func (d testDisk) Lock(name string) (io.Closer, error) { return d.Disk.Lock(name) }

type testFile struct {
	leasefile.File
	hold func()
}

func (f testFile) Sync() error {
	if f.hold != nil {
		f.hold()
	}
	return f.File.Sync()
}

// serve starts a server over a disk, and returns the clients' end of its wire and what stops it.
func serve(t *testing.T, d testDisk) (clients *end, stop func()) {
	t.Helper()
	store, err := leasefile.Open("leases", leasefile.Config{FS: d})
	if err != nil {
		t.Fatal(err)
	}
	book, err := lease.OpenBook(t.Context(), store, lease.BookConfig{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := pool.New(pool.Config{Ranges: []pool.Range{{First: netip.MustParseAddr("10.1.0.0"), Last: netip.MustParseAddr("10.1.31.255")}}}, book)
	if err != nil {
		t.Fatal(err)
	}
	book.Observe(p)
	alone := dora.NewAlone(book, nil, p)
	engine, err := dora.New(dora.Config{
		Settings: dora.Settings{Authoritative: dora.On, CacheThreshold: -1},
		Networks: []dora.Network{{
			Subnets: []dora.Subnet{{Prefix: netip.MustParsePrefix("10.0.0.0/8")}},
			Pools:   []dora.Pool{{Pool: p, Gate: alone}},
		}},
	}, book, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	conn, clients := newWire()
	s := &dhcp4.Server{Handler: engine}
	var all sync.WaitGroup
	all.Go(func() {
		if err := s.Serve(ctx, conn); err != nil {
			t.Error(err)
		}
	})
	all.Go(func() {
		if err := alone.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return clients, func() {
		cancel()
		all.Wait()
		if err := store.Close(); err != nil && !errors.Is(err, leasetest.ErrKilled) {
			t.Error(err)
		}
	}
}

// messages makes the messages of clients, and reads the answers to them.
type messages struct {
	t  *testing.T
	ts [kinds]template
}

func newMessages(t *testing.T) messages {
	t.Helper()
	ts, err := newTemplates(config{Relays: []netip.Addr{relayIP}})
	if err != nil {
		t.Fatal(err)
	}
	return messages{t, ts}
}

func (m messages) make(k kind, client, xid, addr uint32) []byte {
	server := serverIP.As4()
	return m.ts[k].appendTo(nil, client, xid, relayIP.As4(), addr, uint32(server[0])<<24|uint32(server[3]))
}

// answers are all that have come.
func (m messages) answers(e *end) (all []answer) {
	m.t.Helper()
	synctest.Wait()
	for {
		select {
		case b := <-e.in:
			a, ok := parseAnswer(b)
			if !ok {
				m.t.Fatalf("no answer: %x", b)
			}
			all = append(all, a)
		default:
			return all
		}
	}
}

// offered has clients 0 to n-1 be offered an address each, which are returned.
func (m messages) offered(e *end, n int) []uint32 {
	m.t.Helper()
	for i := range n {
		e.out <- m.make(discover, uint32(i), uint32(i), 0)
	}
	addrs := make([]uint32, n)
	as := m.answers(e)
	for _, a := range as {
		addrs[a.xid] = a.addr
	}
	if len(as) != n {
		m.t.Fatalf("%d offers, want %d", len(as), n)
	}
	return addrs
}

// While a disk stands still for ten seconds nobody is told of a lease, what waits is bounded, and when it goes on so does
// the service, at once; nothing that was told is forgotten.
func TestDiskStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const still = 10 * time.Second
		var from, until time.Time
		d := testDisk{Disk: leasetest.NewDisk(1), hold: func() {
			if now := time.Now(); now.After(from) && now.Before(until) {
				time.Sleep(until.Sub(now))
			}
		}}
		clients, stop := serve(t, d)
		from = time.Now().Add(2 * time.Second)
		until = from.Add(still)
		cfg := base()
		cfg.Relays, cfg.Clients, cfg.Rate, cfg.Window, cfg.For, cfg.Verify = cfg.Relays[:1], 5000, 100, 5000, 20*time.Second, true
		r, err := load(t.Context(), cfg, clients, new(bytes.Buffer))
		if err != nil {
			t.Fatal(err)
		}
		stop()
		if r.broken() || r.Verified < int(r.DORA.n) {
			t.Errorf("%d given twice, %d forgotten, %d there yet of %d", r.Twice, r.Forgotten, r.Verified, r.DORA.n)
		}
		// Who asked for an address while the disk stood still, but for the last second, gave up: at first for want of
		// an acknowledgement, later, when all workers wait for the disk, for want of an offer.
		if gone := r.NoAck + r.NoOffer; gone < 850 || gone > 950 || r.NoAck < 200 || r.DORA.n < 1050 {
			t.Errorf("%d complete, %d without acknowledgement, %d without offer, want 1,100 and together 900", r.DORA.n, r.NoAck, r.NoOffer)
		}
	})
}

// When the disk is full in the midst of a batch nobody of the batch is told of a lease, and nothing of it is on record;
// when there is room again all are served.
func TestDiskFullInTheMidst(t *testing.T) {
	for _, room := range []int64{300, 5000, 9000} { // of the 25,000 octets that all would take: the first batches may fit
		synctest.Test(t, func(t *testing.T) { diskFull(t, room) })
	}
}

func diskFull(t *testing.T, room int64) {
	d := testDisk{Disk: leasetest.NewDisk(1)}
	clients, stop := serve(t, d)
	defer stop()
	m := newMessages(t)
	const n = 100
	addrs := m.offered(clients, n)
	before, err := d.ReadFile("leases")
	if err != nil {
		t.Fatal(err)
	}
	d.SetRoom(int64(len(before)) + room)
	for i, a := range addrs {
		clients.out <- m.make(request, uint32(i), uint32(i), a)
	}
	told := make(map[uint32]bool)
	for _, a := range m.answers(clients) {
		told[a.addr] = true
	}
	after, err := d.ReadFile("leases")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		kept := bytes.Contains(after[len(before):], []byte("lease "+address(a).String()+" {"))
		if kept != told[a] {
			t.Errorf("room %d: %v is on record: %v, its client was told: %v", room, address(a), kept, told[a])
		}
	}
	if len(told) > int(room)/200 {
		t.Errorf("room %d: %d clients were told", room, len(told))
	}
	d.SetRoom(-1)
	for i, a := range addrs {
		clients.out <- m.make(request, uint32(i), uint32(i), a)
	}
	as := m.answers(clients)
	for _, a := range as {
		if a.kind != dhcp4.MessageTypeAck || a.addr != addrs[a.xid] {
			t.Errorf("client %d: %v of %v, want %v", a.xid, a.kind, address(a.addr), address(addrs[a.xid]))
		}
	}
	if len(as) != n {
		t.Errorf("%d answers, want %d", len(as), n)
	}
}

// Of many who ask for one address in one batch one gets it.
func TestOneAddressAskedForByMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clients, stop := serve(t, testDisk{Disk: leasetest.NewDisk(1)})
		defer stop()
		m := newMessages(t)
		for round := range uint32(20) {
			const n = 8
			first := round * n
			clients.out <- m.make(discover, first, first, 0)
			as := m.answers(clients)
			if len(as) != 1 {
				t.Fatalf("%d offers", len(as))
			}
			for i := range uint32(n) {
				clients.out <- m.make(request, first+(i+round)%n, first+(i+round)%n, as[0].addr)
			}
			acks := 0
			for _, a := range m.answers(clients) {
				if a.kind == dhcp4.MessageTypeAck {
					acks++
					if a.xid != first {
						t.Errorf("client %d was given what was offered to client %d", a.xid, first)
					}
				}
			}
			if acks != 1 {
				t.Errorf("round %d: %d clients were given one address", round, acks)
			}
		}
	})
}

// The messages of one client are answered in the order in which they came, though each waits for the disk and others are
// answered in between.
func TestOrderOfOneClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := testDisk{Disk: leasetest.NewDisk(1), hold: func() { time.Sleep(3 * time.Millisecond) }}
		clients, stop := serve(t, d)
		defer stop()
		m := newMessages(t)
		const n, each = 20, 6
		addrs := m.offered(clients, n)
		for k := range uint32(each) {
			for i := range uint32(n) {
				kind := renew
				if k == 0 {
					kind = request
				}
				clients.out <- m.make(kind, i, k<<16|i, addrs[i])
			}
		}
		time.Sleep(time.Second)
		next := make([]uint32, n)
		for _, a := range m.answers(clients) {
			if i := a.xid & 0xffff; a.kind != dhcp4.MessageTypeAck || a.xid>>16 != next[i] {
				t.Fatalf("client %d: %v of its message %d, want that of %d", i, a.kind, a.xid>>16, next[i])
			}
			next[a.xid&0xffff]++
		}
		for i, k := range next {
			if k != each {
				t.Errorf("client %d: %d answers, want %d", i, k, each)
			}
		}
	})
}
