package failovertest

import (
	"errors"

	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
)

// checkHolder asks I1 of a client that has just received DHCPACK.
func (m *Model) checkHolder(c *client) {
	other := m.holders[c.addr]
	if other != nil && other != c && !other.twin && !c.twin && other.addr == c.addr && other.end > m.now+2*m.wrong() {
		if m.ruined {
			m.report.Doubled++
		} else {
			m.fail("I1", c.addr, "%v is held by client %d (%v) until %v and by client %d (%v, from %s) until %v",
				c.addr, other.id, other.name, other.end, c.id, c.name, m.servers[c.server].name, c.end)
		}
	}
	m.holders[c.addr] = c
	if s := m.servers[c.server]; s.alive {
		s.checkCovered(c)
	}
}

// exact reports whether what follows from the clocks being right, and from every promise being on record, holds.
func (m *Model) exact() bool { return m.slop == 0 && m.kinds&ClockDrift == 0 && !m.ruined }

// checkCovered asks the second half of I5: what the server gave is on its record until the client's end.
func (s *server) checkCovered(c *client) {
	if !s.m.exact() || !c.holds() || c.twin || c.excused {
		return
	}
	l := s.book.Get(c.addr)
	if l.Status != lease.Active || !l.Client.Is(c.name) || l.Expiry.Sub(epoch) < c.end {
		s.m.fail("I5", c.addr, "client %d holds %v until %v by the word of %s, which has: %s", c.id, c.addr, c.end, s.name, show(l))
	}
}

// checkStep asks what can be asked of one Step: I2 of what it is about to acknowledge, I4 of what it grants; and takes
// note of what the partner says that it knows, for I3.
func (s *server) checkStep(b *batch, was failover.State, it item, e failover.Effects) {
	accepted := make(map[netip.Addr]bool)
	for _, f := range e.Send {
		switch body := f.Body.(type) {
		case *failover.BindingUpdate:
			s.sent[f.XID] = body.Bindings[0]
			if len(s.sent) > 1<<16 {
				s.m.fail("I11", netip.Addr{}, "%s has more updates in flight than can be", s.name)
			}
		case *failover.BindingAck:
			for _, r := range body.Results {
				accepted[r.Addr] = r.Reason == 0
			}
		case *failover.UpdateRequestAll:
			s.requested, s.asked = f.XID, nil
		}
	}
	switch ev := it.event.(type) {
	case failover.Received:
		switch body := ev.Frame.Body.(type) {
		case *failover.BindingUpdate:
			for _, u := range body.Bindings {
				if ok, answered := accepted[u.Addr]; !answered && e.Close == nil {
					s.m.fail("I2", u.Addr, "%s does not answer an update of %v", s.name, u.Addr)
				} else if ok {
					b.learnt = append(b.learnt, u)
					s.checkTaken(u, s.lease(b, u.Addr))
				} else if u.Status.Ending() {
					// It is refused that the lease is over, and told until when the partner thinks that it may last.
					u.Status = lease.Active
					b.learnt = append(b.learnt, u)
				}
			}
		case *failover.BindingAck:
			for _, r := range body.Results {
				u, ok := s.sent[ev.Frame.XID]
				delete(s.sent, ev.Frame.XID)
				if ok && r.Reason == 0 && u.Addr == r.Addr {
					b.learnt = append(b.learnt, u)
				}
			}
		case *failover.UpdateRequestAll:
			s.showAll(b, ev.Frame.XID)
		case *failover.UpdateDone:
			s.checkUpdated(b, ev.Frame.XID)
		}
	case failover.Changed:
		if e.Refused == nil && ev.Change.New.Status == lease.Active {
			s.checkGrant(was, ev.Change)
		}
	}
}

// learn notes what the partner is known to know.
func (s *server) learn(u failover.Binding) {
	if u.Status != lease.Active {
		delete(s.known, u.Addr)
		return
	}
	k := s.known[u.Addr]
	if k.client != u.Client {
		k = knowledge{client: u.Client}
	}
	if u.PotentialExpiry.After(k.until) {
		k.until = u.PotentialExpiry
	}
	s.known[u.Addr] = k
}

