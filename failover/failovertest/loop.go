package failovertest

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
)

// The loop of a server, which does what failover.Endpoint does.

// item is an event on its way to the loop of a server, with the connection it came by or what waits for it.
type item struct {
	event failover.Event
	conn  *conn
	done  func(error)
}

// post brings an item to the loop.
func (s *server) post(it item) {
	s.inbox = append(s.inbox, it)
	s.wake()
}

// wake lets the loop take what waits.
func (s *server) wake() {
	if s.busy {
		return
	}
	s.busy = true
	s.later(s.m.upTo(2*time.Millisecond), s.work)
}

// work takes what waits and decides; the write takes its time.
func (s *server) work() {
	n := min(len(s.inbox), maxBatch)
	items := slices.Clone(s.inbox[:n])
	s.inbox = s.inbox[n:]
	b := s.decide(items)
	if s.m.breach != nil {
		return
	}
	d := time.Duration(0)
	if !b.save.Empty() {
		d = s.m.upTo(10 * time.Millisecond)
		if s.slow > 0 {
			d += s.m.upTo(s.slow)
		}
	}
	s.later(d, func() { s.finish(b) })
}

// batch is what several Steps decided.
type batch struct {
	began time.Time
	ticks bool // there was one
	news  bool // there was something else
	save  lease.Batch
	index map[netip.Addr]int
	send  []*failover.Frame
	close error
	fence bool
	done  []func(error)

	conflicts []failover.Conflict

	learnt []failover.Binding // what the partner is known to know, once this is durable
}

// decide does the Steps of the items, as Endpoint.process does.
func (s *server) decide(items []item) *batch {
	b := &batch{began: s.clock(), index: make(map[netip.Addr]int)}
	for _, it := range items {
		if it.conn != nil && b.close != nil || !s.admit(it) {
			continue
		}
		if s.isc == nil {
			s.m.visit(s, it.event)
		}
		was := s.machine.State()
		e := s.machine.Step(b.began, it.event)
		if s.isc == nil {
			s.checkMove(was, it.event)
		}
		for _, n := range e.Notes {
			s.m.tracef("%s: %s", s.name, n.Text)
		}
		if _, ok := it.event.(failover.Disconnected); ok {
			b.send = nil
		}
		if _, ok := it.event.(failover.Tick); ok {
			b.ticks = true
		} else {
			b.news = true
		}
		b.add(e)
		b.fence = b.fence || e.Fence
		b.conflicts = append(b.conflicts, e.Conflicts...)
		if s.isc == nil {
			s.checkStep(b, was, it, e)
		}
		if it.done != nil {
			if e.Refused != nil {
				it.done(e.Refused)
			} else {
				b.done = append(b.done, it.done)
			}
		}
	}
	return b
}

func (b *batch) add(e failover.Effects) {
	for _, c := range e.Save.Changes {
		if i, ok := b.index[c.New.Addr]; ok {
			b.save.Changes[i].New = c.New
			continue
		}
		b.index[c.New.Addr] = len(b.save.Changes)
		b.save.Changes = append(b.save.Changes, c)
	}
	for _, p := range e.Save.Peers {
		if n := len(b.save.Peers); n > 0 {
			b.save.Peers[n-1] = p // there is one relationship
		} else {
			b.save.Peers = append(b.save.Peers, p)
		}
	}
	b.send = append(b.send, e.Send...)
	if b.close == nil {
		b.close = e.Close
	}
}

// lease is what is on record, or will be when the batch is written.
func (s *server) lease(b *batch, a netip.Addr) lease.Lease {
	if i, ok := b.index[a]; ok {
		return b.save.Changes[i].New
	}
	return s.book.Get(a)
}

