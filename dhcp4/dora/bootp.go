package dora

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
)

// bootp answers a BOOTREQUEST (RFC 951): with the address reserved for the client, or one from a pool that it keeps
// for ever, where BOOTP clients may have one.
func (s *Server) bootp(ctx context.Context, q *query) (*dhcp4.Message, error) {
	n := q.place.net
	if t, ok := s.fixedTerms(q, n); ok {
		if why := q.refusal(t.settings); why != "" {
			s.about(zap.InfoLevel, q, why)
			return nil, nil
		}
		s.about(zap.InfoLevel, q, "")
		m := s.answer(q, dhcp4.MessageTypeNone, t)
		if !m.ServerIPAddr.IsValid() {
			m.ServerIPAddr = s.identifier(q, t.settings) // where else would it find its boot file
		}
		s.counts.bootReplies.Add(1)
		s.line(zap.InfoLevel, "BOOTREPLY for %v to %s (%s) via %s", t.addr, t.host.Name, q.who(), q.via())
		return m, nil
	}
	for range maxDecisions {
		c, ok := s.choose(q, n)
		if !ok {
			s.counts.exhausted.Add(1)
			s.about(zap.InfoLevel, q, "BOOTP from dynamic client and no dynamic leases")
			return nil, nil
		}
		if !s.toServe(q, n, &c) {
			return nil, nil
		}
		if !s.keep(q, n, &c) {
			continue
		}
		m, err := s.grant(ctx, q, n, c)
		if errors.Is(err, lease.ErrConflict) {
			continue
		}
		return m, err
	}
	s.counts.conflicts.Add(1)
	return nil, nil
}

func (s *Server) bootReply(q *query, t terms) *dhcp4.Message {
	m := s.answer(q, dhcp4.MessageTypeNone, t)
	s.counts.bootReplies.Add(1)
	s.replied(q, "BOOTREPLY", t.addr)
	return m
}
