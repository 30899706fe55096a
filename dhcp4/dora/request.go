package dora

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
)

// request answers a DHCPREQUEST. Between the look at the lease and the change of it somebody else may have changed it;
// then all is decided anew, a few times.
func (s *Server) request(ctx context.Context, q *query) (*dhcp4.Message, error) {
	a := q.target()
	if !isSet(a) {
		s.about(zap.InfoLevel, q, "ignored (no address)")
		return nil, nil
	}
	for range maxDecisions {
		n := q.place.net
		sub := s.subnetOf(a)
		if sub != nil && (!q.place.sure || n == nil) {
			n = sub.network // where the client says it is
		}
		r, c := s.gather(q, n, sub, a)
		q.nameBy(c.lease)
		v := r.decide()
		if v.drop && n != nil {
			s.offers.drop(q.key(n))
		}
		switch v.action {
		case grant:
			m, err := s.grant(ctx, q, n, c)
			if errors.Is(err, lease.ErrConflict) {
				continue
			}
			return m, err
		case grantFixed:
			return s.grantFixed(ctx, q, n)
		}
		s.about(v.level(), q, v.text(a))
		if v.action == refuse {
			return s.nak(q, n, v.told), nil
		}
		return nil, nil
	}
	s.counts.conflicts.Add(1)
	s.about(zap.DebugLevel, q, "lease changes meanwhile")
	return nil, nil
}

// level is the one at which ISC dhcpd logs such a verdict.
func (v verdict) level() zapcore.Level {
	if v.quiet {
		return zap.DebugLevel
	}
	return zap.InfoLevel
}

// text is the reason, of an answer about the address a.
func (v verdict) text(a netip.Addr) string {
	if strings.Contains(v.reason, "%v") {
		return fmt.Sprintf(v.reason, a)
	}
	return v.reason
}

// gather finds what decides a DHCPREQUEST for the address a, which lies in sub, from a client that is taken to be in n.
// Either may be nil.
func (s *Server) gather(q *query, n *network, sub *subnet, a netip.Addr) (request, candidate) {
	r := request{
		state:        q.state(),
		sure:         q.place.sure,
		knownNetwork: q.place.net != nil,
		knownAddress: sub != nil,
		onNetwork:    sub != nil && sub.network == q.place.net,
	}
	judge := s.outer
	switch {
	case q.place.net != nil:
		judge = q.place.net.settings
	case sub != nil:
		judge = sub.settings
	}
	if r.onNetwork {
		judge = sub.settings
	}
	r.authoritative = judge.Authoritative.or(false)
	r.serverCheck = judge.ServerIDCheck.or(true)
	if n != nil {
		fixed, _ := s.fixedFor(q, n)
		r.reservation, r.fixed = fixed.IsValid(), fixed == a
	}
	c := candidate{lease: lease.Virgin(a), subnet: sub}
	if sub != nil {
		c = s.consider(q, sub.network, s.book.Get(a))
	}
	r.facts = c.facts
	if c.share != nil {
		r.pooled = true
		r.answers = c.share.gate.Answers()
		judge = c.settings
	}
	r.server = s.names(q, judge)
	return r, c
}

// grant gives the address of c to the client, after the gate has made that durable. It returns lease.ErrConflict if the
// lease is no longer as it was.
func (s *Server) grant(ctx context.Context, q *query, n *network, c candidate) (*dhcp4.Message, error) {
	if why := q.refusal(c.settings); why != "" {
		s.about(zap.InfoLevel, q, why)
		return nil, nil
	}
	t := terms{addr: c.lease.Addr, subnet: c.subnet, settings: c.settings, host: plainHost(q.hosts), until: c.until}
	switch {
	case c.cached(q):
		if q.begun != nil && s.hasOthers(q, n, t) {
			return nil, dhcp4.ErrMustWait
		}
		s.counts.cached.Add(1)
		t.until = c.lease.Expiry
		s.line(zap.DebugLevel, "reuse_lease: lease age %d (secs) under %d%% threshold, reply with unaltered, existing lease for %v",
			int(q.now.Sub(c.given())/time.Second), first(c.settings.CacheThreshold, DefaultCacheThreshold), t.addr)
		return s.acknowledge(ctx, q, n, t), nil
	case q.begun != nil:
		return nil, q.begun.submit(n, c, t)
	}
	began := time.Now()
	err := c.share.gate.Commit(ctx, lease.Change{Old: c.lease, New: q.granted(c.lease, c.until, c.want)})
	if err != nil {
		return nil, s.failed(q, c, err)
	}
	return s.given(ctx, q, n, &c, t, began)
}

// given answers with what has been made durable since began. It returns lease.ErrConflict if that has been undone.
func (s *Server) given(ctx context.Context, q *query, n *network, c *candidate, t terms, began time.Time) (*dhcp4.Message, error) {
	// Clients count from when they hear of it: a slow disk must not make a lease longer.
	q.now = q.now.Add(time.Since(began).Truncate(time.Second))
	// What is on record now counts: the gate may have allowed less, and an order of an operator undone all.
	l := s.book.Get(t.addr)
	if l.Status != lease.Active || !l.Client.Is(q.client) {
		return nil, fmt.Errorf("%w: %v is %v", lease.ErrConflict, t.addr, l.Status)
	}
	switch {
	case l.Expiry.Before(t.until):
		t.until = l.Expiry
	case l.Expiry.After(t.until):
		if most, err := c.share.gate.Limit(c.counted, l, q.client, c.want); err == nil && most.After(t.until) {
			t.until = most // the partner has learnt of it
			if l.Expiry.Before(most) {
				t.until = l.Expiry
			}
		}
	}
	if t.until.Sub(q.now) < time.Second {
		s.about(zap.InfoLevel, q, "lease is over already")
		return nil, nil
	}
	return s.acknowledge(ctx, q, n, t), nil
}

