package failovertest

import (
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
)

// What people do to servers, rightly and wrongly.

const (
	guardTime  = 2 * time.Minute  // that a server which was declared down is given to hear its partner
	patience   = 30 * time.Second // between two looks of an operator
	stepClock  = 10 * time.Minute
	fenceDelay = 2 * time.Second
)

// beginHuman lets a fault happen that is of people's making.
func (m *Model) beginHuman(f Fault, s *server, backup *store, undo func(func())) {
	other := m.servers[1-s.id]
	switch f.Kind {
	case PartnerDown:
		s.die(f.Degree&1 == 0)
		if !other.alive || other.held || s.held { // nobody is there to give the order to
			undo(s.boot)
			return
		}
		s.held = true
		m.after(time.Duration(f.Degree>>1%600)*time.Second, func() { m.declare(s, 0) })
		m.after(f.For, func() { m.revive(s) })
	case WrongPartnerDown:
		m.ruin()
		m.stale = m.stale || !other.whole() || !s.whole() // a server that knows nothing is made to serve
		m.after(time.Duration(f.Degree%60)*time.Second, func() {
			other.give(failover.Order{Kind: failover.OrderPartnerDown, Force: f.Degree&64 != 0})
		})
		if f.Degree&128 != 0 { // both
			s.give(failover.Order{Kind: failover.OrderPartnerDown, Force: true})
		}
	case Operator:
		m.operate(f, s, undo)
	case Reload:
		// It comes to one server after the other, within minutes.
		n := max(m.cfg.Addresses+int(f.Degree%uint32(m.cfg.Addresses/2+1))-m.cfg.Addresses/4, 2)
		m.tracef("the pool is to have %d addresses", n)
		m.target = m.ranges(n)
		for i, s := range m.servers {
			m.after(time.Duration(f.Degree>>(8+8*i)%256)*time.Second, s.reload)
		}
	case ClockStep:
		off := m.upTo(stepClock)
		if f.Degree&1 == 0 {
			off = -off
		}
		s.set(off)
		undo(func() { s.set(0) })
	case StoreLost:
		if !other.whole() || s.wise() {
			m.ruin() // nobody has a whole ledger now
		}
		if m.target.Name != "" {
			m.ruin() // of addresses that are out of the pool just now, nobody will tell it
			m.stale = true
		}
		m.lose(s)
		m.after(f.For/4, s.boot)
	case BothLost:
		m.ruin()
		m.stale = m.stale || m.target.Name != ""
		for _, s := range m.servers {
			m.lose(s)
			m.after(m.upTo(f.For/4+time.Minute), s.boot)
		}
	case StoreRolledBack:
		m.ruin()
		clear(s.known)
		s.die(true)
		if backup != nil {
			m.tracef("%s comes back with its ledger of %v ago", s.name, f.For)
			if err := s.store.restore(backup); err != nil {
				m.fail("I10", netip.Addr{}, "the old ledger of %s cannot be put back: %v", s.name, err)
			}
		}
		if f.Degree&1 == 0 { // by somebody who knows what that means
			s.m.after(time.Minute, func() { s.give(failover.Order{Kind: failover.OrderRecover, Force: true}) })
		} else {
			m.stale = true
		}
		m.after(m.upTo(time.Minute), s.boot)
	}
}

// operate gives one of the everyday orders.
func (m *Model) operate(f Fault, s *server, undo func(func())) {
	switch f.Degree % 5 {
	case 0:
		s.give(failover.Order{Kind: failover.OrderPause})
		undo(s.resume)
	case 1: // it is paused, and restarted
		s.give(failover.Order{Kind: failover.OrderPause})
		m.after(5*time.Second, func() { s.die(false) })
		m.after(5*time.Second+f.For/8, s.boot)
	case 2:
		s.give(failover.Order{Kind: failover.OrderShutdown})
		undo(s.resume)
	case 3:
		if m.servers[1-s.id].whole() && s.whole() {
			s.give(failover.Order{Kind: failover.OrderRecover})
		}
	case 4:
		s.give(failover.Order{Kind: failover.OrderResync})
	}
}

// whole reports whether the server knows of all leases that were given while it was not heard: it can teach its partner.
func (s *server) whole() bool {
	switch failover.State(s.store.peers[relationship].State) {
	case failover.Normal, failover.CommunicationsInterrupted, failover.PartnerDown:
		return true
	}
	return false
}