// finish does the effects of a batch in their order.
func (s *server) finish(b *batch) {
	s.busy = false
	crash := s.crash
	if !b.save.Empty() || len(b.send) > 0 {
		s.crash = nowhere
	} else {
		crash = nowhere
	}
	if crash == beforeSave || crash == midSave && s.m.chance(30) {
		s.fall()
		return
	}
	var err error
	if !b.save.Empty() {
		if crash == midSave && s.store.disk != nil {
			s.dark = true
			s.store.disk.LosePower(1 + s.m.rng.IntN(2))
		}
		err = s.book.Apply(context.Background(), b.save)
		if errors.Is(err, lease.ErrConflict) || err != nil && !errors.Is(err, errDisk) {
			s.m.fail("I10", netip.Addr{}, "%s saves what cannot be: %v", s.name, err)
			return
		}
	}
	if crash == midSave {
		s.unsure = b.learnt
		s.fall()
		return
	}
	s.machine.Settle(err)
	if was := s.status.State; was != s.machine.State() || err != nil {
		s.m.disturbed = s.m.now
	}
	s.status = s.machine.Status()
	if peer, _ := s.book.Peer(relationship); s.isc == nil && s.status.State != failover.Startup && s.status.State != failover.State(peer.State) {
		s.m.fail("I10", netip.Addr{}, "%v, and has %v on record", s, failover.State(peer.State))
		return
	}
	if err != nil {
		s.m.tracef("%s: commit failed: %v", s.name, err)
		for _, done := range b.done {
			done(err)
		}
		s.retry = s.m.now + retryTime
		s.drop(s.conn, err)
		s.rest(b)
		return
	}
	s.checkSaved(b)
	if crash == afterSave {
		s.fall()
		return
	}
	if s.conn != nil && len(b.send) > 0 {
		send := b.send
		if crash == midSend {
			send = send[:s.m.rng.IntN(len(send))]
		}
		s.conn.send(s.id, send)
	}
	if crash == midSend || crash == afterSend {
		s.fall()
		return
	}
	s.m.told(s, b.conflicts)
	if b.fence {
		s.m.fence(s)
	}
	for _, done := range b.done {
		done(nil)
	}
	if b.close != nil {
		s.drop(s.conn, b.close)
	}
	s.rest(b)
}

// rest looks for what to do next.
func (s *server) rest(b *batch) {
	if !s.alive || s.m.breach != nil {
		return
	}
	if len(s.inbox) > 0 {
		s.wake()
	}
	due, ok := s.machine.Deadline()
	if !ok {
		return
	}
	if s.idle++; !b.ticks || b.news || due.After(b.began) || s.retry > s.m.now {
		s.idle = 0
	}
	if s.idle > maxIdle {
		s.m.fail("I10", netip.Addr{}, "%s: %d Ticks left the Deadline at %v", s.name, s.idle, due.Sub(epoch))
		return
	}
	at := max(s.clk.when(due), s.retry, s.m.now)
	s.due = at
	if s.alarm >= 0 && s.alarm <= at && s.alarm > s.m.now {
		return
	}
	s.alarm = at
	s.later(at-s.m.now, func() {
		if s.alarm != at {
			return
		}
		s.alarm = -1
		if s.due > s.m.now {
			s.rest(&batch{began: s.clock()})
			return
		}
		s.post(item{event: failover.Tick{}})
	})
}

// fall is a crash at a chosen point. Somebody restarts the server after a while.
func (s *server) fall() {
	s.die(s.m.chance(50) && !s.dark)
	s.dark = false
	s.m.after(s.m.upTo(2*time.Minute), s.boot)
}

// admit reports whether an item is of the connection in use, makes a new connection that, and unmakes it at its end.
func (s *server) admit(it item) bool {
	if it.conn == nil {
		return true
	}
	if _, ok := it.event.(failover.Connected); ok {
		s.conn = it.conn
		s.sent, s.asked, s.requested = make(map[uint32]failover.Binding), nil, 0
		s.m.compare()
	}
	if it.conn != s.conn {
		return false
	}
	if _, ok := it.event.(failover.Disconnected); ok {
		s.unlink(errEnd)
	}
	return true
}

func (s *server) unlink(cause error) {
	if s.conn != nil {
		s.conn.close(s.id, cause)
		s.conn, s.claimed = nil, false
		s.m.redial()
	}
}

// drop gives the connection up and tells the Machine, before anything else that waits.
func (s *server) drop(c *conn, cause error) {
	if c == nil || c != s.conn {
		return
	}
	s.unlink(cause)
	s.inbox = append([]item{{event: failover.Disconnected{Cause: cause}}}, s.inbox...)
	s.wake()
}
