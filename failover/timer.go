package failover

import (
	"fmt"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// Deadline is when the next Tick is due, and false if there is nothing to wait for.
func (m *Machine) Deadline() (time.Time, bool) {
	var at time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	sooner(m.startup)
	if !m.begun {
		sooner(time.Unix(1, 0)) // at once: see Settle
	}
	if m.mourning() {
		sooner(m.peer.Since)
	}
	if m.stored() == RecoverWait && m.startup.IsZero() {
		sooner(m.waitUntil)
	}
	if m.session != nil {
		if m.answer != nil && m.answer.rest && !m.windowFull() {
			sooner(time.Unix(1, 0)) // at once
		}
		sooner(m.contactAt())
		sooner(m.receivedAt.Add(m.cfg.ReceiveTimer))
		if !m.heard {
			sooner(m.connectedAt.Add(stateTime))
		}
		if m.learning {
			sooner(m.progressAt.Add(stuckTime))
		}
		if m.unanswered() {
			sooner(m.ackedAt.Add(stuckTime))
		}
		if m.State() == Normal {
			sooner(m.balanceAt)
			sooner(m.againAt)
		}
	}
	if m.startup.IsZero() {
		sooner(m.freeAt)
		sooner(m.fenceAt)
	}
	if m.expires() {
		for _, p := range m.cfg.Pools {
			if t, ok := p.NextExpiry(); ok {
				sooner(t.Add(m.lag()))
			}
		}
	}
	return at, !at.IsZero()
}

// putBack lets every timer run as long as it would have, when the clock has gone back by d. Waits that keep a promise
// become no shorter by it: what has gone by since the last Step is not counted.
func (m *Machine) putBack(d time.Duration) {
	for _, t := range []*time.Time{
		&m.startup, &m.settled.startup, &m.progressAt, &m.ackedAt, &m.connectedAt, &m.sentAt, &m.receivedAt,
		&m.againAt, &m.waitUntil, &m.freeAt, &m.fenceAt, &m.balanceAt, &m.balanced,
	} {
		if !t.IsZero() {
			*t = t.Add(-d)
		}
	}
	m.note(Warn, "the clock has gone back by %v", d)
}

// windowFull reports whether nothing more may be sent before the partner acknowledges something.
func (m *Machine) windowFull() bool {
	return m.session != nil && len(m.queue.sent) >= m.session.MaxUnacked
}

// hurries reports whether this server or its partner waits for what the other tells.
func (m *Machine) hurries() bool { return m.learning || m.answer != nil || m.windowFull() }

// unanswered reports whether it is odd if the partner acknowledges nothing: an ISC dhcpd puts that off for as long as
// updates may come, another Tandem does not.
func (m *Machine) unanswered() bool {
	return m.windowFull() || len(m.queue.sent) > 0 && m.session != nil && !m.partnerIsISC()
}

// contactAt is when something must be sent, so that the partner does not give up: a third of its receive timer (draft
// 8.3) after the last message; or sooner, so that it shows if the partner takes nothing any more.
func (m *Machine) contactAt() time.Time {
	every := (m.session.ReceiveTimer / 3).Truncate(time.Second)
	if m.session.Watched {
		every = min(every, probeTime)
	}
	return m.sentAt.Add(every)
}

// mourning reports whether the connection was lost and the state that follows could not be saved then.
func (m *Machine) mourning() bool {
	return m.session == nil && m.begun && m.startup.IsZero() && next(afterLoss, m.stored()) != m.stored()
}

func (m *Machine) tick(now time.Time) {
	if !m.begun {
		m.start(now)
	}
	if m.mourning() {
		m.become(now, next(afterLoss, m.stored()), "communications lost")
	}
	if !m.startup.IsZero() && !now.Before(m.startup) {
		m.become(now, next(afterStartup, m.stored()), "peer is not heard")
	}
	if m.stored() == RecoverWait && m.startup.IsZero() && !now.Before(m.waitUntil) {
		m.become(now, RecoverDone, "MCLT has passed")
		m.meet(now)
	}
	if m.session != nil {
		m.tickSession(now)
	}
	if m.expires() {
		m.expire(now)
	}
	if m.startup.IsZero() && !m.freeAt.IsZero() && !now.Before(m.freeAt) {
		m.freeAt = m.free(now)
	}
	if m.startup.IsZero() && !m.fenceAt.IsZero() && !now.Before(m.fenceAt) {
		m.fenceAt = now.Add(m.cfg.SafePeriod) // ask again, if it does not agree
		m.out.Fence = true
	}
}

func (m *Machine) tickSession(now time.Time) {
	switch {
	case !now.Before(m.receivedAt.Add(m.cfg.ReceiveTimer)):
		m.note(Warn, "timeout waiting for failover peer")
		m.close(now, RejectNoTraffic, fmt.Errorf("%w of %v", errSilence, m.cfg.ReceiveTimer))
		m.receivedAt = now // the driver closes; do not say it again before it has
	case !m.heard && !now.Before(m.connectedAt.Add(stateTime)):
		m.close(now, RejectNoTraffic, errNoState)
		m.connectedAt = now
	case m.learning && !now.Before(m.progressAt.Add(stuckTime)):
		m.close(now, RejectUnknown, errNoUpdates)
		m.learning = false
	case m.unanswered() && !now.Before(m.ackedAt.Add(stuckTime)):
		m.close(now, RejectUnknown, errNoAck)
		m.ackedAt = now
	case !now.Before(m.contactAt()):
		m.send(now, &Contact{})
	}
	if m.State() == Normal && !m.againAt.IsZero() && !now.Before(m.againAt) {
		m.againAt = time.Time{}
		m.queue.requeue()
	}
	if m.State() == Normal && !m.balanceAt.IsZero() && !now.Before(m.balanceAt) {
		m.queue.requeue() // what the partner did not want yet, such as the end of a lease that it saw last longer
		m.balance(now, true)
	}
}

// expires reports whether leases end here now. Not before the partner has told what it renewed while it was not heard.
func (m *Machine) expires() bool {
	return m.startup.IsZero() && m.cfg.Role.expires(m.stored()) && !m.catchingUp()
}

// lag is how long after its end by our clock a lease ends. The partner's clock may be behind; and a renewal of the last
// moment by a partner that serves needs time on its way. An ISC dhcpd that has renewed lets a short lease be ended
// nonetheless, and would give the address to the next client.
func (m *Machine) lag() time.Duration {
	if m.State() == Normal {
		return m.behind + flightTime
	}
	return m.behind
}

// expire ends what is due, a bounded number in one Step. What the partner gave ends by the partner's clock.
func (m *Machine) expire(now time.Time) {
	for _, p := range m.cfg.Pools {
		m.due = p.AppendDue(m.due[:0], now.Add(-m.lag()), maxDue)
		for _, l := range m.due {
			l = m.get(l.Addr)
			if l.Expiry.After(now.Add(-m.lag())) {
				continue // renewed in this round
			}
			switch l.Status {
			case lease.Active:
				m.set(m.over(ended(l, lease.Expired, now)))
			case lease.Abandoned:
				to := lease.Free
				if l.Unacked && l.Rewind != m.cfg.Role.own() {
					to = lease.Reset // the partner may have let its client stay: it must agree
				}
				m.set(ended(l, to, now))
			}
			if m.stored() == PartnerDown {
				m.freeAt = now
			}
		}
		clear(m.due) // of their texts
	}
}

// over returns l, which has just ended, in our own available status where the partner never heard of the client, and
// as it is where it must agree first (draft 5.2.2). The first is possible only while the partner holds the address for
// ours in any case.
func (m *Machine) over(l lease.Lease) lease.Lease {
	if m.State() == CommunicationsInterrupted && l.Rewind == m.cfg.Role.own() && l.Flags == 0 {
		l.Status, l.Rewind, l.SentPotentialExpiry = l.Rewind, 0, l.Since
	}
	return l
}
