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

// TestDuelOfAReleaseAndALease has one server hear that the client gives its lease back, and the other give it anew, so
// close to each other that only the clocks could tell which came first.
func TestDuelOfAReleaseAndALease(t *testing.T) {
	base := time.Unix(1_800_000_000, 0).UTC()
	for _, c := range []struct {
		name   string
		later  time.Duration // the release, by the clocks
		stands bool
	}{
		{"long before", -time.Hour, true},
		{"at once", 0, true},
		{"4 s later by a clock that is ahead", 4 * time.Second, true},
		{"as much later as the clocks may differ", maxSkew, true},
		{"certainly later", maxSkew + time.Second, false},
	} {
		for role := range Role(2) {
			for _, status := range []lease.Status{lease.Released, lease.Abandoned, lease.Reset} {
				held := lease.Lease{Status: lease.Active, LastTransaction: base, Unacked: true, Expiry: base.Add(2 * time.Hour)}
				ended := lease.Lease{Status: status, LastTransaction: base.Add(c.later), Unacked: true}
				tell := func(l lease.Lease) Binding { return Binding{Status: l.Status, LastTransaction: l.LastTransaction} }
				if got := outranks(role, held, tell(ended)); got != c.stands {
					t.Errorf("%s: %v given by the %v stands: %v", c.name, status, role, got)
				}
				if got := outranks(1-role, ended, tell(held)); got == c.stands {
					t.Errorf("%s: %v heard by the %v counts: %v", c.name, status, 1-role, got)
				}
				if got := overtakes(tell(ended), held); got == c.stands {
					t.Errorf("%s: %v told to the %v overtakes: %v", c.name, status, role, got)
				}
				if got := overtakes(tell(held), ended); got != c.stands {
					t.Errorf("%s: a lease told after %v overtakes: %v", c.name, status, got)
				}
			}
		}
	}
}