// checkTaken asks I2 of an update that is accepted: l is what will be on record when the answer leaves.
func (s *server) checkTaken(u failover.Binding, l lease.Lease) {
	ok := false
	switch {
	case u.Status == lease.Active:
		ok = l.Status == lease.Active && l.Client == u.Client && !l.Expiry.Before(u.Expiry) && !l.KnownExpiry().Before(u.PotentialExpiry)
	case u.Status.Ending():
		ok = l.Status.Available()
	default:
		ok = l.Status == u.Status
	}
	if !ok {
		s.m.fail("I2", u.Addr, "%s accepts %v of %v until %s (potential %s) and has: %s",
			s.name, u.Status, u.Client, at(u.Expiry), at(u.PotentialExpiry), show(l))
	}
}

// checkGrant asks I4 of a grant by a server in state was.
func (s *server) checkGrant(was failover.State, c lease.Change) {
	if !mayGive(s.cfg.Role, was, s.clock(), s.downSince, s.m.mclt, c.Old, c.New.Client) {
		s.m.fail("I4", c.Old.Addr, "%s grants to %v: %s", s.name, c.New.Client, show(c.Old))
	}
}

// mayGive reports whether a server in this role and state may give l to c (draft 4.2.2, 9.4.2). since is from when its
// partner has been down.
func mayGive(role failover.Role, was failover.State, now, since time.Time, mclt time.Duration, l lease.Lease, c lease.Client) bool {
	own, theirs := lease.Free, lease.Backup
	if role == failover.Secondary {
		own, theirs = theirs, own
	}
	down := was == failover.PartnerDown
	switch {
	case l.Status == lease.Active:
		return l.Client.Is(c)
	case l.Status == own:
		return l.Rewind != theirs || down // else the partner has not heard that it was taken from it
	case l.Status == theirs:
		return down && now.After(since.Add(mclt)) && now.After(l.LatestPromise().Add(mclt))
	}
	return l.Status.Ending() && l.Rewind == lease.Active && l.Client.Is(c)
}

// checkSaved asks what can be asked when a batch is durable.
func (s *server) checkSaved(b *batch) {
	m := s.m
	m.told(s, b.conflicts)
	for _, u := range b.learnt {
		s.learn(u)
	}
	for _, c := range b.save.Changes {
		m.tracef("%s has %s", s.name, show(c.New))
		m.noted('s', s.id, []byte(show(c.New)))
		// A lease that ended here and that the partner was not told of is still known to it.
		if k, ok := s.known[c.New.Addr]; ok && (c.New.Status.Available() || c.New.Status == lease.Active && !k.client.Is(c.New.Client)) {
			delete(s.known, c.New.Addr)
		}
		m.checkShares(c.New.Addr)
		m.checkTold(s, c)
		if f, ok := s.offers.byAddr[c.New.Addr]; ok && c.Old.Status.Available() && c.New.Status.Available() {
			for _, client := range m.clients {
				if client.name == f.client {
					client.missed = 0 // the balance has moved what it was offered
				}
			}
		}
		if h := m.holders[c.New.Addr]; h != nil && h.addr == c.New.Addr && h.server == s.id {
			s.checkCovered(h)
		}
	}
	if len(b.save.Peers) > 0 {
		m.checkStates()
	}
	for _, f := range b.send {
		if _, ok := f.Body.(*failover.BindingAck); ok && len(b.save.Changes) > 0 {
			for _, c := range b.save.Changes {
				if l := s.store.get(c.New.Addr); l != c.New {
					m.fail("I2", c.New.Addr, "%s acknowledges what is not in its store: %s", s.name, show(l))
				}
			}
			break
		}
	}
	if n := s.status.Unacked; n > m.most() {
		m.fail("I11", netip.Addr{}, "%s has %d updates to tell, of %d addresses", s.name, n, m.cfg.Addresses)
	}
}

// most is how many addresses there ever are.
func (m *Model) most() int { return m.cfg.Addresses*5/4 + 1 }

// checkShares asks the second half of I4: an address is not FREE to the primary and BACKUP to the secondary, where both
// may give it.
func (m *Model) checkShares(a netip.Addr) {
	p, s := m.servers[failover.Primary], m.servers[failover.Secondary]
	if p.book == nil || s.book == nil || m.ruined || !p.gives() || !s.gives() {
		return
	}
	x, y := p.book.Get(a), s.book.Get(a)
	free, backup := x.Status == lease.Free && x.Rewind != lease.Backup, y.Status == lease.Backup && y.Rewind != lease.Free
	if free && backup && p.pool.Contains(a) && s.pool.Contains(a) {
		m.fail("I4", a, "both servers may give %v: the primary has %s; the secondary has %s", a, show(x), show(y))
	}
}

