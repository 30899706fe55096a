package failovertest

import (
	"errors"
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
)

// The desk of a server: what dora decides for clients, without packets.

const (
	offerHold    = 60 * time.Second
	maxDecisions = 4
	maxWaiting   = 8  // messages of one client
	cachePercent = 25 // of its time a lease must be younger to be confirmed without a write
)

type messageKind uint8

const (
	discover messageKind = iota
	request
	release
	decline
	offered
	ack
	nak
)

var messageNames = [...]string{"DISCOVER", "REQUEST", "RELEASE", "DECLINE", "OFFER", "ACK", "NAK"}

func (k messageKind) String() string { return messageNames[k] }

// message is what DHCP messages carry that matters here.
type message struct {
	kind   messageKind
	client *client
	xid    int
	secs   uint16
	server int        // option 54: number of the server; -1 for none
	addr   netip.Addr // option 50 or ciaddr; yiaddr of an answer
	holds  bool       // the address stands in ciaddr: the client renews or rebinds
	time   int        // lease time, seconds

	sentAt time.Duration // when the client sent a request or what ends a lease; of an answer, when it sent the request
}

// query is a message that a server works on.
type query struct {
	message
	now    time.Time
	who    lease.Client
	rounds int
	open   int // changes that are not durable yet
}

// roundUp returns the first whole second that is not before t.
func roundUp(t time.Time) time.Time {
	if s := lease.Second(t); s.Before(t) {
		return s.Add(time.Second)
	}
	return lease.Second(t)
}

// hears takes a message off the LAN. Those of one client are handled one after the other.
func (s *server) hears(msg message) {
	if line, ok := s.lines[msg.client]; ok {
		if len(line) < maxWaiting {
			s.lines[msg.client] = append(line, msg)
		}
		return
	}
	s.lines[msg.client] = nil
	s.handle(msg)
}

func (s *server) handle(msg message) {
	q := &query{message: msg, now: s.clock(), who: msg.client.name}
	s.offers.expire(s.m.now)
	switch msg.kind {
	case discover:
		s.discover(q)
	case request:
		s.request(q)
	case release:
		s.release(q)
	case decline:
		s.decline(q)
	}
	if q.open == 0 {
		s.done(q)
	}
}

// done takes up the next message of the client.
func (s *server) done(q *query) {
	line := s.lines[q.client]
	if len(line) == 0 {
		delete(s.lines, q.client)
		return
	}
	s.lines[q.client] = line[1:]
	s.handle(line[0])
}

// terms returns until when the client may be told l, and what it would be told without a partner.
func (s *server) terms(q *query, l lease.Lease) (until, want time.Time, err error) {
	counted := roundUp(q.now)
	want = counted.Add(s.term)
	until, err = s.limit(counted, l, q.who, want)
	if err == nil && !until.After(counted) {
		err = errors.New("no time left")
	}
	return until, want, err
}

// offerable reports whether l can be offered to the client.
func (s *server) offerable(q *query, l lease.Lease) bool {
	if !s.pool.Contains(l.Addr) {
		return false // it is on record of an earlier configuration
	}
	if _, _, err := s.terms(q, l); err != nil {
		return false
	}
	own := l.Client.Is(q.who)
	f, taken := s.offers.byAddr[l.Addr]
	taken = taken && f.client != q.who
	switch {
	case l.Status == lease.Active:
		return own
	case l.Status.Available():
		return s.mine(q.now, l) && !taken
	case l.Status == lease.Expired, l.Status == lease.Released:
		return own && !taken
	}
	return false
}

// choose returns the address for a client in the order of RFC 2131 4.3.1.
func (s *server) choose(q *query) (lease.Lease, bool) {
	var last lease.Lease
	for l := range s.book.ByClient(0, q.who) {
		if s.offerable(q, l) && (last.Status == 0 || l.Status == lease.Active && last.Status != lease.Active ||
			(l.Status == lease.Active) == (last.Status == lease.Active) && l.Expiry.After(last.Expiry)) {
			last = l
		}
	}
	if last.Status == lease.Active {
		return last, true
	}
	if a, ok := s.offers.byClient[q.who]; ok {
		if l := s.book.Get(a); s.offerable(q, l) {
			return l, true
		}
		s.offers.drop(q.who)
	}
	if last.Status != 0 {
		return last, true
	}
	if q.addr.IsValid() {
		if l := s.book.Get(q.addr); s.offerable(q, l) {
			return l, true
		}
	}
	for _, status := range []lease.Status{lease.Free, lease.Backup} {
		if l, ok := s.pool.Pick(status, func(l lease.Lease) bool { return s.offerable(q, l) }); ok {
			return l, true
		}
	}
	return lease.Lease{}, false
}

func (s *server) discover(q *query) {
	l, ok := s.choose(q)
	if !ok || s.serves(q.who, q.secs) != nil {
		return
	}
	if l.Status != lease.Active {
		s.offers.drop(q.who)
		s.offers.byClient[q.who], s.offers.byAddr[l.Addr] = l.Addr, offer{q.who, s.m.now + offerHold}
	}
	s.m.after(s.m.upTo(time.Second), func() { // it may ping first
		s.m.lan.answer(s, message{kind: offered, client: q.client, xid: q.xid, server: s.id, addr: l.Addr})
	})
}