// wise reports whether the server knows of leases that its partner cannot reckon with: it served while that was down.
func (s *server) wise() bool {
	p := s.store.peers[relationship]
	switch failover.State(p.State) {
	case failover.PartnerDown, failover.PotentialConflict, failover.ConflictDone, failover.ResolutionInterrupted:
		return true
	}
	return false
}

// give brings an order to the server, if it runs.
func (s *server) give(o failover.Order) {
	if !s.alive {
		return
	}
	s.m.tracef("order to %s: %v", s.name, o.Kind)
	s.post(item{event: o, done: func(err error) {
		if err != nil {
			s.m.tracef("%s: %v", s.name, err)
		}
	}})
}

// resume ends a pause or a shutdown.
func (s *server) resume() {
	if s.alive && (s.status.State == failover.Paused || s.status.State == failover.Shutdown) {
		s.give(failover.Order{Kind: failover.OrderResume})
	}
}

// declare gives the order that s is down, which it is, as soon as somebody can take it.
func (m *Model) declare(s *server, tries int) {
	other := m.servers[1-s.id]
	if s.alive || !s.held || m.calm || tries > 20 {
		return
	}
	if !other.alive || other.status.State == failover.PartnerDown || other.status.State == failover.Startup {
		m.after(patience, func() { m.declare(s, tries+1) })
		return
	}
	other.give(failover.Order{Kind: failover.OrderPartnerDown})
}

// revive lets a server that was declared down run again, when it can hear its partner: else it would serve beside one
// that believes it dead. For a while nothing may come between the two.
func (m *Model) revive(s *server) {
	other := m.servers[1-s.id]
	if m.calm || !s.held {
		return
	}
	if !other.alive || other.held || m.guarded() {
		m.after(patience, func() { m.revive(s) })
		return
	}
	m.tracef("%s is let run again", s.name)
	m.guard = m.now + guardTime
	m.mend()
	m.wire.delay = min(m.wire.delay, 500*time.Millisecond)
	for _, t := range m.servers {
		t.crash, t.slow, t.store.broken, t.store.next = nowhere, 0, false, 0
		if t.clk.off(m.now).Abs() > 20*time.Second {
			t.set(0) // two whose clocks differ much do not talk
		}
	}
	s.held = false
	s.boot()
}

// guarded reports whether nothing may come between the two servers just now.
func (m *Model) guarded() bool { return m.guard > m.now }

// fence answers a server that asks whether its partner is down for sure: if it is, it will not run before the two can talk.
func (m *Model) fence(s *server) {
	other := m.servers[1-s.id]
	if other.alive || m.calm || m.guarded() {
		m.tracef("the fence does not agree with %s", s.name)
		return
	}
	m.tracef("the fence holds %s", other.name)
	if !other.held {
		other.held = true
		m.after(m.upTo(time.Hour)+fenceDelay, func() { m.revive(other) })
	}
	s.later(m.upTo(fenceDelay), func() { s.give(failover.Order{Kind: failover.OrderPartnerDown}) })
}

// lose takes a server's ledger away.
func (m *Model) lose(s *server) {
	s.die(true)
	m.tracef("%s loses its ledger", s.name)
	s.store.lose()
	s.lost = m.now
	clear(s.known)
	for _, c := range m.clients {
		if c.server == s.id {
			c.excused = true
		}
	}
}

// reload restarts a server with the pool that is configured.
func (s *server) reload() {
	s.addrs = s.m.target
	switch other := s.m.servers[1-s.id]; failover.State(other.store.peers[relationship].State) {
	case none, recovers, down:
		s.m.ruin() // of addresses that are out of the pool just now, nobody tells it
		s.m.stale = true
	}
	if s.alive {
		s.m.tracef("%s is restarted with another pool", s.name)
		s.die(false)
		s.boot()
	}
}

// settlePools lets both servers have the same pool at the end.
func (m *Model) settlePools() {
	for _, s := range m.servers {
		if m.target.Name != "" && s.addrs.Ranges[0] != m.target.Ranges[0] {
			s.reload()
		}
	}
}

// ruin notes that something has happened after which two clients may be given one address.
func (m *Model) ruin() { m.ruined = true }
