package failover

import (
	"strconv"
	"time"
)

// State is the state of a failover endpoint, with the numbers that option server-state puts on the wire (draft
// section 12.24). The zero State is what is known of a partner that has never been heard.
type State uint8

// The states of draft section 9.2.
const (
	Startup                   State = 1   // just started; on the wire the stored state with a flag stands for it
	Normal                    State = 2   // both serve, each its half of the clients
	CommunicationsInterrupted State = 3   // the partner is not heard and may be serving
	PartnerDown               State = 4   // the partner is known not to serve
	PotentialConflict         State = 5   // both may have given one address to two clients
	Recover                   State = 6   // learning from the partner what was missed
	Paused                    State = 7   // stopped for a short while
	Shutdown                  State = 8   // stopped for long: the partner may take over
	RecoverDone               State = 9   // has learnt all, waits for the partner to see it
	ResolutionInterrupted     State = 10  // lost the partner during PotentialConflict
	ConflictDone              State = 11  // the primary's side of PotentialConflict is over
	RecoverWait               State = 254 // waits for MCLT to pass; the draft gives no number, ISC dhcpd sends this
)

// String returns the name ISC dhcpd logs and stores in dhcpd.leases(5): "communications-interrupted", "unknown-state"
// for zero, or "State(99)" for what has none.
func (s State) String() string {
	switch s {
	case 0:
		return "unknown-state"
	case Startup:
		return "startup"
	case Normal:
		return "normal"
	case CommunicationsInterrupted:
		return "communications-interrupted"
	case PartnerDown:
		return "partner-down"
	case PotentialConflict:
		return "potential-conflict"
	case Recover:
		return "recover"
	case Paused:
		return "paused"
	case Shutdown:
		return "shutdown"
	case RecoverDone:
		return "recover-done"
	case ResolutionInterrupted:
		return "resolution-interrupted"
	case ConflictDone:
		return "conflict-done"
	case RecoverWait:
		return "recover-wait"
	}
	return "State(" + strconv.Itoa(int(s)) + ")"
}

// Valid reports whether s is one of the twelve states. The zero State is not.
func (s State) Valid() bool { return s >= Startup && s <= ConflictDone || s == RecoverWait }

// sendable reports whether s may stand in a STATE message: ISC dhcpd goes into SHUTDOWN, for good, on a number it
// does not know, and STARTUP is sent as a flag beside the stored state.
func (s State) sendable() bool { return s.Valid() && s != Startup }

// ParseState returns the State that String names so; "unknown-state" is the zero State. The second result is false if
// there is none.
func ParseState(name string) (State, bool) {
	for s := State(0); s <= ConflictDone; s++ {
		if s.String() == name {
			return s, true
		}
	}
	if name == RecoverWait.String() {
		return RecoverWait, true
	}
	return 0, false
}

// StateReport (STATE) tells the partner the state of this server.
type StateReport struct {
	State   State     // server-state (24); in STARTUP the stored state
	Startup bool      // bit 0 of server-flags (23)
	Since   time.Time // start-time-of-state (25); zero for unknown. ISC dhcpd does not look at it

	absent optionSet
}

// serverStartup is the bit of server-flags that stands for STARTUP (draft section 12.23).
const serverStartup = 1 << 0

// Has reports whether s has the option: a received report need not have any.
func (s *StateReport) Has(c OptionCode) bool { return always[TypeState].has(c) && !s.absent.has(c) }

// Omit makes AppendBinary leave the options out.
func (s *StateReport) Omit(codes ...OptionCode) { s.absent |= setOf(codes...) }

func (e *encoder) stateReport(s *StateReport) {
	e.omit = s.absent
	if s.Has(OptionServerState) && !s.State.sendable() {
		e.fail(OptionServerState, "%v is not sent", s.State)
	}
	e.uint8(OptionServerState, uint8(s.State))
	var flags uint8
	if s.Startup {
		flags |= serverStartup
	}
	e.uint8(OptionServerFlags, flags)
	e.time(OptionStartTimeOfState, s.Since)
}

func (d *decoder) stateReport() *StateReport {
	s := new(StateReport)
	for d.next() {
		switch d.code {
		case OptionServerState:
			s.State = State(d.uint8())
		case OptionServerFlags:
			s.Startup = d.uint8()&serverStartup != 0
		case OptionStartTimeOfState:
			s.Since = d.time()
		}
	}
	s.absent = always[TypeState] &^ d.seen
	return s
}
