package failover

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// OrderKind is what an operator, or a program in the operator's name, tells an endpoint to do.
type OrderKind uint8

// The orders.
const (
	// OrderPartnerDown says that the partner does not serve, and will not before it has heard of this: PARTNER-DOWN
	// (draft 9.4). Only who knows that may give it.
	OrderPartnerDown OrderKind = iota + 1
	// OrderRecover says that this server's ledger is not to be trusted: it learns everything from the partner before it
	// serves again.
	OrderRecover
	// OrderPause says that this server stops for a short while, for which the partner need not take over its addresses.
	OrderPause
	// OrderShutdown says that this server stops for long. It goes silent, tells the partner all that is not told yet,
	// and then that it may take over.
	OrderShutdown
	// OrderResume ends a pause or a shutdown.
	OrderResume
	// OrderResync asks the partner once more for everything it has.
	OrderResync
)

var orderKinds = [...]string{
	OrderPartnerDown: "partner-down",
	OrderRecover:     "recover",
	OrderPause:       "pause",
	OrderShutdown:    "shutdown",
	OrderResume:      "resume",
	OrderResync:      "resync",
}

// String returns the name, "partner-down", or "OrderKind(9)" for what has none.
func (k OrderKind) String() string {
	if k >= OrderPartnerDown && int(k) < len(orderKinds) {
		return orderKinds[k]
	}
	return "OrderKind(" + strconv.Itoa(int(k)) + ")"
}

// ParseOrderKind returns the OrderKind that String names so. The second result is false if there is none.
func ParseOrderKind(name string) (OrderKind, bool) {
	for k := OrderPartnerDown; int(k) < len(orderKinds); k++ {
		if k.String() == name {
			return k, true
		}
	}
	return 0, false
}

// Order is an Event: an operator's wish. Effects.Refused says why it may not be.
type Order struct {
	Kind OrderKind
	// Force carries out an order that is refused as dangerous. An address may then be given to two clients, if what the
	// order says is not true.
	Force bool
	// Cause is who or what wants it, for the log; "order of an operator" if empty.
	Cause string
}

func (Order) event() {}

// ErrOrder says that an order makes no sense or is dangerous in the state of this server, for errors.Is.
var ErrOrder = errors.New("failover: order refused")

// order carries an order out, or says why not.
func (m *Machine) order(now time.Time, o Order) error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: %v: %s", ErrOrder, o.Kind, fmt.Sprintf(format, args...))
	}
	state := m.State()
	cause := o.Cause
	if cause == "" {
		cause = "order of an operator"
	}
	switch o.Kind {
	case OrderPartnerDown:
		switch {
		case state == PartnerDown:
			return nil
		case m.session != nil && !o.Force:
			return refuse("the peer is connected, in state %v: it may serve", m.partner())
		case state == Shutdown || state == Paused:
			return refuse("this server is in %v: resume it first", state)
		case (m.stored() == Recover || m.stored() == RecoverWait) && !o.Force:
			// It may have lost its ledger, and MCLT with it.
			return refuse("this server is in %v: it does not know yet what was promised", m.stored())
		}
		m.hangUp(now, cause)
		m.become(now, PartnerDown, cause)
	case OrderRecover:
		if state == PartnerDown && !o.Force {
			return refuse("nobody else has what this server gave while its peer was down")
		}
		// An ISC partner that is NORMAL takes RECOVER for licence to go PARTNER-DOWN: let it see the loss first.
		m.hangUp(now, cause)
		m.lost = now
		m.become(now, Recover, cause)
	case OrderPause:
		if state != Normal && state != CommunicationsInterrupted {
			return refuse("only a server that is normal or communications-interrupted can pause, not in %v", state)
		}
		m.become(now, Paused, cause)
	case OrderShutdown:
		if state != Normal && state != CommunicationsInterrupted {
			return refuse("only a server that is normal or communications-interrupted can leave in good order, not in %v", state)
		}
		if m.session == nil || !m.heard {
			return refuse("the peer is not connected, so it would not know")
		}
		m.leaving = true // Step sees to the rest
		m.note(Info, "leaving: no client is answered any more")
	case OrderResume:
		switch {
		case m.leaving:
			m.leaving = false
		case state == Paused:
			m.become(now, CommunicationsInterrupted, cause)
			m.meet(now)
		case state == Shutdown:
			m.become(now, Recover, cause)
			m.meet(now)
		default:
			return refuse("this server is neither paused nor shut down, but in %v", state)
		}
	case OrderResync:
		if m.session == nil || !m.heard {
			return refuse("the peer is not connected")
		}
		m.send(now, &UpdateRequestAll{})
		m.note(Info, "requesting full update from peer (%s)", cause)
	default:
		return refuse("no such order")
	}
	return nil
}

// leave ends a shutdown that was ordered, once the partner knows all that this server promised: then, and only then, it
// may be told to take over.
func (m *Machine) leave(now time.Time) {
	switch {
	case !m.leaving:
	case m.session == nil:
		m.leaving = false
		m.note(Warn, "peer was lost before it knew all: not shut down")
	case m.queue.idleUpTo(m.queue.next):
		m.become(now, Shutdown, "order of an operator")
	}
}

// hangUp drops the connection, if there is one, before a change of state that the partner must not see on it.
func (m *Machine) hangUp(now time.Time, why string) {
	if m.session == nil {
		return
	}
	m.close(now, RejectUnknown, errors.New(why))
	m.session, m.answer, m.heard, m.learning = nil, nil, false, false
	m.queue.lost()
}
