package failovertest

import (
	"net/netip"
	"slices"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
)

// What is asked of both servers together: that they agree in the end, that a full update is full, that a client finds one
// that serves it, and that they tell people of what went wrong.

// checkSoon asks the first half of I9, when all that was wrong has just ended: both are NORMAL within two receive timers
// and the time that the queues take, if neither has anything to learn first.
func (m *Model) checkSoon() {
	wait := 3*dialTime + time.Duration(m.most()*m.window)*m.wire.delay/2
	silence := time.Duration(0)
	for _, s := range m.servers {
		if !s.alive || !s.whole() || s.status.State == failover.Startup || s.status.State == failover.PartnerDown {
			return
		}
		silence = max(silence, s.cfg.ReceiveTimer)
	}
	wait += 2 * silence
	for began := m.now; m.breach == nil && m.now < began+wait; began = max(began, m.disturbed) {
		m.until(began + wait) // anew after a restart: the pools are being made equal
	}
	if !m.servers[0].whole() || !m.servers[1].whole() {
		return // one has been told to recover meanwhile
	}
	for _, s := range m.servers {
		if m.breach == nil && s.status.State != failover.Normal {
			m.fail("I9", netip.Addr{}, "all is well for %v, but %v", wait, s)
		}
	}
}

// checkAgreement asks I9. ended says that every lease must be over. What is under way just now gets the time to arrive.
func (m *Model) checkAgreement(ended bool) {
	for range 5 {
		if m.breach != nil || m.agree(ended) {
			return
		}
		m.until(m.now + 10*time.Second)
	}
	m.disagree(ended)
}

// agree reports whether disagree has nothing to say.
func (m *Model) agree(ended bool) bool {
	trace := m.cfg.Trace
	m.cfg.Trace = nil
	m.disagree(ended)
	ok := m.breach == nil
	m.breach, m.cfg.Trace = nil, trace
	return ok
}

// disagree breaks I9 if the two do not agree.
func (m *Model) disagree(ended bool) {
	if m.breach != nil {
		return
	}
	p, s := m.servers[failover.Primary], m.servers[failover.Secondary]
	for _, s := range m.servers {
		if s.status.State != failover.Normal || s.status.Partner != failover.Normal || !s.status.Connected {
			m.fail("I9", netip.Addr{}, "all is quiet, but %v", s)
			return
		}
	}
	if m.stale {
		return // what it forgot, nobody told it again
	}
	for x := range p.leases() {
		if !s.pool.Contains(x.Addr) {
			continue
		}
		y := s.book.Get(x.Addr)
		what := ""
		switch {
		case m.cfg.ISC != ISCNone && !ended && (x.Status == lease.Abandoned || y.Status == lease.Abandoned):
			// What ISC was refused it does not tell again. It ends by itself.
		case x.Status != y.Status:
			what = "the two do not agree"
		case x.Status == lease.Active && (x.Client != y.Client || !x.Expiry.Equal(y.Expiry)):
			what = "the two do not agree"
		case (x.Unacked || y.Unacked) && m.cfg.ISC == ISCNone:
			what = "the partner was not told all"
		case x.Status.Ending():
			what = "it does not become available"
		case ended && !x.Status.Available():
			what = "it is not available long after its end"
		}
		if what != "" {
			m.fail("I9", x.Addr, "all is quiet, but %s: the primary has %s; the secondary has %s", what, show(x), show(y))
			return
		}
	}
	for _, s := range m.servers {
		if s.status.Unacked > 0 && !m.unequal {
			m.fail("I9", netip.Addr{}, "all is quiet, but %s has %d updates to tell", s.name, s.status.Unacked)
			return
		}
	}
	if !ended || m.unequal {
		return
	}
	c := p.pool.Counts()
	f := p.cfg.Balance.Give(c.Free, c.Backup, true)
	if f.Surplus > f.Hold+1 || f.Surplus < -f.Hold-1 {
		m.fail("I9", netip.Addr{}, "all is quiet, but the primary has %d addresses and the secondary %d", c.Free, c.Backup)
	}
	if most := 20 + 4*m.most(); m.conversation > most {
		m.fail("I10", netip.Addr{}, "all is quiet, but the partners told each other %d things in %v", m.conversation, talkTime)
	}
}

// showAll notes what the server has when it begins to answer UPDREQALL.
func (s *server) showAll(b *batch, xid uint32) {
	other := s.m.servers[1-s.id]
	if other.requested != xid || other.conn != s.conn {
		return
	}
	other.asked = make(map[netip.Addr]lease.Lease)
	for a := range s.pool.Addrs() {
		if l := s.lease(b, a); !l.IsVirgin() {
			other.asked[a] = l
		}
	}
}

