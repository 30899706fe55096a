package failover

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

func sortByNumber(us []*update) {
	slices.SortFunc(us, func(a, b *update) int { return cmp.Compare(a.number, b.number) })
}

// answer is a request for updates that is being answered.
type answer struct {
	xid  uint32
	upTo uint64 // the last entry of the queue that belongs to it

	// For UPDREQALL what is not in the queue is told as well, straight from the ledger: next is the first address not
	// told yet, in pool number pool and its range number span.
	all        bool
	pool, span int
	next       netip.Addr
	virgin     bool // tell those that nobody ever touched, too
	rest       bool // the search goes on in the next Step, at once
}

// updateRequest begins to answer UPDREQ or UPDREQALL (draft 7.6, 7.7). A later request replaces an earlier one: only
// it is told when all is done.
func (m *Machine) updateRequest(now time.Time, xid uint32, all bool) {
	kind := "Update request"
	if all {
		kind = "Update request all"
	}
	m.note(Info, "%s from peer", kind)
	m.queue.requeue()
	m.answer = &answer{
		xid: xid, upTo: m.queue.next, all: all,
		// ISC dhcpd counts on one update for each address. Another Tandem need not be told of what is as it began.
		virgin: m.partnerIsISC(),
	}
}

func (m *Machine) partnerIsISC() bool { return m.session.isISC() }

// pump sends what waits, as far as the partner's window allows, and UPDDONE when a request has been answered. In
// other states than NORMAL the partner is told only what it asks for.
func (m *Machine) pump(now time.Time) {
	if m.session == nil || !m.heard || m.out.Close != nil {
		return
	}
	for m.State() == Normal || m.answer != nil {
		if m.windowFull() {
			return
		}
		if len(m.queue.sent) == 0 {
			m.ackedAt = now // nothing was waited for
		}
		u := m.queue.pop()
		if u == nil {
			u = m.nextOfAll()
		}
		if u == nil {
			break
		}
		if m.catchingUp() && m.get(u.addr).Status != lease.Active {
			u.phase = held
			continue
		}
		m.tell(now, u)
	}
	if m.answer != nil && m.answer.done() && m.queue.idleUpTo(m.answer.upTo) {
		m.reply(now, m.answer.xid, &UpdateDone{})
		m.note(Info, "Sent update done message to peer")
		m.answer = nil
	}
}

// tell sends one BNDUPD. From then on the partner must be assumed to hold what it says; or still to have the address to
// give, until it has acknowledged that it has not.
func (m *Machine) tell(now time.Time, u *update) {
	l := m.get(u.addr)
	if l.Rewind != 0 && !(l.Status == m.cfg.Role.own() && l.Rewind == m.cfg.Role.partners()) {
		was := l
		l.Rewind = 0
		m.put(was, l)
	}
	one := &struct { // one allocation
		update BindingUpdate
		first  [1]Binding
	}{first: [1]Binding{m.bindingOf(now, l)}}
	one.update.Bindings = one.first[:]
	m.queue.flying(u, m.send(now, &one.update), l)
}

// bindingOf is what a BNDUPD says of a lease. Draft 7.1.1; ISC dhcpd wants an ABANDONED address without a client, and
// skips an available one whose lease seems not to have ended.
func (m *Machine) bindingOf(now time.Time, l lease.Lease) Binding {
	b := Binding{
		Addr: l.Addr, Status: l.Status, Client: l.Client, Flags: l.Flags,
		Expiry: l.Expiry, PotentialExpiry: l.SentPotentialExpiry, Since: l.Since, LastTransaction: l.LastTransaction,
	}
	if l.Status == lease.Abandoned {
		b.Client = lease.Client{}
	}
	if l.Status == lease.Active && !m.cfg.NoClientInfo {
		b.RequestOptions = clientInfo(l)
	}
	if l.Status.Available() {
		b.Expiry = earlier(b.Expiry, now)
	}
	if l.Status == lease.Released && m.partnerIsISC() {
		b.PotentialExpiry = l.Expiry // it tells the end of what the client gave back, too
	}
	return b
}

func (a *answer) done() bool { return !a.all }

