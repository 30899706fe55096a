package failover

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// View is what a Machine reads of the ledger. A *lease.Book is one.
type View interface {
	Get(netip.Addr) lease.Lease
}

// Machine is one endpoint of a relationship, as a function of time and events: no clock, goroutine, lock, log or I/O.
// Its driver calls Step for each Event, does what the Effects say, and calls Settle when the ledger has, or has not,
// taken Effects.Save; several Steps may go before one Settle. It must call Step with a Tick when Deadline has come.
// A Machine is not safe for concurrent use; Endpoint is the driver that real servers use.
type Machine struct {
	cfg      Config
	view     View
	settings []Setting // what the partner's configuration should say, too

	peer    lease.Peer // the state, the partner's, and MCLT: what a restart remembers
	startup time.Time  // when STARTUP ends unheard; zero if it is over
	begun   bool       // STARTUP has begun
	settled struct {   // all three, as they were at the last Settle that was good
		peer    lease.Peer
		startup time.Time
		begun   bool
	}

	stepAt time.Time // of the last Step

	session     *Session  // nil while there is no connection
	xid         uint32    // of the last message sent on it
	heard       bool      // whether the partner's STATE has come on it
	partnerSays time.Time // since when it is in that state
	asked       bool      // whether we have asked for updates on it
	fresh       bool      // nothing has come on it
	learning    bool      // the partner is answering that
	blank       bool      // RECOVER began without a ledger, as far as is known
	owed        bool      // all that the partner has is wanted, since RECOVER, and has not come yet
	progressAt  time.Time // of the last update that it sent, or our question
	ackedAt     time.Time // of its last acknowledgement, or when there was none to wait for
	connectedAt time.Time
	sentAt      time.Time
	receivedAt  time.Time

	behind time.Duration // how far the partner's clock is behind ours, at least; 0 if it is not

	queue     updates
	answer    *answer    // of the partner's UPDREQ or UPDREQALL; nil if there is none
	unseen    uint64     // changes up to this one were made before this connection: the partner acted without them
	waitUntil time.Time  // end of RECOVER-WAIT
	freeAt    time.Time  // next look at ended leases in PARTNER-DOWN; zero if none is planned
	fenceAt   time.Time  // when the fence is asked whether the partner is down; zero if it is not asked
	started   time.Time  // when STARTUP ended
	lost      time.Time  // up to when this server may have promised what is not on its record
	leaving   bool       // a shutdown was ordered, and updates are under way
	againAt   time.Time  // when what the partner refused is told once more; zero if nothing is
	balanceAt time.Time  // next look at the balance; zero if none is planned
	balanced  time.Time  // the last one
	replan    *pool.Pool // whose available addresses became more or less in this Step; nil if none's

	staged staged        // changed since the last Settle
	due    []lease.Lease // room for what ends in a Step
	out    *collector
}

// NewMachine returns the Machine of a relationship. peer is what Machine has saved before, the zero Peer at a first
// start; leases are all Leases on record, of which it takes note of those that the partner has not acknowledged.
// It returns the error of cfg.Validate.
func NewMachine(cfg Config, view View, leases func(yield func(lease.Lease) bool), peer lease.Peer) (*Machine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m := &Machine{
		cfg:   cfg.withDefaults(),
		view:  view,
		peer:  peer,
		queue: newUpdates(),
	}
	m.settings = bounded(m.cfg.settings())
	m.peer.Name = cfg.Name
	m.settled.peer = m.peer
	for l := range leases {
		if m.cfg.pool(l.Addr) == nil {
			continue
		}
		m.lost = later(m.lost, later(l.LastTransaction, l.Since))
		if l.Unacked || l.Status.Ending() {
			m.queue.add(l.Addr)
		}
	}
	return m, nil
}

// Step takes one Event and returns what must be done. If now goes back between Steps, because a clock was put right, the
// timers go back with it; what was promised to clients does not. A Step with a Tick clears
// or advances the Deadline, or does a bounded part of what is due.
func (m *Machine) Step(now time.Time, ev Event) Effects {
	c := newCollector()
	c.Refused = m.step(now, ev, c)
	return c.Effects
}