func (s *server) request(q *query) {
	selecting := q.server >= 0
	if selecting && q.server != s.id {
		s.offers.drop(q.who)
		return
	}
	l := s.book.Get(q.addr)
	if !s.pool.Contains(q.addr) || s.answers() != nil {
		return
	}
	own := l.Client.Is(q.who)
	f, taken := s.offers.byAddr[l.Addr]
	mine := taken && f.client == q.who
	taken = taken && !mine
	until, want, limit := s.terms(q, l)
	switch {
	case l.Status == lease.Active && !own && !l.Expiry.After(q.now):
		return // the partner may have ended it, and given it to this client
	case l.Status == lease.Active && !own, l.Status.Available() && s.mine(q.now, l) && taken:
		s.refuse(q, "unavailable")
		return
	case l.Status.Available() && !s.mine(q.now, l):
		return // owned by the partner
	case l.Status.Available() && !selecting && !q.holds && !own && !mine:
		if s.m.authority {
			s.refuse(q, "unavailable")
		}
		return
	case l.Status == lease.Reset && own:
		s.refuse(q, "reset")
		return
	case l.Status == lease.Abandoned, l.Status == lease.Reset:
		return
	case !own && l.Status.Ending():
		return
	case limit != nil:
		s.m.tracef("%s is silent on %v of client %d: %v", s.name, l.Addr, q.client.id, limit)
		s.checkKept(q, l, limit)
		return
	}
	s.grant(q, l, until, want)
}

// grant gives l to the client when that is durable.
func (s *server) grant(q *query, l lease.Lease, until, want time.Time) {
	if s.cached(q, l) {
		s.tell(q, l.Addr, l.Expiry, false)
		return
	}
	n := l
	n.Status, n.Client, n.Expiry, n.SentPotentialExpiry = lease.Active, q.who, until, want
	n.LastTransaction = roundUp(q.now)
	began := s.m.now
	s.commit(q, lease.Change{Old: l, New: n}, func(err error) {
		if err != nil {
			s.again(q, l, err)
			return
		}
		q.now = q.now.Add((s.m.now - began).Truncate(time.Second))
		have := s.book.Get(l.Addr)
		if have.Status != lease.Active || !have.Client.Is(q.who) {
			s.again(q, l, lease.ErrConflict)
			return
		}
		if have.Expiry.Before(until) {
			until = have.Expiry
		}
		s.tell(q, l.Addr, until, true)
		if !q.holds {
			s.releaseOthers(q, l.Addr)
		}
	})
}

// again decides anew if somebody was faster.
func (s *server) again(q *query, l lease.Lease, err error) {
	s.m.tracef("%s: %v for client %d: %v", s.name, l.Addr, q.client.id, err)
	if q.rounds++; errors.Is(err, lease.ErrConflict) && q.rounds < maxDecisions {
		s.request(q)
		return
	}
	if !errors.Is(err, lease.ErrConflict) && !errors.Is(err, errDisk) {
		s.checkKept(q, l, err)
	}
}

// cached reports whether a renewal is answered with what is left of the lease, and nothing written. One that does not
// hold the address may have given it back, and the partner may be about to say so: that needs a newer record.
func (s *server) cached(q *query, l lease.Lease) bool {
	if !q.holds || l.Status != lease.Active || l.Client != q.who || l.Expiry.Sub(q.now) < time.Second {
		return false
	}
	given := l.LastTransaction
	return q.now.Sub(given) < l.Expiry.Sub(given)*cachePercent/100
}

// tell sends DHCPACK. anew says that it promises more than the client was told before.
func (s *server) tell(q *query, a netip.Addr, until time.Time, anew bool) {
	secs := int(until.Sub(q.now) / time.Second)
	if secs < 1 {
		return
	}
	s.offers.drop(q.who)
	s.checkAck(q, a, until, anew)
	s.m.lan.answer(s, message{kind: ack, client: q.client, xid: q.xid, server: s.id, addr: a, time: secs, sentAt: q.sentAt})
}

func (s *server) refuse(q *query, why string) {
	s.m.tracef("%s refuses %v to client %d: %s: %s", s.name, q.addr, q.client.id, why, show(s.book.Get(q.addr)))
	s.offers.drop(q.who)
	s.checkNak(q)
	s.m.lan.answer(s, message{kind: nak, client: q.client, xid: q.xid, server: s.id, addr: q.addr})
}

// commit asks the Machine for a change. then hears the result when it is durable, unless the server crashes.
func (s *server) commit(q *query, c lease.Change, then func(error)) {
	q.open++
	s.post(item{event: failover.Changed{Change: c}, done: func(err error) {
		then(err)
		if q.open--; q.open == 0 && s.alive {
			s.done(q)
		}
	}})
}

func (s *server) releaseOthers(q *query, keep netip.Addr) {
	for l := range s.book.ByClient(0, q.who) {
		if l.Addr != keep && l.Status == lease.Active {
			s.giveBack(q, l)
		}
	}
}

func (s *server) giveBack(q *query, l lease.Lease) {
	gone := l
	gone.Status = lease.Released
	gone.Since = lease.Second(q.now)
	gone.Expiry, gone.SentPotentialExpiry, gone.LastTransaction = gone.Since, gone.Since, gone.Since
	s.commit(q, lease.Change{Old: l, New: gone}, func(err error) {
		if err != nil {
			s.m.tracef("%s: %v not released: %v", s.name, l.Addr, err)
		}
	})
}

func (s *server) release(q *query) {
	l := s.book.Get(q.addr)
	if q.server == s.id && s.answers() == nil && l.Status == lease.Active && l.Client.Is(q.who) {
		s.giveBack(q, l)
	}
}

func (s *server) decline(q *query) {
	l := s.book.Get(q.addr)
	holds := l.Status == lease.Active && l.Client.Is(q.who)
	if q.server != s.id || s.answers() != nil || !holds {
		return
	}
	now := lease.Second(q.now)
	s.commit(q, lease.Change{Old: l, New: lease.Lease{
		Addr: l.Addr, Status: lease.Abandoned, Flags: l.Flags & lease.Reserved,
		Since: now, Expiry: now.Add(s.m.abandon), LastTransaction: now,
	}}, func(error) {})
}
