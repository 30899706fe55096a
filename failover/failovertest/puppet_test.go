package failovertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// A puppet is a partner that says anything a message can say, in any state and order. Against it a server cannot keep the
// promises that take two; it must stay alive, bounded, durable before told, and with a Deadline that moves (I2, I10, I11).
// And whatever its desk asks for, it gives no address that it may not give (I4); and it takes no client's lease for over
// while that lasts, unless the partner says that the client has given it back; nor, as a primary, for the partner's (I5).
type puppet struct {
	t       *testing.T
	rng     *rand.Rand
	now     time.Time
	cfg     failover.Config
	store   *store
	book    *lease.Book
	pool    *pool.Pool
	machine *failover.Machine
	since   time.Time // when it went into PARTNER-DOWN, or came up in it
	linked  bool
	flying  map[uint32]netip.Addr // its updates, not answered
	xid     uint32
	cells   map[Cell]int
}

var puppetStates = []failover.State{
	failover.Normal, failover.CommunicationsInterrupted, failover.PartnerDown, failover.PotentialConflict, failover.Recover,
	failover.Paused, failover.Shutdown, failover.RecoverDone, failover.ResolutionInterrupted, failover.ConflictDone,
	failover.RecoverWait,
}

func newPuppet(t *testing.T, role failover.Role, seed uint64) *puppet {
	p := &puppet{
		t: t, rng: rand.New(rand.NewPCG(seed, uint64(role))), now: epoch, store: newStore(), cells: make(map[Cell]int),
	}
	half, err := pool.Split(128)
	if err != nil {
		t.Fatal(err)
	}
	p.cfg = failover.Config{
		Name: relationship, Role: role, MaxSecs: 3, MaxUnacked: 5, ReceiveTimer: 30 * time.Second, SafePeriod: time.Minute,
		Local:   netip.MustParseAddrPort("192.0.2.1:647"),
		Partner: netip.MustParseAddrPort("192.0.2.2:647"),
	}
	if role == failover.Primary {
		p.cfg.MCLT, p.cfg.HBA = time.Minute, &half
	}
	p.boot()
	return p
}

func (p *puppet) boot() {
	var err error
	if p.book, err = lease.OpenBook(context.Background(), p.store, lease.BookConfig{}); err != nil {
		p.t.Fatal(err)
	}
	m := &Model{cfg: Config{Addresses: 12}}
	if p.pool, err = pool.New(m.ranges(12), p.book); err != nil {
		p.t.Fatal(err)
	}
	p.book.Observe(p.pool)
	p.cfg.Pools = []*pool.Pool{p.pool}
	peer, _ := p.book.Peer(relationship)
	if p.machine, err = failover.NewMachine(p.cfg, p.book, p.book.All(), peer); err != nil {
		p.t.Fatal(err)
	}
	p.linked, p.flying = false, make(map[uint32]netip.Addr)
	p.step(failover.Started{})
}

// step does a Step and its effects.
func (p *puppet) step(ev failover.Event) {
	p.t.Helper()
	was, answers := p.machine.State(), p.machine.Status().Answers() == nil
	standing := p.standing(ev)
	p.cells[Cell{p.cfg.Role, was, eventName(ev)}]++
	e := p.machine.Step(p.now, ev)
	if now := p.machine.State(); now == failover.PartnerDown && now != was {
		p.since = p.now
	}
	if r, ok := ev.(failover.Received); ok && was != failover.Normal {
		if _, ok := r.Frame.Body.(*failover.PoolRequest); ok && p.givesAway(e.Save.Changes) {
			p.t.Fatalf("gives addresses away in %v", was)
		}
	}
	if c, ok := ev.(failover.Changed); ok && e.Refused == nil {
		if p.checkChange(was, c.Change); !answers {
			p.t.Fatalf("a server that answers nobody makes a change in %v", was)
		}
	}
	var err error
	if p.rng.IntN(40) == 0 {
		err = errDisk
	} else if !e.Save.Empty() {
		if err = p.book.Apply(context.Background(), e.Save); err != nil {
			p.t.Fatalf("%v in %v saves what cannot be: %v", eventName(ev), p.machine.State(), err)
		}
	}
	p.machine.Settle(err)
	if n := p.machine.Status().Unacked; n > 12 {
		p.t.Fatalf("%d updates to tell of 12 addresses", n)
	}
	if err != nil {
		p.hangUp(err)
		return
	}
	for _, f := range e.Send {
		if _, err := f.AppendBinary(nil); err != nil {
			p.t.Fatalf("%v cannot be sent: %v", f, err)
		}
		switch b := f.Body.(type) {
		case *failover.BindingUpdate:
			p.flying[f.XID] = b.Bindings[0].Addr
			if len(p.flying) > 1<<12 {
				clear(p.flying)
			}
		case *failover.BindingAck:
			for _, r := range b.Results {
				l := p.store.get(r.Addr)
				if standing.Addr == r.Addr && r.Reason == 0 {
					p.t.Fatalf("accepts %v of what stands: %s", ev.(failover.Received).Frame, show(standing))
				}
				if have := p.book.Get(r.Addr); l != have {
					p.t.Fatalf("acknowledges %v and has %v in store", show(have), show(l))
				}
			}
		}
	}
	if u, ok := ev.(failover.Received); ok && e.Close == nil {
		if b, ok := u.Frame.Body.(*failover.BindingUpdate); ok && p.linked && !slices.ContainsFunc(e.Send, func(f *failover.Frame) bool {
			a, ok := f.Body.(*failover.BindingAck)
			return ok && f.XID == u.Frame.XID && len(a.Results) == len(b.Bindings)
		}) {
			p.t.Fatalf("does not answer %v", u.Frame)
		}
	}
	if e.Close != nil {
		p.hangUp(e.Close)
	}
}