// checkUpdated asks I8, when UPDDONE has come: what the partner had when it was asked is known, or something newer.
func (s *server) checkUpdated(b *batch, xid uint32) {
	asked, other := s.asked, s.m.servers[1-s.id]
	s.asked = nil
	if asked == nil || s.requested != xid || !other.alive || s.m.ruined {
		return
	}
	for a := range s.pool.Addrs() {
		y, ok := asked[a]
		x := s.lease(b, a)
		switch {
		case !ok, x.Status == y.Status && (x.Client == y.Client || x.Status.Available()), y.Status.Ending() && x.Status.Available(),
			y.Status == lease.Abandoned && x.Status == lease.Abandoned,
			x.Unacked, x.LastTransaction.After(y.LastTransaction), other.book.Get(a) != y:
		case y.Unacked && y.Status != lease.Active && other.status.State == failover.Normal:
			// Both ask on meeting again: what takes an address from a client is told when the other has been heard.
		case s.m.wrong() > 0 && y.Status.Ending() && x.Status == lease.Active && x.Client.Is(y.Client) && x.Expiry.After(s.clock()):
			// By a clock that was wrong it is over.
		default:
			s.m.fail("I8", a, "after a full update %s has %s; %s had %s", s.name, show(x), other.name, show(y))
			return
		}
	}
}

// maxMissed is how often a client asks in vain: RFC 2131's retries within a minute.
const maxMissed = 4

// checkServed asks I12 of a client that is about to send DHCPDISCOVER.
func (m *Model) checkServed(c *client) {
	steady := m.disturbed < c.tried
	c.tried = m.now
	if c.twin || !m.served(c) || !steady {
		c.missed = 0
		return
	}
	if c.missed++; c.missed > maxMissed {
		m.fail("I12", netip.Addr{}, "client %d (%v) asks in vain for the %dth time, secs %d: %v; %v", c.id, c.name, c.missed, c.secs(), m.servers[0], m.servers[1])
	}
}

// served reports whether a server that the client reaches may serve it, and has an address for it.
func (m *Model) served(c *client) bool {
	if m.lan.loss > 0 || m.lan.delay > 0 {
		return false
	}
	for i, s := range m.servers {
		if s.alive && !m.lan.away(i, c) && s.answers() == nil && !s.store.broken && s.slow == 0 && m.now >= s.retry && s.offers.has(s, c) {
			return true
		}
	}
	return false
}

// has reports whether the server could offer the client something.
func (o offers) has(s *server, c *client) bool {
	q := &query{message: message{client: c}, now: s.clock(), who: c.name}
	for a := range s.pool.Addrs() {
		if s.offerable(q, s.book.Get(a)) {
			return true
		}
	}
	return false
}

// double is an address that both servers have leased, each to a client of its own.
type double struct {
	addr   netip.Addr
	leases [2]lease.Lease
}

// compare notes, when the two begin to talk, which addresses are doubled.
func (m *Model) compare() {
	p, s := m.servers[0], m.servers[1]
	m.doubles = nil
	if p.conn == nil || p.conn != s.conn {
		return
	}
	for a := range p.pool.Addrs() {
		x, y := p.book.Get(a), s.book.Get(a)
		if s.pool.Contains(a) && x.Status == lease.Active && y.Status == lease.Active && !x.Client.Is(y.Client) {
			m.doubles = append(m.doubles, double{a, [2]lease.Lease{x, y}})
		}
	}
}

// told takes note of what a server has told people.
func (m *Model) told(s *server, conflicts []failover.Conflict) {
	for _, c := range conflicts {
		if c.Doubled() {
			m.tracef("%s reports that %v is doubled", s.name, c.Addr)
			m.doubles = slices.DeleteFunc(m.doubles, func(d double) bool { return d.addr == c.Addr })
		}
	}
}

// checkTold asks what is left of I1 after a ruinous fault: no server gives up its client for the partner's without a word.
func (m *Model) checkTold(s *server, c lease.Change) {
	for i, d := range m.doubles {
		if d.addr != c.New.Addr {
			continue
		}
		mine, theirs := d.leases[s.id], d.leases[1-s.id]
		if c.New.Status == lease.Active && c.New.Client.Is(theirs.Client) && !c.New.Client.Is(mine.Client) && mine.Expiry.After(s.clock()) {
			m.fail("I1", d.addr, "%s takes %s for %s and tells nobody that both were given", s.name, show(c.New), show(mine))
		}
		m.doubles = slices.Delete(m.doubles, i, i+1)
		return
	}
}