// step is Step, but that the effects are added to those of earlier Steps since the last Settle. What Effects.Refused would
// say is returned.
func (m *Machine) step(now time.Time, ev Event, c *collector) (refused error) {
	ahead := roundUp(now)
	now = lease.Second(now)
	m.out = c
	if now.Before(m.stepAt) {
		m.putBack(m.stepAt.Sub(now))
	}
	m.stepAt = now
	switch ev := ev.(type) {
	case Started:
		m.start(now)
	case Tick:
		m.tick(now)
	case Connected:
		m.connected(now, ev.Session)
	case Disconnected:
		m.disconnected(now, ev.Cause)
	case Received:
		m.received(now, ev.Frame)
	case Changed:
		refused = m.changed(now, ahead, ev.Change)
	case Order:
		refused = m.order(now, ev)
	}
	if m.replan != nil && m.State() == Normal && !m.catchingUp() {
		m.plan(now, m.replan)
	}
	m.replan = nil
	m.pump(now)
	m.leave(now)
	return refused
}

// Settle says that everything the Steps since the last Settle wanted saved is durable and visible in the View, or, with
// an error, that nothing of it is: the Machine is then as if these Steps had not been, but for the connection, which
// the driver must close (and tell so by a Disconnected), because what was to be sent on it was not.
func (m *Machine) Settle(err error) {
	if err != nil {
		for _, a := range m.staged.addrs() {
			m.queue.drop(a)
			if l := m.view.Get(a); l.Unacked || l.Status.Ending() {
				m.queue.add(a)
			}
		}
		m.peer, m.startup, m.begun = m.settled.peer, m.settled.startup, m.settled.begun
		m.rearm()
	}
	m.settled.peer, m.settled.startup, m.settled.begun = m.peer, m.startup, m.begun
	m.staged.reset()
}

// rearm sets the timers of a state that the Machine has fallen back to.
func (m *Machine) rearm() {
	m.balanceAt, m.freeAt, m.fenceAt, m.leaving = time.Time{}, time.Time{}, time.Time{}, false
	switch m.stored() {
	case PartnerDown:
		m.freeAt = m.peer.Since
	case CommunicationsInterrupted:
		if m.cfg.SafePeriod > 0 {
			m.fenceAt = m.peer.Since.Add(m.cfg.SafePeriod)
		}
	case RecoverWait:
		m.waitUntil = m.lost.Add(m.mclt())
	}
}

// State is the state of this endpoint: STARTUP while that lasts.
func (m *Machine) State() State {
	if !m.begun || !m.startup.IsZero() {
		return Startup
	}
	return m.stored()
}

// stored is the state that is remembered, and to which STARTUP leads.
func (m *Machine) stored() State { return State(m.peer.State) }

func (m *Machine) partner() State { return State(m.peer.Partner) }

// mclt is the MCLT in force: on a secondary the one of the last CONNECT, zero if there never was one.
func (m *Machine) mclt() time.Duration {
	if m.cfg.Role == Primary {
		return m.cfg.MCLT
	}
	return m.peer.MCLT
}

func (m *Machine) start(now time.Time) {
	m.begun = true
	if m.stored() == 0 {
		// Draft 9.3: without a record of an earlier life there may be bindings only the partner remembers.
		m.peer.State, m.peer.Since, m.lost = uint8(Recover), now, now
	}
	m.blank = m.stored() == Recover
	m.owed = m.blank
	switch m.stored() {
	case Recover, RecoverWait:
		// It may have come here because its ledger was lost, and been stopped before the end.
		m.lost = later(m.lost, m.peer.Since)
	case Shutdown:
		m.lost = time.Time{} // the partner knew all before
	}
	if m.stored() == RecoverWait {
		m.waitUntil = m.lost.Add(m.mclt())
	}
	m.startup = now.Add(startupTime)
	m.out.peer(m.peer)
	m.note(Info, "I move from %v to startup", m.stored())
}

// report sends STATE.
func (m *Machine) report(now time.Time) {
	m.send(now, &StateReport{State: m.stored(), Startup: m.State() == Startup, Since: m.peer.Since})
}

// send puts a message of our own on the connection, if there is one, and returns its xid.
func (m *Machine) send(now time.Time, body Body) uint32 {
	if m.session == nil {
		return 0
	}
	m.xid++
	m.reply(now, m.xid, body)
	return m.xid
}

// reply sends a message with the xid of the request.
func (m *Machine) reply(now time.Time, xid uint32, body Body) {
	m.sentAt = now
	m.out.Send = append(m.out.Send, &Frame{Time: now, XID: xid, Body: body})
}

func (m *Machine) close(now time.Time, reason RejectReason, err error) {
	m.send(now, &Disconnect{Reason: reason, Text: err.Error()})
	if m.out.Close == nil {
		m.out.Close = err
	}
}

func (m *Machine) note(level Level, format string, args ...any) {
	m.out.Notes = append(m.out.Notes, Note{level, "failover peer " + m.cfg.Name + ": " + fmt.Sprintf(format, args...)})
}

