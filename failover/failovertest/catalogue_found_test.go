package failovertest

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
)

// foundWays are those that the worlds have found, and what no world finds soon.
var foundWays = []plot{
	// What the worlds have found. Each was mended; the sentence says what went wrong.
	{name: "found: RECOVER beside NORMAL", do: func(s *scene) {
		// A server without a ledger heard NORMAL of one that had just started, went to POTENTIAL-CONFLICT, was told only
		// what was new there, and gave its partner's addresses away.
		s.pass(30 * time.Minute)
		s.secondary().die(true)
		s.lose(s.primary())
		s.pass(time.Minute)
		s.boot(s.primary())
		s.boot(s.secondary())
		s.pass(4 * time.Hour)
	}},
	{name: "found: a promise that a lost ledger forgot", cfg: Config{Clients: 20, Addresses: 10}, do: func(s *scene) {
		// A server renewed leases unheard, lost its ledger, and agreed to their end when its partner saw them end.
		s.pass(40 * time.Minute)
		s.cut()
		s.pass(time.Minute)
		for _, c := range s.clients {
			if c.holds() && c.state == bound && (s.now-c.since)*3 > c.end-c.since {
				s.renew(c, s.secondary())
			}
		}
		s.lose(s.secondary())
		s.pass(25 * time.Minute) // the primary sees some of them end
		s.boot(s.secondary())
		s.pass(20 * time.Second)
		s.mend()
		s.pass(3 * time.Hour)
	}},
	{name: "found: partner-down without a ledger", fix: func(m *Model) { m.full = true }, do: func(s *scene) {
		// A secondary that had lost its ledger, and MCLT with it, was ordered into PARTNER-DOWN and gave the primary's addresses
		// at once. Now the order is refused, and forced it gives none of them.
		s.pass(30 * time.Minute)
		s.primary().die(true)
		s.primary().held = true
		s.lose(s.secondary())
		s.boot(s.secondary())
		s.pass(time.Minute)
		s.secondary().give(failover.Order{Kind: failover.OrderPartnerDown})
		s.pass(time.Minute)
		s.state(s.secondary(), failover.Recover)
		s.ruin() // what follows nobody should do
		s.stale = true
		s.down(s.secondary(), true)
		acks := s.report.Acks
		s.pass(3 * time.Hour)
		if s.report.Acks != acks {
			s.t.Errorf("%d clients were served by a server that knows nothing", s.report.Acks-acks)
		}
	}},
	{name: "found: a lease that is over beats one that stands", cfg: Config{Clients: 20, Addresses: 10}, do: func(s *scene) {
		// A secondary in PARTNER-DOWN asked the primary, which was shut down and had old news, for all it had, and took its
		// clients' leases, long over, for those that it had given since.
		s.pass(30 * time.Minute)
		s.primary().give(failover.Order{Kind: failover.OrderShutdown})
		s.pass(time.Minute)
		s.state(s.primary(), failover.Shutdown)
		for _, c := range s.clients[:10] {
			s.off(c)
		}
		s.pass(5 * time.Hour)
		s.secondary().give(failover.Order{Kind: failover.OrderResync})
		s.pass(time.Hour)
	}},
	{name: "found: a promise that was told and not acknowledged", cfg: Config{Clients: 18, Addresses: 12}, do: func(s *scene) {
		// When a lease ended, its server forgot up to when it had told the partner that the client might have it, where the
		// acknowledgement was lost. In PARTNER-DOWN it gave the address away while the partner's promise lasted.
		s.pass(45 * time.Minute)
		s.wire.stall(0, true) // no acknowledgement comes
		for _, c := range s.clients {
			if c.holds() && c.state == bound {
				c.become(renewing)
				c.began, c.server = s.now, 0
				c.ask()
			}
		}
		s.pass(10 * time.Second)
		s.cut()
		s.lan.cut[0] = make([]bool, len(s.clients))
		for id := range s.clients {
			s.lan.cut[0][id] = true
		}
		s.pass(58 * time.Minute) // they rebind, at the secondary
		s.secondary().die(true)
		s.secondary().held = true
		s.join()
		s.down(s.primary(), false)
		s.pass(4 * time.Hour)
		s.revive(s.secondary())
	}},
	{name: "a step of the clock", do: func(s *scene) {
		s.pass(30 * time.Minute)
		s.primary().set(-8 * time.Minute)
		s.cut()
		s.pass(3 * time.Minute)
		s.state(s.primary(), failover.CommunicationsInterrupted) // its timers do not wait for the clock to catch up
		s.mend()
		s.primary().set(0)
		s.pass(time.Hour)
	}},
	{name: "a planned stop, and a start that the partner does not hear", do: func(s *scene) {
		// The partner was told to serve alone: who comes back must hear it before it serves.
		s.pass(20 * time.Minute)
		s.primary().give(failover.Order{Kind: failover.OrderShutdown})
		s.pass(time.Minute)
		s.state(s.secondary(), failover.PartnerDown)
		s.primary().die(false)
		s.cut()
		s.boot(s.primary())
		s.pass(time.Hour)
		s.join()
	}},
	{name: "what is untold at a restart", cfg: Config{Clients: 6, Addresses: 16}, do: func(s *scene) {
		s.cut()
		s.pass(time.Minute)
		for _, c := range s.clients {
			if c.state == bound {
				c.forget()
				c.rename()
				c.begin() // a lease of which the partner does not hear
			}
		}
		s.pass(time.Minute)
		for _, v := range s.servers {
			v.die(true)
			s.boot(v)
		}
		s.pass(time.Minute)
		for _, c := range s.clients {
			s.off(c)
		}
		s.mend()
		s.pass(time.Minute)
	}},
	{name: "a disk that was full", cfg: Config{Clients: 6, Addresses: 16}, do: func(s *scene) {
		// What could not be written is neither believed nor forgotten.
		s.cut()
		s.pass(time.Minute)
		for _, c := range s.clients {
			if c.state == bound {
				c.forget()
				c.rename()
				c.begin()
			}
		}
		s.pass(time.Minute)
		for _, v := range s.servers {
			v.store.broken = true
		}
		for _, c := range s.clients {
			if c.state == bound {
				c.reboot()
			}
		}
		s.secondary().give(failover.Order{Kind: failover.OrderPartnerDown, Force: true})
		s.pass(30 * time.Second)
		for _, v := range s.servers {
			v.store.broken = false
		}
		s.pass(2 * time.Minute)
		s.state(s.secondary(), failover.CommunicationsInterrupted)
		s.mend()
		s.pass(time.Minute)
		if n := s.bound(); n < len(s.clients)-2 {
			s.t.Errorf("%d of %d clients are bound", n, len(s.clients))
		}
		for _, c := range s.clients {
			s.off(c)
		}
	}},
	{name: "an address out of use, and a ledger lost", cfg: Config{Clients: 1, Addresses: 4}, do: func(s *scene) {
		// Who has no ledger must not take it that its partner holds the address for free: it has taken it over.
		c, p, v := s.clients[0], s.primary(), s.secondary()
		s.when("the client is bound", func() bool { return c.state == bound })
		s.cut()
		s.away(c, p)
		c.become(rebinding)
		c.began = s.now
		c.ask()
		s.when("the secondary renews", func() bool { return c.state == bound && c.server == v.id })
		s.pass(time.Minute)
		addr := c.addr
		s.lan.unicast(v.id, message{kind: decline, client: c, server: v.id, addr: addr, sentAt: s.now})
		c.forget()
		s.off(c)
		s.when("it is out of use", func() bool { return v.book.Get(addr).Status == lease.Abandoned })
		s.lose(p)
		p.held = true
		s.pass(time.Minute)
		s.down(v, false)
		s.pass(v.book.Get(addr).LatestPromise().Sub(v.clock()) + time.Minute)
		p.held = false
		s.boot(p)
		s.mend()
		s.pass(2 * sceneMCLT)
		s.state(p, failover.Normal)
	}},
	{name: "two machines with one hardware address", cfg: Config{Clients: 2, Addresses: 8}, do: func(s *scene) {
		// By option 61 they are two clients, and one remembers the address of the other.
		a, b := s.clients[0], s.clients[1]
		for _, c := range s.clients {
			c.forget()
			c.addr = netip.Addr{}
			c.name = lease.Client{ID: fmt.Sprintf("machine %d", c.id), HW: a.name.HW}
			c.begin()
		}
		s.when("both are bound", func() bool { return a.holds() && b.holds() })
		b.forget()
		b.addr = a.addr
		b.reboot()
		s.pass(5 * time.Minute)
	}},
	{name: "an acknowledgement that crosses a renewal", cfg: Config{Clients: 1, Addresses: 6}, do: func(s *scene) {
		// What is acknowledged is what was told first, and of the partner no more is heard.
		c, v := s.clients[0], s.primary()
		s.away(c, s.secondary())
		s.pass(5 * time.Minute)
		s.wire.stall(v.id, true)
		c.reboot()
		s.when("the client is bound", func() bool { return c.state == bound && c.server == v.id })
		told := v.book.Get(c.addr).SentPotentialExpiry
		s.pass(5 * time.Second)
		c.reboot()
		s.when("the client is bound", func() bool { return c.state == bound })
		if newer := v.book.Get(c.addr).SentPotentialExpiry; newer.Sub(told) < 5*time.Second {
			s.t.Fatalf("told %s and then %s", at(told), at(newer))
		}
		s.wire.stall(1-v.id, true)
		s.wire.stall(v.id, false)
		s.when("the first is acknowledged", func() bool { return !v.book.Get(c.addr).AckedPotentialExpiry.Before(told) })
		s.cut()
		s.pass(3 * time.Hour)
	}},
	{name: "an end whose acknowledgement is lost", cfg: Config{Clients: 2, Addresses: 1}, fix: func(m *Model) { m.split = 256 }, do: func(s *scene) {
		// The primary has agreed that the lease is over, and gives the address to another client.
		a, b, p, v := s.clients[0], s.clients[1], s.primary(), s.secondary()
		if b.holds() {
			a, b = b, a
		}
		addr := a.addr
		s.off(b)
		s.cut()
		s.away(a, p)
		s.away(b, v)
		a.become(rebinding)
		a.began = s.now
		a.ask()
		s.when("the secondary renews", func() bool { return a.state == bound && a.server == v.id })
		s.pass(time.Minute) // they find out that they do not hear each other
		s.lan.unicast(v.id, message{kind: release, client: a, server: v.id, addr: addr, sentAt: s.now})
		a.forget()
		s.off(a)
		s.when("the lease is over", func() bool { return v.book.Get(addr).Status == lease.Released })
		s.wire.delay = 500 * time.Millisecond
		s.mend()
		s.when("the primary agrees", func() bool { return p.book.Get(addr).Status == lease.Free })
		s.cut()
		s.pass(time.Minute)
		if l := v.book.Get(addr); l.Status != lease.Released {
			s.t.Fatalf("the acknowledgement has arrived: %s", show(l))
		}
		b.begin()
		s.when("the other client is bound", func() bool { return b.holds() && b.addr == addr })
		a.begin()
		s.pass(5 * time.Minute)
	}},
}
