package dora

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
)

// discover answers a DHCPDISCOVER (RFC 2131 4.3.1).
func (s *Server) discover(ctx context.Context, q *query) (*dhcp4.Message, error) {
	n := q.place.net
	if t, ok := s.fixedTerms(q, n); ok {
		if why := q.refusal(t.settings); why != "" {
			s.about(zap.InfoLevel, q, why)
			return nil, nil
		}
		s.about(zap.InfoLevel, q, "")
		return s.offer(q, t), nil
	}
	said := false
	for range maxChoices {
		c, ok := s.choose(q, n)
		if !ok {
			s.noLease(q, n)
			return nil, nil
		}
		q.nameBy(c.lease)
		if !s.toServe(q, n, &c) {
			return nil, nil
		}
		if !s.keep(q, n, &c) {
			continue
		}
		if s.book.Get(c.lease.Addr) != c.lease {
			// Somebody was given the address after the look at it, and before it was kept for this client.
			s.offers.drop(q.key(n))
			continue
		}
		if q.begun != nil && s.pings(q, n, &c) {
			return nil, dhcp4.ErrMustWait
		}
		if !said {
			s.about(zap.InfoLevel, q, "")
			said = true
		}
		vacant, err := s.vacant(ctx, q, n, &c)
		if err != nil {
			return nil, err
		}
		if !vacant {
			continue
		}
		t := terms{addr: c.lease.Addr, subnet: c.subnet, settings: c.settings, host: plainHost(q.hosts), until: c.until}
		return s.offer(q, t), nil
	}
	s.about(zap.InfoLevel, q, "no address found vacant")
	return nil, nil
}

// keep keeps the address of c for the client, unless it is the client's already. It returns false if another message was
// faster: it took the address, or chose another for this client.
func (s *Server) keep(q *query, n *network, c *candidate) bool {
	return c.facts.status == lease.Active || s.offers.hold(q.now, q.key(n), c.lease.Addr)
}

// toServe reports whether this server answers a DHCPDISCOVER or BOOTREQUEST for which it found an address: its state
// allows it, the client is welcome, and the partner has not the client to serve. A partner without a free address in
// the network cannot, so then we do.
func (s *Server) toServe(q *query, n *network, c *candidate) bool {
	if err := c.share.gate.Answers(); err != nil {
		s.about(zap.InfoLevel, q, reasonOf(err))
		return false
	}
	if why := q.refusal(c.settings); why != "" {
		s.about(zap.InfoLevel, q, why)
		return false
	}
	if err := c.share.gate.Serves(q.stid(), q.NumSeconds); err != nil {
		if s.partnerHasFree(q, n) {
			s.about(zap.DebugLevel, q, reasonOf(err))
			return false
		}
		s.about(zap.DebugLevel, q, "cancel "+reasonOf(err)+" - no free leases")
	}
	return true
}

// noLease writes why there is no address for the client.
func (s *Server) noLease(q *query, n *network) {
	for _, sh := range n.pools {
		if err := sh.gate.Answers(); err != nil {
			s.about(zap.InfoLevel, q, reasonOf(err))
			return
		}
	}
	s.counts.exhausted.Add(1)
	if s.partnerHasFree(q, n) {
		s.about(zap.ErrorLevel, q, "peer holds all free leases")
		return
	}
	s.about(zap.ErrorLevel, q, "network "+n.name+": no free leases")
}

// partnerHasFree reports whether a partner has available addresses in the network.
func (s *Server) partnerHasFree(q *query, n *network) bool {
	for _, sh := range n.pools {
		for _, status := range available {
			if l, ok := oldest(sh, status); ok && !sh.gate.Mine(q.now, l) {
				return true
			}
		}
	}
	return false
}

// oldest returns the lease of a status which ended first. What a gate says of it holds for all of them: those of a
// status belong to one of the partners, and the waits after which the other may take them end here first.
func oldest(sh *share, status lease.Status) (lease.Lease, bool) {
	for l := range sh.Oldest(status) {
		return l, true
	}
	return lease.Lease{}, false
}

// available are the statuses from which addresses are given.
var available = [...]lease.Status{lease.Free, lease.Backup}

// choose returns the address for a client, in the order of RFC 2131 4.3.1: the one it holds, the one it was offered,
// the one it held last, the one it asks for, any. The second result is false if there is none.
func (s *Server) choose(q *query, n *network) (candidate, bool) {
	var last candidate
	for l := range s.book.ByClient(n.scope, q.client) {
		c := s.consider(q, n, l)
		if c.facts.offerable() && better(&c, &last) {
			last = c
		}
	}
	if last.lease.Status == lease.Active {
		return last, true
	}
	key := q.key(n)
	if a, _ := s.offers.of(q.now, key); a.IsValid() {
		if c := s.consider(q, n, s.book.Get(a)); c.facts.offerable() {
			return c, true
		}
		s.offers.drop(key)
	}
	if last.share != nil {
		return last, true
	}
	if isSet(q.wish) && q.kind == dhcp4.MessageTypeDiscover {
		if c := s.consider(q, n, s.book.Get(q.wish)); c.facts.offerable() {
			return c, true
		}
	}
	return s.pick(q, n)
}