// standing is the lease that a message says is over by time, or another client's, and that must stay; or none.
func (p *puppet) standing(ev failover.Event) lease.Lease {
	r, ok := ev.(failover.Received)
	if !ok {
		return lease.Lease{}
	}
	u, ok := r.Frame.Body.(*failover.BindingUpdate)
	if !ok {
		return lease.Lease{}
	}
	b := u.Bindings[0]
	l := p.book.Get(b.Addr)
	if !b.Status.Available() && b.Status != lease.Expired &&
		(p.cfg.Role != failover.Primary || b.Status != lease.Active || b.Client.Is(l.Client) || b.LastTransaction.After(l.Expiry)) {
		return lease.Lease{}
	}
	slack := 5 * time.Second // between the clocks
	if l.Unacked {
		slack = 0 // the partner cannot know of this end
	}
	if l.Status != lease.Active || !l.Expiry.After(p.now.Add(slack)) || !l.Expiry.After(r.Frame.Time.Add(slack)) {
		return lease.Lease{}
	}
	return l
}

// givesAway reports whether one of the changes makes an address of this server's the partner's.
func (p *puppet) givesAway(changes []lease.Change) bool {
	own := lease.Free
	if p.cfg.Role == failover.Secondary {
		own = lease.Backup
	}
	return slices.ContainsFunc(changes, func(c lease.Change) bool {
		return c.Old.Status == own && c.New.Status.Available() && c.New.Status != own
	})
}

// checkChange asks I4 of a change that a server in state was has made for a client.
func (p *puppet) checkChange(was failover.State, c lease.Change) {
	p.t.Helper()
	have := p.book.Get(c.New.Addr)
	lawful := c.Old == have
	switch c.New.Status {
	case lease.Active:
		lawful = lawful && mayGive(p.cfg.Role, was, p.now, p.since, p.machine.Status().MCLT, have, c.New.Client)
	case lease.Released:
		lawful = lawful && have.Status == lease.Active && have.Client.Is(c.New.Client)
	}
	if !lawful {
		p.t.Fatalf("in %v, %v of %v until %s is made of: %s", was, c.New.Status, c.New.Client, at(c.New.Expiry), show(have))
	}
}

func (p *puppet) hangUp(why error) {
	if p.linked {
		p.linked = false
		clear(p.flying)
		p.step(failover.Disconnected{Cause: why})
	}
}

func (p *puppet) connect() {
	s := failover.Session{MaxUnacked: 1 + p.rng.IntN(10), ReceiveTimer: time.Minute, VendorClass: one2(p.rng, "tandem-1", "isc-4.4.3-P1")}
	if p.cfg.Role == failover.Secondary {
		s.MCLT = time.Minute
		s.HBA, _ = pool.Split(p.rng.IntN(257))
	}
	p.linked = true
	p.step(failover.Connected{Session: s})
}

func one2[T any](rng *rand.Rand, v ...T) T { return v[rng.IntN(len(v))] }

func (p *puppet) addr() netip.Addr {
	return netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + p.rng.IntN(14))}) // the last two are in no pool
}

func (p *puppet) client() lease.Client {
	if p.rng.IntN(10) == 0 {
		return lease.Client{}
	}
	return lease.Client{HW: lease.MakeHWAddr(1, []byte{2, 0, 0, 0, 0, byte(p.rng.IntN(6))})}
}

