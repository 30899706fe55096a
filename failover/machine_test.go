package failover

import (
	"errors"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

func normal(t *testing.T, addrs int) (*world, *node, *node) {
	t.Helper()
	w := newWorld(t, addrs)
	w.connect()
	w.pass(time.Second)
	for _, n := range w.nodes {
		n.state(Normal)
	}
	return w, w.nodes[0], w.nodes[1]
}

func TestFirstContact(t *testing.T) {
	w, p, s := normal(t, 241)
	p.counts(121, 120)
	s.counts(121, 120)
	w.agree()
	w.pass(24 * time.Hour)
	p.state(Normal)
	s.state(Normal)
	p.counts(121, 120)
	if s.machine.mclt() != time.Hour {
		t.Errorf("secondary has MCLT %v, want the primary's hour", s.machine.mclt())
	}
}

func TestFirstLeaseIsMCLTLongAndRenewalWhole(t *testing.T) {
	for i, name := range []string{"primary", "secondary"} {
		t.Run(name, func(t *testing.T) {
			w, _, _ := normal(t, 20)
			n := w.nodes[i]
			const want = 604800 * time.Second
			l, err := n.grant(mac(1), want)
			if err != nil {
				t.Fatal(err)
			}
			if got := l.Expiry.Sub(w.now); got != time.Hour {
				t.Errorf("first lease is %v long, want MCLT", got)
			}
			if got := l.SentPotentialExpiry.Sub(w.now); got != want+30*time.Minute {
				t.Errorf("potential expiry is in %v, want 604800 s and half of the lease", got)
			}
			w.settle()
			w.agree()
			if got := n.other().book.Get(l.Addr).ReceivedPotentialExpiry; got != l.SentPotentialExpiry {
				t.Errorf("partner knows %v, want %v", got, l.SentPotentialExpiry)
			}
			w.pass(30 * time.Minute)
			l, err = n.grant(mac(1), want)
			if err != nil {
				t.Fatal(err)
			}
			if got := l.Expiry.Sub(w.now); got != want {
				t.Errorf("renewal is %v long, want all of it", got)
			}
			w.settle()
			w.agree()
		})
	}
}

func TestExpiry(t *testing.T) {
	w, p, s := normal(t, 20)
	l, err := s.grant(mac(1), 10*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	w.pass(10*time.Minute - time.Second)
	for _, n := range w.nodes {
		if got := n.book.Get(l.Addr).Status; got != lease.Active {
			t.Errorf("%s has %v a second before the end", n.name, got)
		}
	}
	w.pass(flightTime + 2*time.Second)
	for _, n := range w.nodes {
		if got := n.book.Get(l.Addr); !got.Status.Available() || got.Client != mac(1) {
			t.Errorf("%s has %v of %v after the end, want available and its last client", n.name, got.Status, got.Client)
		}
	}
	w.agree()
	_ = p
}

func TestPartnerKilled(t *testing.T) {
	w, p, s := normal(t, 20)
	a, err := p.grant(mac(1), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.grant(mac(2), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.cut(errors.New("killed"))
	s.state(CommunicationsInterrupted)
	if _, err := s.grant(mac(1), time.Hour); err != nil {
		t.Errorf("the survivor does not renew what its partner gave: %v", err)
	}
	for i := range byte(9) {
		if _, err := s.grant(mac(10+i), time.Hour); err != nil {
			t.Errorf("new client %d is not served from the survivor's share: %v", i, err)
		}
	}
	if l, err := s.grant(mac(99), time.Hour); err == nil {
		t.Errorf("the survivor gave %v, which is its partner's to give", l.Addr)
	}
	w.pass(20 * time.Minute)
	p.crash()
	p.state(Startup)
	if services[p.machine.State()] != silent {
		t.Error("a server in startup answers")
	}
	w.connect()
	w.settle()
	p.state(Normal)
	s.state(Normal)
	w.agree()
	for _, l := range []lease.Lease{a, b} {
		if got := p.book.Get(l.Addr); got.Status != lease.Active || got.Client != l.Client {
			t.Errorf("%v is %v of %v, want active of %v", l.Addr, got.Status, got.Client, l.Client)
		}
	}
}

func TestAloneAfterRestart(t *testing.T) {
	w, p, _ := normal(t, 20)
	p.crash()
	w.pass(14 * time.Second)
	p.state(Startup)
	w.pass(2 * time.Second)
	p.state(CommunicationsInterrupted)
}

func TestNewServerAloneStaysSilent(t *testing.T) {
	w := newWorld(t, 20)
	w.pass(time.Hour)
	for _, n := range w.nodes {
		n.state(Recover)
		if _, err := n.grant(mac(1), time.Hour); err == nil {
			t.Errorf("%s serves before it met its partner", n.name)
		}
	}
	w.connect()
	w.settle()
	w.nodes[0].state(Normal)
}

func TestSwitchSplit(t *testing.T) {
	w, p, s := normal(t, 200)
	w.cut(errors.New("split"))
	held := make(map[string]lease.Client)
	for i := range byte(120) {
		for j, n := range w.nodes {
			c := mac(i)
			c.ID = "\x01" + string([]byte{byte(j), i})
			l, err := n.grant(c, time.Hour)
			if err != nil {
				continue
			}
			if other, ok := held[l.Addr.String()]; ok {
				t.Fatalf("%v is held by %v and %v", l.Addr, other, c)
			}
			held[l.Addr.String()] = c
		}
	}
	if len(held) != 200 {
		t.Errorf("%d clients served, want the whole pool", len(held))
	}
	w.connect()
	w.settle()
	p.state(Normal)
	s.state(Normal)
	w.agree()
	w.pass(3 * time.Hour)
	w.agree()
	if c := p.pool.Counts(); c.Free+c.Backup != 200 {
		t.Errorf("%+v after all leases ended, want 200 available", c)
	}
}

func TestReleaseAndDecline(t *testing.T) {
	w, p, s := normal(t, 20)
	l, err := p.grant(mac(1), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	old := s.book.Get(l.Addr)
	gone := old
	gone.Status, gone.LastTransaction = lease.Released, w.now.Add(time.Second)
	w.now = w.now.Add(time.Second)
	if err := s.step(Changed{lease.Change{Old: old, New: gone}}); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.agree()
	if got := p.book.Get(l.Addr).Status; !got.Available() {
		t.Errorf("released address is %v", got)
	}
	l, err = p.grant(mac(2), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	bad := p.book.Get(l.Addr)
	old = bad
	bad.Status, bad.Expiry = lease.Abandoned, w.now.Add(24*time.Hour)
	if err := p.step(Changed{lease.Change{Old: old, New: bad}}); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.agree()
	if got := s.book.Get(l.Addr).Status; got != lease.Abandoned {
		t.Errorf("declined address is %v at the partner", got)
	}
	w.pass(25 * time.Hour)
	w.agree()
	if got := s.book.Get(l.Addr).Status; !got.Available() {
		t.Errorf("a day later it is %v", got)
	}
}

func TestFailedWritePromisesNothing(t *testing.T) {
	w, p, s := normal(t, 20)
	before := p.book.Len()
	p.fail = errors.New("no space left on device")
	if l, err := p.grant(mac(1), time.Hour); err == nil {
		t.Errorf("granted %v though it was not written", l.Addr)
	}
	if p.book.Len() != before {
		t.Error("the ledger has what was not written")
	}
	w.pass(time.Second)
	p.state(CommunicationsInterrupted)
	if _, err := p.grant(mac(1), time.Hour); err != nil {
		t.Errorf("no service when there is room again: %v", err)
	}
	w.connect()
	w.settle()
	p.state(Normal)
	s.state(Normal)
	w.agree()
}

func TestSilentPartner(t *testing.T) {
	w, p, s := normal(t, 20)
	w.pass(10 * time.Minute)
	if !w.wire {
		t.Fatal("an idle connection is given up")
	}
	// From now on nothing arrives.
	end := w.now.Add(time.Minute)
	for w.wire && w.now.Before(end.Add(time.Minute)) {
		w.now = w.now.Add(time.Second)
		for _, n := range w.nodes {
			n.inbox = nil
			if at, ok := n.machine.Deadline(); ok && !at.After(w.now) {
				n.step(Tick{})
			}
		}
	}
	if w.wire {
		t.Fatal("silence is not noticed")
	}
	p.state(CommunicationsInterrupted)
	s.state(CommunicationsInterrupted)
}

// TestExpiryByThePartnersClock has the secondary's clock half a minute behind: what it gave ends for its client later
// than the primary's clock says.
func TestExpiryByThePartnersClock(t *testing.T) {
	w := newWorld(t, 20)
	w.nodes[1].skew = -30 * time.Second
	w.connect()
	w.pass(5 * time.Second)
	p, s := w.nodes[0], w.nodes[1]
	l, err := s.grant(mac(1), 10*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	w.pass(10*time.Minute - time.Second) // for the client there is a second left
	if got := p.book.Get(l.Addr).Status; got != lease.Active {
		t.Errorf("a second before the end the primary has %v", got)
	}
	w.pass(flightTime + 3*time.Second)
	for _, n := range w.nodes {
		if got := n.book.Get(l.Addr).Status; !got.Available() {
			t.Errorf("after the end %s has %v", n.name, got)
		}
	}
}