// nextOfAll returns an entry for the next address of an UPDREQALL that is not queued anyway, or nil when there is
// none.
func (m *Machine) nextOfAll() *update {
	a := m.answer
	if a == nil || !a.all {
		return nil
	}
	a.rest = false
	looked := 0
	for ; a.pool < len(m.cfg.Pools); a.pool, a.span, a.next = a.pool+1, 0, (netip.Addr{}) {
		ranges := m.cfg.Pools[a.pool].Ranges()
		for ; a.span < len(ranges); a.span, a.next = a.span+1, (netip.Addr{}) {
			if !a.next.IsValid() {
				a.next = ranges[a.span].First
			}
			for a.next.IsValid() && a.next.Compare(ranges[a.span].Last) <= 0 {
				if looked++; looked > maxLook {
					a.rest = true // a /8 that nobody touched would hold the loop for seconds
					return nil
				}
				addr := a.next
				a.next = a.next.Next()
				if m.queue.entries[addr] != nil || !m.cfg.Pools[a.pool].Contains(addr) {
					continue
				}
				if !a.virgin && m.get(addr).IsVirgin() {
					continue
				}
				u := &update{addr: addr, number: a.upTo}
				m.queue.entries[addr] = u
				return u
			}
		}
	}
	a.all = false
	return nil
}

// bindingAck takes in the partner's answer to updates (draft 7.2).
func (m *Machine) bindingAck(now time.Time, xid uint32, ack *BindingAck) {
	for _, r := range ack.Results {
		u, told := m.queue.answered(xid, r.Addr)
		if u == nil {
			m.note(Debug, "bind update on %v got ack from peer: xid mismatch or none outstanding", r.Addr)
			continue
		}
		if r.Reason != 0 {
			m.refused(now, u, r)
		} else {
			m.acknowledged(now, u, told)
		}
	}
}

// refused holds an update back that the partner does not want. What it knows better it tells by itself; the rest is
// told again at its next request, at the next change, at the next entry into NORMAL, and after some minutes: it may be an
// end that the partner did not see yet.
func (m *Machine) refused(now time.Time, u *update, r Result) {
	level := Warn
	if r.Reason == RejectLessCritical || r.Reason == RejectOutdated {
		level = Debug // the duel of two updates that crossed: one of them must lose
	}
	m.note(level, "bind update on %v rejected: %v: %s", u.addr, r.Reason, r.Text)
	if u.again {
		m.queue.enqueue(u)
		return
	}
	if !m.get(u.addr).Unacked {
		delete(m.queue.entries, u.addr)
	} else if m.againAt.IsZero() {
		m.againAt = now.Add(againTime)
	}
}

// acknowledged takes note that the partner holds what it was told.
func (m *Machine) acknowledged(now time.Time, u *update, told lease.Lease) {
	l := m.get(u.addr)
	if u.again || l != told {
		// It changed meanwhile, and the newer one will be told. What this one allows is allowed now (draft 7.1.5).
		m.queue.enqueue(u)
		if l.Status == lease.Active && told.Status == lease.Active && l.Client == told.Client &&
			told.SentPotentialExpiry.After(l.AckedPotentialExpiry) {
			was := l
			l.AckedPotentialExpiry = told.SentPotentialExpiry
			m.put(was, l)
		}
		return
	}
	delete(m.queue.entries, u.addr)
	if !l.Unacked && !l.Status.Ending() {
		return // told for an UPDREQALL, and known already
	}
	l.Unacked, l.Rewind = false, 0
	l.AckedPotentialExpiry = l.SentPotentialExpiry
	if l.Status.Ending() {
		l = m.available(now, l)
	}
	m.set(l)
}

// available is a Lease on whose end both agree: FREE, or at once BACKUP where the primary knows that its last client
// will ask the secondary (draft 5.1; ISC dhcpd's affinity).
func (m *Machine) available(now time.Time, l lease.Lease) lease.Lease {
	l.Status, l.Since, l.Rewind = lease.Free, now, 0
	l.Expiry = earlier(l.Expiry, now)
	l.SentPotentialExpiry = l.Expiry
	l.AckedPotentialExpiry = l.Expiry
	l.ReceivedPotentialExpiry = time.Time{}
	l.Flags &^= lease.BOOTP
	if m.wantsBackup(l) {
		l.Status, l.SentPotentialExpiry, l.Unacked = lease.Backup, now, true
	}
	return l
}