// better reports whether c is the better of two addresses that one client holds or held: one it holds, then the one it
// was heard of last.
func better(c, than *candidate) bool {
	if than.share == nil {
		return true
	}
	if a, b := c.lease.Status == lease.Active, than.lease.Status == lease.Active; a != b {
		return a
	}
	return c.lease.Expiry.After(than.lease.Expiry)
}

// pick returns an address that the client has nothing to do with: of all pools open to it one that nobody ever had, or
// the one that is free for longest.
func (s *Server) pick(q *query, n *network) (candidate, bool) {
	var best candidate
	for _, sh := range n.pools {
		if !q.permitted(sh) {
			continue
		}
		for _, status := range available {
			if l, ok := oldest(sh, status); !ok || !sh.gate.Mine(q.now, l) {
				continue
			}
			var c candidate
			l, ok := sh.Pick(status, func(l lease.Lease) bool {
				c = s.consider(q, n, l)
				return c.facts.offerable()
			})
			if !ok {
				continue
			}
			if c.lease != l {
				c = s.consider(q, n, l)
			}
			if best.share == nil || l.Expiry.Before(best.lease.Expiry) {
				best = c
			}
		}
	}
	return best, best.share != nil
}

// vacant finds out whether the address of c, which is kept for the client, is used by somebody else. If it is, it is
// abandoned, and vacant returns false, as it does if the address is gone after the wait. An error says that the server
// stops, or that the ledger cannot be written.
func (s *Server) vacant(ctx context.Context, q *query, n *network, c *candidate) (bool, error) {
	a := c.lease.Addr
	if !s.pings(q, n, c) {
		return true, nil
	}
	start := time.Now()
	answered, err := s.prober.ask(ctx, a, first(c.settings.PingTimeout, DefaultPingTimeout))
	q.now = q.now.Add(time.Since(start))
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return false, fmt.Errorf("ping %v: %w", a, err)
	}
	if answered {
		s.counts.answeredPings.Add(1)
		s.offers.drop(q.key(n))
		err = s.abandon(ctx, q, c.share, c.settings, c.lease, "pinged before offer")
		if errors.Is(err, lease.ErrConflict) {
			err = nil
		}
		return false, err
	}
	if err != nil {
		// An address that cannot be pinged is offered unpinged, as one that is not to be.
		s.counts.failedPings.Add(1)
		s.line(zap.WarnLevel, "%v: not pinged before offer: %v", a, err)
	} else {
		s.counts.silentPings.Add(1)
		s.offers.setVacant(q.key(n), a)
	}
	*c = s.consider(q, n, s.book.Get(a))
	return c.facts.offerable(), nil
}

// pings reports whether the address of c is pinged before it is offered.
func (s *Server) pings(q *query, n *network, c *candidate) bool {
	if s.prober == nil || !c.settings.PingCheck.or(true) || c.facts.status == lease.Active {
		return false
	}
	have, vacant := s.offers.of(q.now, q.key(n))
	return have != c.lease.Addr || !vacant
}

// abandon takes an address out of use for a while. l is what it was decided on.
func (s *Server) abandon(ctx context.Context, q *query, sh *share, st *Settings, l lease.Lease, why string) error {
	now := lease.Second(q.now)
	err := sh.gate.Commit(ctx, lease.Change{Old: l, New: lease.Lease{
		Addr:   l.Addr,
		Status: lease.Abandoned,
		Rewind: l.Rewind,
		Since:  now,
		Expiry: endOf(now, first(st.AbandonTime, DefaultAbandonTime)),

		SentPotentialExpiry:     l.SentPotentialExpiry,
		AckedPotentialExpiry:    l.AckedPotentialExpiry,
		ReceivedPotentialExpiry: l.ReceivedPotentialExpiry,
	}})
	if err == nil {
		s.counts.abandoned.Add(1)
		s.line(zap.ErrorLevel, "Abandoning IP address %v: %s", l.Addr, why)
	}
	return err
}

// offer builds the DHCPOFFER.
func (s *Server) offer(q *query, t terms) *dhcp4.Message {
	m := s.answer(q, dhcp4.MessageTypeOffer, t)
	if m != nil {
		s.counts.offers.Add(1)
		s.replied(q, "DHCPOFFER", t.addr)
	}
	return m
}