func (p *puppet) time() time.Time {
	if p.rng.IntN(8) == 0 {
		return time.Time{}
	}
	return lease.Second(p.now.Add(time.Duration(p.rng.IntN(600)-300) * time.Second))
}

// message is anything that the partner can say.
func (p *puppet) message() *failover.Frame {
	p.xid++
	f := &failover.Frame{Time: lease.Second(p.now), XID: p.xid}
	switch p.rng.IntN(20) {
	case 0, 1, 2, 3, 4, 5:
		f.Body = &failover.StateReport{State: one2(p.rng, puppetStates...), Startup: p.rng.IntN(6) == 0, Since: p.time()}
	case 6, 7, 8, 9:
		f.Body = &failover.BindingUpdate{Bindings: []failover.Binding{{
			Addr: p.addr(), Status: lease.Status(1 + p.rng.IntN(7)), Client: p.client(), Expiry: p.time(), PotentialExpiry: p.time(),
			Since: p.time(), LastTransaction: p.time(),
		}}}
	case 10, 11:
		ack := &failover.BindingAck{Results: []failover.Result{{Addr: p.addr()}}}
		for xid, a := range p.flying {
			f.XID, ack.Results[0].Addr = xid, a
			break
		}
		if p.rng.IntN(4) == 0 {
			ack.Results[0].Reason, ack.Results[0].Text = failover.RejectFatalConflict, "no"
		}
		f.Body = ack
	case 12:
		f.Body = &failover.UpdateRequest{}
	case 13:
		f.Body = &failover.UpdateRequestAll{}
	case 14, 15:
		f.Body = &failover.UpdateDone{}
	case 16:
		f.Body = &failover.PoolRequest{}
	case 17:
		f.Body = &failover.PoolResponse{Transferred: p.rng.Uint32()}
	case 18:
		f.Body = &failover.Contact{}
	case 19:
		if p.rng.IntN(4) != 0 {
			f.Body = &failover.Contact{}
			break
		}
		f.Body = &failover.Disconnect{Reason: failover.RejectUnknown, Text: "gone"}
	}
	return f
}

// act is one thing that happens.
func (p *puppet) act() {
	switch n := p.rng.IntN(100); {
	case n < 50:
		if !p.linked {
			p.connect()
		} else {
			p.step(failover.Received{Frame: p.message()})
		}
	case n < 65:
		p.now = p.now.Add(time.Duration(p.rng.IntN(40)) * time.Second)
		for range 40 {
			at, ok := p.machine.Deadline()
			if !ok || at.After(p.now) {
				break
			}
			p.step(failover.Tick{})
		}
	case n < 85:
		old := p.book.Get(netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + p.rng.IntN(12))}))
		l := old
		l.Status = one2(p.rng, lease.Active, lease.Active, lease.Active, lease.Released, lease.Abandoned)
		if old.Status != lease.Active || p.rng.IntN(4) == 0 {
			l.Client = p.client()
		}
		l.LastTransaction = lease.Second(p.now)
		l.Expiry = lease.Second(p.now.Add(time.Minute))
		l.SentPotentialExpiry = lease.Second(p.now.Add(time.Hour))
		if p.rng.IntN(10) == 0 {
			old.Expiry = old.Expiry.Add(time.Second) // what it was asked on is no more
		}
		p.step(failover.Changed{Change: lease.Change{Old: old, New: l}})
	case n < 92:
		p.step(failover.Order{Kind: failover.OrderPartnerDown + failover.OrderKind(p.rng.IntN(6)), Force: p.rng.IntN(2) == 0})
	case n < 96:
		p.hangUp(errors.New("lost"))
	case n < 98:
		p.boot()
	default:
		p.connect()
	}
}

func TestPuppet(t *testing.T) {
	lives := 40
	if testing.Short() {
		lives = 8
	}
	for _, role := range []failover.Role{failover.Primary, failover.Secondary} {
		for seed := range lives {
			t.Run(fmt.Sprintf("%v/%d", role, seed), func(t *testing.T) {
				t.Parallel()
				live(t, role, uint64(seed))
			})
		}
	}
}

func live(t *testing.T, role failover.Role, seed uint64) map[Cell]int {
	p := newPuppet(t, role, seed)
	for range 5000 {
		p.act()
	}
	if err := lease.Check(p.book.All()); err != nil {
		t.Errorf("%v: %v", seed, err)
	}
	return p.cells
}
