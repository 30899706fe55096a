package failover

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// take gives a client an address of the partner's, or says why not.
func (n *node) take(c lease.Client, from lease.Status) (lease.Lease, error) {
	n.w.t.Helper()
	st := n.machine.Status()
	why := errors.New("no free leases")
	old, ok := n.pool.Pick(from, func(l lease.Lease) bool {
		why = mayGrant(st.Role, st.service(), st.downSince, st.MCLT, n.w.now, l, c)
		return why == nil
	})
	if !ok {
		return lease.Lease{}, why
	}
	l := old
	l.Status, l.Client, l.LastTransaction = lease.Active, c, n.w.now
	l.SentPotentialExpiry = n.w.now.Add(time.Hour)
	l.Expiry = LatestExpiry(n.w.now, l.SentPotentialExpiry, old, c, st.MCLT)
	if err := n.step(Changed{lease.Change{Old: old, New: l}}); err != nil {
		return lease.Lease{}, err
	}
	return n.book.Get(l.Addr), nil
}

func (n *node) order(k OrderKind) error {
	n.w.t.Helper()
	return n.step(Order{Kind: k})
}

// lose takes away all that a node has on record, and restarts it.
func (n *node) lose() {
	n.w.t.Helper()
	n.w.cut(errors.New("crash"))
	n.store = lease.NewMemory()
	n.boot(pool.Config{Name: n.pool.Name(), Ranges: n.pool.Ranges()})
}

