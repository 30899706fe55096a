package failover

import (
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// lastTold returns what was last told to n by BNDUPD, and under which xid.
func (n *node) lastTold() (b Binding, xid uint32) {
	n.w.t.Helper()
	for _, data := range n.inbox {
		var f Frame
		if err := f.UnmarshalBinary(data); err != nil {
			n.w.t.Fatal(err)
		}
		if u, ok := f.Body.(*BindingUpdate); ok {
			b, xid = u.Bindings[0], f.XID
		}
	}
	n.inbox = nil
	return b, xid
}

// TestCrossingWithISC has an ISC dhcpd renew a short lease in the moment in which it is told that the lease is over. It
// lets the lease be ended, as the reference of its habits says, so it must hear once more that the client has it.
func TestCrossingWithISC(t *testing.T) {
	for name, answer := range map[string]RejectReason{"it takes ours": 0, "it refuses ours": RejectFatalConflict} {
		t.Run(name, func(t *testing.T) {
			w, p, s := normal(t, 20)
			l, err := s.grant(mac(1), 30*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			w.settle()
			p.machine.session.VendorClass = "isc-4.4.3-P1"
			w.now = l.Expiry.Add(flightTime)
			p.step(Tick{})
			told, xid := s.lastTold()
			if told.Addr != l.Addr || told.Status != lease.Expired {
				t.Fatalf("told %v, want that %v has expired", told, l.Addr)
			}
			renewed := Binding{
				Addr: l.Addr, Status: lease.Active, Client: l.Client, Since: l.Expiry, LastTransaction: l.Expiry,
				Expiry: l.Expiry.Add(time.Minute), PotentialExpiry: l.Expiry.Add(2 * time.Minute),
			}
			p.step(Received{&Frame{Time: w.now, XID: 9, Body: &BindingUpdate{Bindings: []Binding{renewed}}}})
			p.step(Received{&Frame{Time: w.now, XID: xid, Body: &BindingAck{Results: []Result{{Addr: l.Addr, Reason: answer}}}}})
			told, xid = s.lastTold()
			if told.Addr != l.Addr || told.Status != lease.Active || told.Client != l.Client || !told.Expiry.Equal(renewed.Expiry) {
				t.Fatalf("told %v at the end, want that %v has %v until %v", told, l.Client, l.Addr, renewed.Expiry)
			}
			p.step(Received{&Frame{Time: w.now, XID: xid, Body: &BindingAck{Results: []Result{{Addr: l.Addr}}}}})
			if got := p.book.Get(l.Addr); got.Status != lease.Active || got.Unacked {
				t.Errorf("ends with %+v", got)
			}
		})
	}
}

// TestEndOfALeaseThatStands has an ISC dhcpd tell of the end of a lease which it knows to be renewed. It must not be
// taken, and it must hear once more that the client has it. A partner whose clock is ahead may well tell of the end.
func TestEndOfALeaseThatStands(t *testing.T) {
	w, p, s := normal(t, 20)
	l, err := p.grant(mac(1), 40*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	p.machine.session.VendorClass = "isc-4.4.3-P1"
	w.now = w.now.Add(15 * time.Second)
	ended := Binding{
		Addr: l.Addr, Status: lease.Expired, Client: l.Client, Since: l.Since, LastTransaction: l.LastTransaction,
		Expiry: l.Expiry, PotentialExpiry: l.Expiry,
	}
	for _, c := range []struct {
		name  string
		clock time.Duration
		over  bool
	}{
		{"in the midst of it", 0, false},
		{"by a clock that is ahead", 25 * time.Second, true},
	} {
		p.step(Received{&Frame{Time: w.now.Add(c.clock), XID: 9, Body: &BindingUpdate{Bindings: []Binding{ended}}}})
		got := p.book.Get(l.Addr)
		if got.Status.Available() != c.over {
			t.Fatalf("%s: then it is %v", c.name, got.Status)
		}
		told, xid := s.lastTold()
		if !c.over && (told.Addr != l.Addr || told.Status != lease.Active) {
			t.Errorf("%s: told %v, want that the client has %v", c.name, told, l.Addr)
		}
		p.step(Received{&Frame{Time: w.now, XID: xid, Body: &BindingAck{Results: []Result{{Addr: l.Addr}}}}})
	}
	if got := p.book.Get(l.Addr); !got.Expiry.Equal(l.Expiry) {
		t.Errorf("it ends at %v by our clock, want %v still", got.Expiry, l.Expiry)
	}
}

// TestDuelOfTwoClients has each server give the address to a client of its own. Where one of the leases was over before the
// other was given, that other one stands.
func TestDuelOfTwoClients(t *testing.T) {
	base := time.Unix(1_800_000_000, 0).UTC()
	given := func(who byte, at time.Duration) lease.Lease {
		return lease.Lease{Status: lease.Active, Client: mac(who), LastTransaction: base.Add(at), Expiry: base.Add(at + time.Hour)}
	}
	tell := func(l lease.Lease) Binding {
		return Binding{Status: l.Status, Client: l.Client, LastTransaction: l.LastTransaction, Expiry: l.Expiry}
	}
	for _, c := range []struct {
		primary, secondary time.Duration
		wins               Role
	}{
		{0, 0, Primary},
		{0, 30 * time.Minute, Primary}, // both stood at a time
		{30 * time.Minute, 0, Primary},
		{0, time.Hour, Primary},
		{0, 2 * time.Hour, Secondary},
		{2 * time.Hour, 0, Primary},
	} {
		p, s := given(1, c.primary), given(2, c.secondary)
		if outranks(Primary, p, tell(s)) != (c.wins == Primary) || outranks(Secondary, s, tell(p)) != (c.wins == Secondary) {
			t.Errorf("given by the primary at %v and by the secondary at %v: want that the %v's stands, on both sides", c.primary, c.secondary, c.wins)
		}
	}
}

// TestDuelOfAReleaseAndALease has one server hear that the client gives its lease back, and the other give it anew. Whatever
// the clocks say of the order, the lease stands.
func TestDuelOfAReleaseAndALease(t *testing.T) {
	base := time.Unix(1_800_000_000, 0).UTC()
	for _, later := range []time.Duration{-time.Hour, 0, 4 * time.Second, time.Hour} {
		for role := range Role(2) {
			for _, status := range []lease.Status{lease.Released, lease.Abandoned, lease.Reset} {
				held := lease.Lease{Status: lease.Active, LastTransaction: base, Unacked: true, Expiry: base.Add(2 * time.Hour)}
				ended := lease.Lease{Status: status, LastTransaction: base.Add(later), Unacked: true}
				tell := func(l lease.Lease) Binding {
					return Binding{Status: l.Status, LastTransaction: l.LastTransaction, Expiry: l.Expiry}
				}
				if !outranks(role, held, tell(ended)) || outranks(1-role, ended, tell(held)) {
					t.Errorf("%v %v later, heard by the %v, counts when the two cross", status, later, 1-role)
				}
				if judge(role, base, base, held, tell(ended)) == nil {
					t.Errorf("%v %v later is accepted by the %v, of a lease that the peer has not heard of", status, later, role)
				}
				if no := judge(role, base, base, ended, tell(held)); no != nil {
					t.Errorf("%v %v later keeps the %v from a lease that the peer gave: %v", status, later, role, no.text)
				}
				over := held
				over.Expiry = base
				if no := judge(role, base, base, over, tell(ended)); no != nil {
					t.Errorf("%v %v later is refused by the %v, of a lease that is over: %v", status, later, role, no.text)
				}
				held.Unacked = false
				if no := judge(role, base, base, held, tell(ended)); no != nil {
					t.Errorf("%v %v later is refused by the %v, of a lease that the peer knew of: %v", status, later, role, no.text)
				}
			}
		}
	}
}