// acknowledge answers a client that has its address.
func (s *Server) acknowledge(ctx context.Context, q *query, n *network, t terms) *dhcp4.Message {
	s.offers.drop(q.key(n))
	s.about(zap.InfoLevel, q, "")
	if q.begun == nil {
		s.releaseOthers(ctx, q, n, t)
	}
	if q.kind == dhcp4.MessageTypeNone {
		return s.bootReply(q, t)
	}
	return s.ack(q, t)
}

// failed returns why a lease was not given after all, or nil if the gate has changed its mind since it was asked: that
// is for the log.
func (s *Server) failed(q *query, c candidate, err error) error {
	if errors.Is(err, lease.ErrConflict) {
		return err
	}
	if _, no := c.share.gate.Limit(c.counted, s.book.Get(c.lease.Addr), q.client, c.want); no != nil {
		s.about(zap.InfoLevel, q, reasonOf(no))
		return nil
	}
	return fmt.Errorf("database update failed: %w", err)
}

// grantFixed answers a client that asks for the address reserved for it. Nothing is written: the reservation is on
// record in the configuration.
func (s *Server) grantFixed(ctx context.Context, q *query, n *network) (*dhcp4.Message, error) {
	t, ok := s.fixedTerms(q, n)
	if !ok { // somebody else got hold of the address in between
		return nil, nil
	}
	if why := q.refusal(t.settings); why != "" {
		s.about(zap.InfoLevel, q, why)
		return nil, nil
	}
	if q.begun != nil && s.hasOthers(q, n, t) {
		return nil, dhcp4.ErrMustWait
	}
	return s.acknowledge(ctx, q, n, t), nil
}

// releaseOthers gives back what else the client holds in the network, and with Settings.OneLeasePerClient anywhere: a
// client that has just chosen its address has forgotten any other. One that renews may hold several.
func (s *Server) releaseOthers(ctx context.Context, q *query, n *network, t terms) {
	for sh, l := range s.others(q, n, t) {
		if err := s.giveBack(ctx, q, sh, l); err != nil {
			s.about(zap.InfoLevel, q, fmt.Sprintf("lease %v not released: %s", l.Addr, reasonOf(err)))
		}
	}
}

// hasOthers reports whether releaseOthers has something to do.
func (s *Server) hasOthers(q *query, n *network, t terms) bool {
	for range s.others(q, n, t) {
		return true
	}
	return false
}

// others are the leases that a client with these terms gives up.
func (s *Server) others(q *query, n *network, t terms) iter.Seq2[*share, lease.Lease] {
	return func(yield func(*share, lease.Lease) bool) {
		if isSet(q.ClientIPAddr) {
			return
		}
		for _, other := range s.networks {
			if other != n && !t.settings.OneLeasePerClient.or(false) {
				continue
			}
			for l := range s.book.ByClient(other.scope, q.client) {
				sh := other.shareOf(l.Addr)
				if l.Addr == t.addr || l.Status != lease.Active || sh == nil || sh.gate.Answers() != nil {
					continue
				}
				if !yield(sh, l) {
					return
				}
			}
		}
	}
}

// giveBack ends a lease at the client's wish.
func (s *Server) giveBack(ctx context.Context, q *query, sh *share, l lease.Lease) error {
	gone := l
	gone.Status = lease.Released
	gone.Since = lease.Second(q.now)
	gone.Expiry, gone.SentPotentialExpiry, gone.LastTransaction = gone.Since, gone.Since, gone.Since
	return sh.gate.Commit(ctx, lease.Change{Old: l, New: gone})
}

func (s *Server) ack(q *query, t terms) *dhcp4.Message {
	m := s.answer(q, dhcp4.MessageTypeAck, t)
	if m != nil {
		s.counts.acks.Add(1)
		s.replied(q, "DHCPACK", t.addr)
	}
	return m
}

// nak builds the DHCPNAK, which holds little (RFC 2131 table 3) and is broadcast, because the client may have no
// address that it can be reached at.
func (s *Server) nak(q *query, n *network, told string) *dhcp4.Message {
	st := s.outer
	if n != nil {
		st = n.settings
	}
	id := s.identifier(q, st)
	if !id.IsValid() {
		s.about(zap.ErrorLevel, q, errNoIdentifier.Error())
		return nil
	}
	m := s.begin(q, dhcp4.MessageTypeNak, st)
	m.SetServerIdentifier(id)
	m.SetOption(dhcp4.OptionMessage, []byte(told))
	m.Flags |= dhcp4.FlagBroadcast
	s.counts.naks.Add(1)
	s.line(zap.InfoLevel, "DHCPNAK on %v to %s via %s", q.target(), q.who(), q.via())
	return m
}