func TestPartnerDown(t *testing.T) {
	for i, name := range []string{"the secondary is down", "the primary is down"} {
		t.Run(name, func(t *testing.T) {
			w, _, _ := normal(t, 20)
			n, dead := w.nodes[i], w.nodes[1-i]
			if err := n.order(OrderPartnerDown); !errors.Is(err, ErrOrder) {
				t.Fatalf("partner-down while the partner is connected gives %v, want a refusal", err)
			}
			theirs, err := dead.grant(mac(1), 30*time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			w.settle()
			w.cut(errors.New("killed"))
			if err := n.order(OrderPartnerDown); err != nil {
				t.Fatal(err)
			}
			n.state(PartnerDown)
			if _, err := n.take(mac(2), dead.cfg.Role.own()); !errors.Is(err, ErrNotMine) {
				t.Errorf("at once: %v, want the partner's addresses left alone", err)
			}
			w.pass(time.Hour) // MCLT
			if _, err := n.take(mac(2), dead.cfg.Role.own()); !errors.Is(err, ErrNotMine) {
				t.Errorf("after MCLT to the second: %v, want more than MCLT", err)
			}
			w.pass(time.Second)
			if _, err := n.take(mac(2), dead.cfg.Role.own()); !errors.Is(err, ErrNotMine) {
				t.Errorf("MCLT after the second in which it went down: %v, want that this second counts", err)
			}
			w.pass(time.Second)
			if _, err := n.take(mac(2), dead.cfg.Role.own()); err != nil {
				t.Errorf("after MCLT: %v", err)
			}
			// What the partner may have promised for its lease is the potential expiry it told, and MCLT.
			until := theirs.SentPotentialExpiry.Add(time.Hour)
			w.pass(until.Sub(w.now))
			if got := n.book.Get(theirs.Addr).Status; got != lease.Expired {
				t.Errorf("the partner's lease is %v when it may just still be promised, want expired", got)
			}
			w.pass(2 * time.Second)
			if got := n.book.Get(theirs.Addr).Status; got != n.cfg.Role.own() {
				t.Errorf("the partner's lease is %v when nobody can hold it, want %v", got, n.cfg.Role.own())
			}
			// A restart begins the wait anew: the partner may have been up meanwhile.
			n.crash()
			w.pass(16 * time.Second)
			n.state(PartnerDown)
			if _, err := n.take(mac(3), dead.cfg.Role.own()); !errors.Is(err, ErrNotMine) {
				t.Errorf("after a restart: %v, want the partner's addresses left alone again", err)
			}
			// The partner comes back, having missed it all.
			w.pass(2 * time.Hour)
			dead.crash()
			w.connect()
			w.settle()
			w.pass(2 * time.Hour)
			n.state(Normal)
			dead.state(Normal)
			w.agree()
		})
	}
}

func TestLostLedger(t *testing.T) {
	for i, name := range []string{"of the primary", "of the secondary"} {
		t.Run(name, func(t *testing.T) {
			w, _, _ := normal(t, 20)
			n, other := w.nodes[i], w.nodes[1-i]
			mine, err := n.grant(mac(1), time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			w.settle()
			n.lose()
			other.state(CommunicationsInterrupted)
			w.connect()
			w.settle()
			n.state(RecoverWait)
			other.state(CommunicationsInterrupted)
			if got := n.book.Get(mine.Addr); got.Status != lease.Active || got.Client != mine.Client {
				t.Errorf("it learnt %v of %v, want its own lease", got.Status, got.Client)
			}
			if _, err := n.grant(mac(2), time.Hour); err == nil {
				t.Error("it serves before it knows that its forgotten promises are over")
			}
			w.pass(time.Hour - time.Second)
			n.state(RecoverWait)
			w.pass(2 * time.Second)
			n.state(Normal)
			other.state(Normal)
			w.agree()
		})
	}
}

func TestPotentialConflict(t *testing.T) {
	w, p, s := normal(t, 20)
	w.cut(errors.New("split"))
	for _, n := range w.nodes {
		if err := n.order(OrderPartnerDown); err != nil {
			t.Fatal(err)
		}
	}
	w.now = w.now.Add(2 * time.Hour)
	// Each gives what is the other's, to another client.
	a, err := p.take(mac(1), lease.Backup)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.grant(mac(2), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if a.Addr != b.Addr {
		t.Fatalf("%v and %v: the test wants one address", a.Addr, b.Addr)
	}
	only, err := s.take(mac(3), lease.Free)
	if err != nil {
		t.Fatal(err)
	}
	w.connect()
	w.settle()
	p.state(Normal)
	s.state(Normal)
	w.agree()
	if got := p.book.Get(a.Addr).Client; got != mac(1) {
		t.Errorf("%v is held by %v, want the primary's client", a.Addr, got)
	}
	if got := p.book.Get(only.Addr); got.Status != lease.Active || got.Client != mac(3) {
		t.Errorf("%v is %v of %v, want what the secondary gave", only.Addr, got.Status, got.Client)
	}
	if !strings.Contains(strings.Join(append(p.log, s.log...), "\n"), "Lease conflict at "+a.Addr.String()) {
		t.Error("the conflict is not in the log")
	}
	for _, st := range []string{"potential-conflict", "conflict-done"} {
		if !strings.Contains(strings.Join(p.log, "\n"), "to "+st) {
			t.Errorf("the primary never was in %s", st)
		}
	}
}

// TestBothComeUpInPartnerDown starts two servers at once that were both ordered into PARTNER-DOWN, each while the other was
// not there. Neither must wait for the other to decide until both serve.
func TestBothComeUpInPartnerDown(t *testing.T) {
	w, p, s := normal(t, 20)
	w.cut(errors.New("split"))
	for _, n := range w.nodes {
		if err := n.order(OrderPartnerDown); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range w.nodes {
		n.crash()
		n.state(Startup)
	}
	w.connect()
	w.deliver(0)
	for _, n := range w.nodes {
		if st := n.machine.State(); services[st] == survivor {
			t.Errorf("%s serves in %v beside a peer that it hears", n.name, st)
		}
	}
	w.settle()
	p.state(Normal)
	s.state(Normal)
	w.agree()
}

func TestConflictInterrupted(t *testing.T) {
	w, p, s := normal(t, 20)
	w.cut(errors.New("split"))
	for _, n := range w.nodes {
		if err := n.order(OrderPartnerDown); err != nil {
			t.Fatal(err)
		}
	}
	for cut := range 12 {
		w.connect()
		for range cut {
			w.deliver(1)
			w.deliver(0)
		}
		w.cut(errors.New("again"))
		for _, n := range w.nodes {
			if st := n.machine.State(); services[st] == silent {
				t.Errorf("cut after %d messages: %s is in %v and answers nobody", cut, n.name, st)
			}
		}
	}
	w.connect()
	w.settle()
	p.state(Normal)
	s.state(Normal)
	w.agree()
}

func TestPauseAndShutdown(t *testing.T) {
	t.Run("pause", func(t *testing.T) {
		w, p, s := normal(t, 20)
		if err := p.order(OrderPause); err != nil {
			t.Fatal(err)
		}
		w.settle()
		p.state(Paused)
		s.state(CommunicationsInterrupted)
		if err := p.order(OrderResume); err != nil {
			t.Fatal(err)
		}
		w.settle()
		p.state(Normal)
		s.state(Normal)
	})
	t.Run("shutdown", func(t *testing.T) {
		w, p, s := normal(t, 20)
		for i := range byte(8) {
			if _, err := p.grant(mac(i), time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.order(OrderShutdown); err != nil {
			t.Fatal(err)
		}
		if _, err := p.grant(mac(9), time.Hour); !errors.Is(err, ErrNotServing) {
			t.Errorf("a server that leaves answers: %v", err)
		}
		s.state(Normal)
		w.settle()
		p.state(Shutdown)
		s.state(PartnerDown)
		for i := range byte(8) {
			for l := range p.book.ByClient(0, mac(i)) {
				if s.book.Get(l.Addr).Client != l.Client {
					t.Errorf("%v: the partner took over without knowing of it", l.Addr)
				}
			}
		}
		w.pass(10 * time.Minute)
		if _, err := s.grant(mac(1), time.Hour); err != nil {
			t.Error(err)
		}
		p.crash()
		w.connect()
		w.settle()
		p.state(Normal) // without a wait
		s.state(Normal)
		w.agree()
	})
	t.Run("shutdown with nobody to tell", func(t *testing.T) {
		w, p, _ := normal(t, 20)
		w.cut(errors.New("cut"))
		if err := p.order(OrderShutdown); !errors.Is(err, ErrOrder) {
			t.Errorf("got %v, want a refusal", err)
		}
	})
	t.Run("the partner is lost before it knows all", func(t *testing.T) {
		w, p, _ := normal(t, 20)
		if _, err := p.grant(mac(1), time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := p.order(OrderShutdown); err != nil {
			t.Fatal(err)
		}
		w.cut(errors.New("cut"))
		p.state(CommunicationsInterrupted)
		if _, err := p.grant(mac(2), time.Hour); err != nil {
			t.Errorf("it does not serve on: %v", err)
		}
	})
}

func TestRecoverAndResync(t *testing.T) {
	w, p, s := normal(t, 20)
	if _, err := p.grant(mac(1), time.Hour); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if err := s.order(OrderResync); err != nil {
		t.Fatal(err)
	}
	w.settle()
	s.state(Normal)
	w.agree()
	if err := s.order(OrderRecover); err != nil {
		t.Fatal(err)
	}
	s.state(Recover)
	if w.wire {
		t.Fatal("the partner sees RECOVER on a connection that was NORMAL")
	}
	w.connect()
	w.settle()
	w.pass(time.Hour + time.Minute)
	p.state(Normal)
	s.state(Normal)
	w.agree()
}

func TestSafePeriodAsksTheFence(t *testing.T) {
	w, p, _ := normal(t, 20)
	p.machine.cfg.SafePeriod = time.Minute
	w.cut(errors.New("cut"))
	asked := 0
	for range 3 {
		w.now = w.now.Add(time.Minute)
		if p.machine.Step(w.now, Tick{}).Fence {
			asked++
		}
		p.machine.Settle(nil)
	}
	if asked != 3 {
		t.Errorf("the fence was asked %d times in three minutes, want 3", asked)
	}
	p.state(CommunicationsInterrupted)
}

// TestReturningPrimaryListensFirst has a primary come back on a record whose leases seem to have ended, while the partner
// has renewed them: an ISC dhcpd would take its word for it that they have.
func TestReturningPrimaryListensFirst(t *testing.T) {
	w, p, s := normal(t, 20)
	l, err := p.grant(mac(1), 10*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	p.die()
	w.pass(5 * time.Minute)
	if _, err := s.grant(mac(1), 10*time.Minute); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(6 * time.Minute)
	p.crash() // and back, on the old record
	w.connect()
	w.deliver(0)
	p.state(Normal)
	p.step(Tick{})
	asked := false
	for _, b := range s.inbox {
		var f Frame
		if err := f.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		switch f.Body.(type) {
		case *UpdateRequest:
			asked = true
		case *BindingUpdate:
			t.Errorf("before it has heard the partner it says %s", f.Relative(start))
		}
	}
	if !asked {
		t.Error("it does not ask what the partner did")
	}
	w.settle()
	w.agree()
	if got := p.book.Get(l.Addr); got.Status != lease.Active || got.Client != mac(1) {
		t.Errorf("%v is %v of %v, want what the partner renewed", l.Addr, got.Status, got.Client)
	}
	w.pass(time.Hour)
	if got := p.book.Get(l.Addr).Status; !got.Available() {
		t.Errorf("an hour later it is %v", got)
	}
}
