package failover

// A server announces its state in STATE, and moves on what the partner announces. These are the moves, as in draft
// section 9 and, where the draft leaves it open, so that ISC dhcpd comes along.

// moves tells what this server becomes on hearing the partner's state: own state down, the partner's across. What is
// not in it leaves the state as it is.
var moves = map[State]map[State]State{
	Normal: {
		PartnerDown:           PotentialConflict,
		PotentialConflict:     PotentialConflict,
		ResolutionInterrupted: PotentialConflict,
		ConflictDone:          PotentialConflict,
		// The partner lost its place while connected. It is not serving; we serve on without counting on it.
		Recover:     CommunicationsInterrupted,
		RecoverWait: CommunicationsInterrupted,
		Paused:      CommunicationsInterrupted,
		Shutdown:    PartnerDown,
	},
	CommunicationsInterrupted: {
		Normal:                    Normal,
		CommunicationsInterrupted: Normal,
		RecoverDone:               Normal,
		PartnerDown:               PotentialConflict,
		PotentialConflict:         PotentialConflict,
		ResolutionInterrupted:     PotentialConflict,
		ConflictDone:              PotentialConflict,
		Shutdown:                  PartnerDown,
		// Recover, RecoverWait: stay, and answer its request for updates (draft 9.6; ISC goes PARTNER-DOWN).
	},
	PartnerDown: {
		Normal:                    PotentialConflict,
		CommunicationsInterrupted: PotentialConflict,
		PartnerDown:               PotentialConflict,
		PotentialConflict:         PotentialConflict,
		ResolutionInterrupted:     PotentialConflict,
		ConflictDone:              PotentialConflict,
		RecoverDone:               Normal,
	},
	Recover: {
		// Normal: stay. It is what a partner still calls itself that has just started, or that cannot write down that it
		// lost us; it takes our RECOVER for what it is. (ISC dhcpd and the draft: POTENTIAL-CONFLICT, in which a server that
		// lost its ledger would be told only what is new, and give its partner's addresses away.)
		PotentialConflict:     PotentialConflict,
		ResolutionInterrupted: PotentialConflict,
		ConflictDone:          PotentialConflict,
		Shutdown:              PartnerDown,
	},
	RecoverDone: {
		Normal:      Normal,
		RecoverDone: Normal,
		Shutdown:    PartnerDown,
	},
	PotentialConflict: {
		Recover:  Recover,
		Shutdown: PartnerDown,
	},
	ConflictDone: {
		Normal: Normal,
	},
	ResolutionInterrupted: {
		Normal:                    PotentialConflict,
		CommunicationsInterrupted: PotentialConflict,
		PartnerDown:               PotentialConflict,
		PotentialConflict:         PotentialConflict,
		Recover:                   PotentialConflict,
		RecoverDone:               PotentialConflict,
		ResolutionInterrupted:     PotentialConflict,
		ConflictDone:              PotentialConflict,
		RecoverWait:               PotentialConflict,
		Shutdown:                  PartnerDown,
	},
	// RecoverWait, Paused, Shutdown: whatever the partner says, only time or an operator ends them.
}

// contact tells with which state STARTUP ends when the partner is heard, from the stored state. The row of moves is
// asked afterwards, with the result.
func contact(stored, partner State) State {
	switch {
	case stored == Shutdown:
		return Recover // the partner took over
	case stored == Normal && partner == PartnerDown:
		// It gave our addresses away while we were gone: learn that first. We have given none since the last that is on
		// record, so there is no conflict.
		return Recover
	case stored == Normal, stored == Paused:
		return CommunicationsInterrupted // it has not been heard meanwhile
	case stored == ConflictDone:
		return ResolutionInterrupted
	}
	return stored
}

// afterStartup tells with which state STARTUP ends when the partner is not heard (draft 9.3).
var afterStartup = map[State]State{
	Normal:            CommunicationsInterrupted,
	Paused:            CommunicationsInterrupted,
	Shutdown:          Recover,
	PotentialConflict: ResolutionInterrupted,
	ConflictDone:      ResolutionInterrupted,
}

// afterLoss tells what the loss of the connection does.
var afterLoss = map[State]State{
	Normal:            CommunicationsInterrupted,
	PotentialConflict: ResolutionInterrupted,
	ConflictDone:      ResolutionInterrupted,
}

// next returns the state that table gives for s, or s.
func next(table map[State]State, s State) State {
	if to, ok := table[s]; ok {
		return to
	}
	return s
}

// react returns what a server in state own becomes when it hears that its partner is in state partner.
func react(own, partner State) State {
	if to, ok := moves[own][partner]; ok {
		return to
	}
	return own
}

// service says what a state lets a server do for clients.
type service uint8

const (
	silent   service = iota // nothing
	balanced                // answer the clients that RFC 3074 gives to this server; give own addresses
	alone                   // answer all; give own addresses
	survivor                // answer all; give the partner's addresses too, when it can have no more promises out
)

// services is the table of what each state may answer (draft section 9; ISC dhcpd is silent in ConflictDone and
// ResolutionInterrupted).
var services = map[State]service{
	Normal:                    balanced,
	CommunicationsInterrupted: alone,
	PartnerDown:               survivor,
	ResolutionInterrupted:     alone,
	ConflictDone:              alone,
}

// expires reports whether a server in this state and role ends leases whose time is over. In NORMAL that is the
// primary's business alone: an ISC primary refuses EXPIRED from a secondary.
func (r Role) expires(s State) bool {
	switch services[s] {
	case balanced:
		return r == Primary
	case alone, survivor:
		return true
	}
	return false
}
