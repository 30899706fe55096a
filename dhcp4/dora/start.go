package dora

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
)

// begun is a message that is answered without waiting: the Gate calls when its change is durable. It is used again and
// again.
type begun struct {
	server *Server
	query  query
	reply  func(*dhcp4.Message, error)

	// Of a grant under way.
	network   *network
	candidate candidate
	terms     terms
	began     time.Time
	settle    func(error) // is called by the Gate
}

// errPending says that the answer comes later.
var errPending = errors.New("dora: pending")

// StartDHCP implements dhcp4.Starter. What waits for a ping, gives something back, or goes through a Gate that is no
// Submitter, is left to ServeDHCP.
func (s *Server) StartDHCP(ctx context.Context, req *dhcp4.Request, done func(*dhcp4.Message, error)) (reply *dhcp4.Message, pending bool, err error) {
	if req.OpCode != dhcp4.OpcodeBootRequest {
		return nil, false, nil
	}
	kind := req.MessageType()
	switch kind {
	case dhcp4.MessageTypeDiscover, dhcp4.MessageTypeRequest, dhcp4.MessageTypeInform:
	default:
		return nil, false, dhcp4.ErrMustWait
	}
	st := s.beginOn(req, done)
	reply, err = s.serve(ctx, &st.query)
	if errors.Is(err, errPending) {
		return nil, true, nil // st is another's, perhaps
	}
	reply, err = s.concluded(&st.query, reply, err)
	s.keepBegun(st)
	return reply, false, err
}

// Hold implements dhcp4.Starter.
func (s *Server) Hold() {
	for _, g := range s.submitters {
		g.Hold()
	}
}

// Release implements dhcp4.Starter.
func (s *Server) Release() {
	for _, g := range s.submitters {
		g.Release()
	}
}

// Self implements dhcp4.Starter.
func (s *Server) Self() any { return s }

// submittersOf returns the gates of all pools that are Submitters, each once.
func (t *topology) submittersOf() (all []Submitter) {
	for _, n := range t.networks {
		for _, sh := range n.pools {
			if g := submitterOf(sh.gate); g != nil && !slices.Contains(all, g) {
				all = append(all, g)
			}
		}
	}
	return all
}

// timeOf is when a message came.
func timeOf(req *dhcp4.Request) time.Time {
	if req.Received.IsZero() {
		return time.Now()
	}
	return req.Received
}

// concluded counts what becomes of a message, unless it has yet to be decided where waiting is no harm.
func (s *Server) concluded(q *query, reply *dhcp4.Message, err error) (*dhcp4.Message, error) {
	if errors.Is(err, dhcp4.ErrMustWait) {
		return nil, dhcp4.ErrMustWait
	}
	s.counts.received(q.kind)
	if err != nil {
		s.counts.failed.Add(1)
		return nil, fmt.Errorf("dora: %s: %w", q.describe(), err)
	}
	if reply == nil {
		s.counts.silent.Add(1)
	}
	return reply, nil
}

// submit asks the gate for a grant, and returns errPending, or dhcp4.ErrMustWait.
func (st *begun) submit(n *network, c candidate, t terms) error {
	gate := submitterOf(c.share.gate)
	if gate == nil || st.server.hasOthers(&st.query, n, t) {
		return dhcp4.ErrMustWait
	}
	st.network, st.candidate, st.terms, st.began = n, c, t, time.Now()
	if !gate.Submit(lease.Change{Old: c.lease, New: st.query.granted(c.lease, c.until, c.want)}, st.settle) {
		return dhcp4.ErrMustWait
	}
	return errPending
}

// settled is called by the gate with what became of the grant. Whoever calls must not pay for a fault of ours.
func (st *begun) settled(err error) {
	s, reply := st.server, st.reply
	var m *dhcp4.Message
	defer func() {
		if why := recover(); why != nil {
			s.log.Error("panic", zap.Any("panic", why), zap.ByteString("stack", debug.Stack()))
			reply(nil, fmt.Errorf("dora: panic: %v", why))
		}
	}()
	q := &st.query
	if err != nil {
		err = s.failed(q, st.candidate, err)
	} else {
		m, err = s.given(context.Background(), q, st.network, &st.candidate, st.terms, st.began)
	}
	if errors.Is(err, lease.ErrConflict) {
		err = dhcp4.ErrMustWait // it is decided anew
	}
	m, err = s.concluded(q, m, err)
	s.keepBegun(st)
	reply(m, err)
}

// beginOn returns what a message is begun with.
func (s *Server) beginOn(req *dhcp4.Request, done func(*dhcp4.Message, error)) *begun {
	st, ok := s.idle.take()
	if !ok {
		st = &begun{server: s}
		st.settle = st.settled
	}
	st.query, st.reply = s.query(req, timeOf(req), s.book), done
	st.query.begun = st
	return st
}

// keepBegun takes st back.
func (s *Server) keepBegun(st *begun) {
	st.query, st.reply, st.network, st.candidate, st.terms = query{}, nil, nil, candidate{}, terms{}
	s.idle.keep(st)
}
