package dora

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/tandem-dhcp/tandem/lease"
)

// decline takes an address out of use that the client found used by another (RFC 2131 4.3.3). Only the client that
// holds it, or was offered it, can: ISC dhcpd believes anybody, so that one client can empty a pool.
func (s *Server) decline(ctx context.Context, q *query) error {
	if !isSet(q.wish) {
		return nil
	}
	for range maxDecisions {
		c, what := s.declined(q)
		if what != "" {
			s.about(zap.InfoLevel, q, what)
			return nil
		}
		err := s.abandon(ctx, q, c.share, c.settings, c.lease, "declined.")
		if errors.Is(err, lease.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		s.offers.drop(q.key(c.subnet.network))
		s.about(zap.InfoLevel, q, "abandoned")
		return nil
	}
	s.counts.conflicts.Add(1)
	return nil
}

// declined returns the address that a DHCPDECLINE takes out of use, or why it does not.
func (s *Server) declined(q *query) (c candidate, what string) {
	sub := s.subnetOf(q.wish)
	if sub == nil {
		return c, "not found"
	}
	c = s.consider(q, sub.network, s.book.Get(q.wish))
	q.nameBy(c.lease)
	if c.share == nil {
		return c, "not found"
	}
	if c.settings.ServerIDCheck.or(true) && s.names(q, c.settings) == otherServer {
		return c, "ignored (not our server id)"
	}
	if err := c.share.gate.Answers(); err != nil {
		return c, "ignored: " + reasonOf(err)
	}
	if !c.settings.AllowDeclines.or(true) {
		return c, "ignored"
	}
	// An offer is no longer one if another client was faster.
	holds := c.lease.Status == lease.Active && c.facts.own
	offered := c.lease.Status.Available() && c.facts.offered == client
	if !holds && !offered {
		return c, "ignored (address is not the client's)"
	}
	return c, ""
}

// release ends a lease that the client gives back (RFC 2131 4.3.4): its own.
func (s *Server) release(ctx context.Context, q *query) error {
	a := q.ClientIPAddr
	for range maxDecisions {
		sub := s.subnetOf(a)
		if sub == nil {
			break
		}
		l := s.book.Get(a)
		q.nameBy(l)
		sh := sub.network.shareOf(a)
		if sh == nil || l.Status != lease.Active || !l.Client.Is(q.client) {
			break
		}
		if st := sh.settingsAt(sub); st.ServerIDCheck.or(true) && s.names(q, st) == otherServer {
			s.about(zap.InfoLevel, q, "ignored (not our server id)")
			return nil
		}
		if err := sh.gate.Answers(); err != nil {
			s.about(zap.InfoLevel, q, "ignored: "+reasonOf(err))
			return nil
		}
		err := s.giveBack(ctx, q, sh, l)
		if errors.Is(err, lease.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		s.counts.released.Add(1)
		s.line(zap.InfoLevel, "%s (found)", q.describe())
		return nil
	}
	s.line(zap.InfoLevel, "%s (not found)", q.describe())
	return nil
}
