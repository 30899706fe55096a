package failover

import "time"

// become changes the state, and says so to the ledger, the partner and the log.
func (m *Machine) become(now time.Time, to State, cause string) {
	from := m.State()
	if !m.startup.IsZero() {
		m.startup, m.started = time.Time{}, now
	}
	if to != m.stored() {
		m.peer.State, m.peer.Since = uint8(to), now
	}
	m.out.peer(m.peer)
	m.note(Info, "I move from %v to %v (%s)", from, to, cause)
	m.report(now)
	m.balanceAt, m.freeAt, m.fenceAt, m.leaving = time.Time{}, time.Time{}, time.Time{}, false
	m.blank = m.blank && to == Recover // a later RECOVER begins with what is on record now
	switch to {
	case Normal:
		m.note(Info, "Both servers normal")
		m.queue.requeue()
		if m.cfg.EagerBalance || upToDate[from] {
			m.balance(now, false)
		}
		if !upToDate[from] {
			m.catchUp(now)
		}
	case CommunicationsInterrupted:
		if m.cfg.SafePeriod > 0 {
			m.fenceAt = now.Add(m.cfg.SafePeriod)
		}
	case PartnerDown:
		m.freeAt = now
	case Recover:
		m.asked, m.owed = false, true
		m.ask(now)
	case PotentialConflict:
		m.asked = false
		if m.cfg.Role == Primary {
			m.ask(now)
		}
	}
}

// upToDate has the states that end with an update of all that the partner knows.
var upToDate = map[State]bool{RecoverDone: true, PotentialConflict: true, ConflictDone: true}

// catchUp asks for what the partner did while it was not heard. Until it has told, no lease ends here and no address
// moves, and it is told nothing that would take an address from a client: it may know better, and an ISC dhcpd takes
// EXPIRED for a lease that it renewed itself, and RELEASED for one that it gave anew.
func (m *Machine) catchUp(now time.Time) {
	m.asked = false
	m.ask(now)
}

// catchingUp reports whether the answer to that is still coming.
func (m *Machine) catchingUp() bool { return m.learning && m.State() == Normal }

// partnerState takes in STATE and moves by the tables.
func (m *Machine) partnerState(now time.Time, r *StateReport) {
	if !r.State.sendable() {
		m.note(Error, "peer reports %v, which is no state: ignored", r.State)
		return
	}
	m.heard, m.partnerSays = true, r.Since
	if m.partner() != r.State {
		m.note(Info, "peer moves from %v to %v", m.partner(), r.State)
		m.peer.Partner, m.peer.PartnerSince = uint8(r.State), now
		m.out.peer(m.peer)
	}
	if m.stored() == PartnerDown && r.Startup && (r.State != PartnerDown || m.startup.IsZero()) {
		// Draft 9.4: it has not decided yet what it will be. Two that come up in PARTNER-DOWN must not wait for each other
		// until both may serve.
		return
	}
	m.meet(now)
}

// meet moves by the tables, on what the partner was heard to be.
func (m *Machine) meet(now time.Time) {
	if m.session == nil || !m.heard {
		return
	}
	cause := "peer is " + m.partner().String()
	if !m.startup.IsZero() {
		m.become(now, contact(m.stored(), m.partner()), cause)
	}
	if to := react(m.stored(), m.partner()); to != m.stored() {
		m.become(now, to, cause)
	}
	switch {
	case m.stored() == Recover:
		m.ask(now)
	case m.stored() == PotentialConflict && (m.cfg.Role == Primary || m.partner() == ConflictDone):
		m.ask(now)
	}
}

// ask requests what the partner has, once in a connection and state: everything in RECOVER (draft 7.7), what we have
// not acknowledged in POTENTIAL-CONFLICT, where the primary asks first (draft 9.8).
func (m *Machine) ask(now time.Time) {
	if m.session == nil || !m.heard || m.asked {
		return
	}
	m.asked, m.learning, m.progressAt = true, true, now
	if m.stored() == Recover || m.owed {
		m.send(now, &UpdateRequestAll{})
		m.note(Info, "requesting full update from peer")
		return
	}
	m.send(now, &UpdateRequest{})
	m.note(Info, "requesting update from peer")
}

// updateDone ends RECOVER (draft 9.5.3), and each side's part of POTENTIAL-CONFLICT (draft 9.8).
func (m *Machine) updateDone(now time.Time) {
	m.note(Info, "peer update completed.")
	learnt := m.learning
	m.learning, m.owed = false, false
	switch {
	case m.stored() == PotentialConflict && m.cfg.Role == Primary:
		m.become(now, ConflictDone, "peer has told what it gave")
	case m.stored() == PotentialConflict && m.partner() == ConflictDone:
		m.become(now, Normal, "both have told what they gave")
	case m.stored() == Recover:
		m.recovered(now)
		m.meet(now)
	case m.stored() == Normal && learnt:
		m.queue.requeue() // what was not told so far
		if !m.cfg.EagerBalance {
			m.balance(now, false)
		}
	}
}

// recovered ends RECOVER: what the partner knows is known. What it does not know, because this server promised it and
// lost the record, is over when MCLT has passed since then.
func (m *Machine) recovered(now time.Time) {
	if p := m.partner(); p == Recover || p == RecoverDone || p == RecoverWait {
		// Neither has served: nobody holds a promise that is not on record.
		m.become(now, RecoverDone, "both servers are new")
	} else if wait := m.lost.Add(m.mclt()); wait.After(now) {
		m.waitUntil = wait
		m.become(now, RecoverWait, "promises up to MCLT may be unknown")
	} else {
		m.become(now, RecoverDone, "update completed")
	}
}