// gives reports whether the server gives its own addresses to new clients, and counts on its partner for the others.
func (s *server) gives() bool {
	return s.alive && (s.status.State == failover.Normal || s.status.State == failover.CommunicationsInterrupted)
}

// checkStates asks I7.
func (m *Model) checkStates() {
	var now [2]failover.State
	for i, s := range m.servers {
		if s.book != nil {
			p, _ := s.book.Peer(relationship)
			now[i] = failover.State(p.State)
		}
	}
	for i, s := range m.servers {
		if other := m.servers[1-i]; !m.ruined && s.alive && other.alive && s.status.State == failover.PartnerDown && other.answers() == nil {
			m.fail("I7", netip.Addr{}, "%v serves beside %v", other, s)
		}
	}
	m.report.Pairs[now]++
	m.noted('p', 0, []byte{byte(now[0]), byte(now[1])})
	if !m.ruined && !legal(now) {
		m.fail("I7", netip.Addr{}, "the primary is in %v, the secondary in %v", now[0], now[1])
	}
}

// checkMove asks the other half of I7 of a server that was in state was before an event: PARTNER-DOWN and what comes of it
// do not come by themselves.
func (s *server) checkMove(was failover.State, ev failover.Event) {
	now := s.machine.State()
	if now == was {
		return
	}
	switch now {
	case failover.PartnerDown:
		s.downSince = s.clock()
		s.m.down = true
		if s.addrs.Ranges[0] != s.m.servers[1-s.id].addrs.Ranges[0] && !s.m.unequal {
			s.m.ruin() // what it does with addresses that the other does not have it cannot tell
		}
		why := was == failover.Startup || s.machine.Status().Partner == failover.Shutdown
		switch ev := ev.(type) {
		case failover.Order:
			why = why || ev.Kind == failover.OrderPartnerDown
		case failover.Received:
			r, ok := ev.Frame.Body.(*failover.StateReport)
			why = why || ok && r.State == failover.Shutdown
		}
		if !why {
			s.m.fail("I7", netip.Addr{}, "%s goes from %v to %v by itself", s.name, was, now)
		}
	case failover.PotentialConflict, failover.ResolutionInterrupted, failover.ConflictDone:
		if !s.m.down {
			s.m.fail("I7", netip.Addr{}, "%s goes from %v to %v, and no partner was down", s.name, was, now)
		}
	}
}

// checkAck asks I2, and I3 if the promise is a new one, of a DHCPACK that is about to leave.
func (s *server) checkAck(q *query, a netip.Addr, until time.Time, anew bool) {
	if l := s.store.get(a); l.Status != lease.Active || !l.Client.Is(q.who) || l.Expiry.Before(until) {
		s.m.fail("I2", a, "%s tells client %d that it has %v until %s, and has in store: %s", s.name, q.client.id, a, at(until), show(l))
	}
	limit := q.now
	if k := s.known[a]; k.client.Is(q.who) && k.until.After(limit) {
		limit = k.until
	}
	unlimited := s.cfg.FullLeases && s.status.State == failover.PartnerDown
	if end := q.now.Add(until.Sub(q.now).Truncate(time.Second)); anew && !unlimited && !s.m.ruined && end.After(limit.Add(s.m.mclt+time.Second)) {
		s.m.fail("I3", a, "%s tells client %d that it has %v until %s; the partner knows of %s, MCLT is %v: %s",
			s.name, q.client.id, a, at(end), at(s.known[a].until), s.m.mclt, show(s.book.Get(a)))
	}
}

// checkNak asks I6 of a DHCPNAK that is about to leave.
func (s *server) checkNak(q *query) {
	if c := q.client; c.holds() && c.addr == q.addr && q.xid == c.xid && q.who == c.name && !c.twin && s.m.exact() {
		s.m.fail("I6", q.addr, "%s refuses client %d the address %v, which it holds until %v: %s",
			s.name, c.id, q.addr, c.end, show(s.book.Get(q.addr)))
	}
}

// checkKept asks I5 of a server that does not confirm l to a client, for this reason.
func (s *server) checkKept(q *query, l lease.Lease, why error) {
	if q.client.holds() && q.client.addr == l.Addr && l.Status == lease.Active && l.Client.Is(q.who) &&
		l.Expiry.After(q.now) && !errors.Is(why, failover.ErrNotServing) && s.m.exact() && !q.client.twin {
		s.m.fail("I5", l.Addr, "%s does not confirm to client %d what it has: %v: %s", s.name, q.client.id, why, show(l))
	}
}