// get is the Lease of a as the Steps so far have made it.
func (m *Machine) get(a netip.Addr) lease.Lease {
	if l := m.staged.find(a); l != nil {
		return *l
	}
	return m.view.Get(a)
}

// set changes the Lease of an address. If it is Unacked the partner will be told.
func (m *Machine) set(l lease.Lease) {
	old := m.get(l.Addr)
	if l.Unacked && l.Rewind == 0 && l.Status != old.Status && m.State() != Normal {
		l.Rewind = old.PartnerStatus() // the partner holds on to that until it is told
	}
	if l.Rewind == l.Status {
		l.Rewind = 0
	}
	m.put(old, l)
	if old.Status.Available() || l.Status.Available() {
		m.replan = m.cfg.pool(l.Addr)
	}
	if l.Unacked {
		m.queue.add(l.Addr)
	} else {
		m.queue.drop(l.Addr)
	}
}

// put changes a Lease without a word to the partner.
func (m *Machine) put(old, l lease.Lease) {
	if l == old {
		return
	}
	m.out.change(lease.Change{Old: old, New: l})
	m.staged.put(l)
}

func (m *Machine) connected(now time.Time, s Session) {
	if !m.begun {
		m.start(now)
	}
	if s.MaxUnacked <= 0 {
		s.MaxUnacked = DefaultMaxUnacked
	}
	if !s.isISC() || s.MaxUnacked > maxWindow {
		s.MaxUnacked = maxWindow
	}
	s.ReceiveTimer = min(max(s.ReceiveTimer, minReceive), maxReceive)
	m.session = &s
	m.xid, m.heard, m.asked, m.learning = 0, false, false, false
	m.unseen, m.fresh = m.queue.next, true
	m.connectedAt, m.sentAt, m.receivedAt, m.ackedAt = now, now, now, now
	if m.cfg.Role == Secondary && m.peer.MCLT != s.MCLT {
		m.peer.MCLT = s.MCLT
		m.out.peer(m.peer)
	}
	m.note(Info, "connected to %s", s.VendorClass)
	m.introduce(now)
}

func (m *Machine) disconnected(now time.Time, cause error) {
	if m.session == nil {
		return
	}
	m.session, m.answer, m.heard, m.learning = nil, nil, false, false
	m.againAt = time.Time{} // on meeting again, in any case
	m.queue.lost()
	m.note(Info, "disconnected: %v", cause)
	if m.mourning() {
		m.become(now, next(afterLoss, m.stored()), "communications lost")
	}
}

// errors of a partner that make us leave.
var (
	errSilence = errors.New("nothing heard within the receive timer")
	errNoState = errors.New("no STATE after the connection was made")
	errNoAck   = errors.New("peer acknowledges no updates")
	// errNoUpdates is how an ISC dhcpd shows that it lost count of what it has in flight: see Endpoint.lenient.
	errNoUpdates = errors.New("peer does not send what it was asked for")
	errProtocol  = errors.New("message out of place")
)

func (m *Machine) received(now time.Time, f *Frame) {
	if m.session == nil {
		return
	}
	if d := now.Sub(f.Time); m.fresh || d < m.behind {
		m.behind, m.fresh = max(d, 0), false // the least counts: the rest is time on the way
	}
	m.receivedAt = now
	if skewed(now, f.Time) {
		// No time that the two tell each other means the same to both. It cures itself: see AnswerConnect.
		m.close(now, RejectTimeMismatch, fmt.Errorf("%w: the peer's clock is off by %v", RejectTimeMismatch, f.Time.Sub(now)))
		return
	}
	switch b := f.Body.(type) {
	case *StateReport:
		m.vendor(f)
		m.partnerState(now, b)
	case *BindingUpdate:
		m.progressAt = now
		m.bindingUpdate(now, f, b)
	case *BindingAck:
		m.ackedAt = now
		m.bindingAck(now, f.XID, b)
	case *UpdateRequest:
		m.updateRequest(now, f.XID, false)
	case *UpdateRequestAll:
		m.updateRequest(now, f.XID, true)
	case *UpdateDone:
		m.updateDone(now)
	case *PoolRequest:
		m.poolRequest(now, f.XID)
	case *PoolResponse:
		m.note(Debug, "peer is about to give %d addresses", b.Transferred)
	case *Contact:
	case *Disconnect:
		m.note(Warn, "peer disconnects: %v: %s", b.Reason, b.Text)
		m.out.Close = b.Reason
	default:
		m.close(now, RejectUnknown, fmt.Errorf("%w: %v", errProtocol, f.Body.Type()))
	}
}
