package failover

import (
	"errors"
	"fmt"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// Reasons why this server may not do something for a client, for errors.Is.
var (
	// ErrNotServing says that the state of this server does not let it answer. The partner may.
	ErrNotServing = errors.New("failover: not responding")
	// ErrBalanced says that RFC 3074 gives the client to the partner.
	ErrBalanced = errors.New("failover: load balance to peer")
	// ErrNotMine says that the address is the partner's to give.
	ErrNotMine = errors.New("failover: lease owned by peer")
	// ErrInTransition says that the address is waiting for the partner's word.
	ErrInTransition = errors.New("failover: lease in transition state")
	// ErrEndless says that a lease without an end was asked for, such as BOOTP's. It would be a promise beyond any MCLT.
	ErrEndless = errors.New("failover: a lease without end cannot be shared with a peer")
	// ErrTaken says that another client holds the address.
	ErrTaken = errors.New("failover: lease held by another client")
)

// mayGrant returns nil if a server in this role and service may let client c have l at now. since is from when the
// partner is down, which matters in PARTNER-DOWN (draft 9.4.2): the partner's addresses only when all it can have
// promised is over.
func mayGrant(role Role, s service, since time.Time, mclt time.Duration, now time.Time, l lease.Lease, c lease.Client) error {
	switch {
	case s == silent:
		return ErrNotServing
	case l.Status == lease.Active && l.Client.Is(c):
		return nil
	case l.Status == lease.Active:
		return ErrTaken
	case l.Flags&lease.Reserved != 0 && !l.Client.Is(c):
		return ErrTaken
	case l.Status.Available() && l.Expiry.After(now) && !l.Client.Is(c):
		return ErrTaken // the partner's clock is ahead: by ours its last client may still use it
	case l.Status == role.own():
		if l.Rewind == role.partners() && s != survivor {
			return ErrInTransition // taken over while the partner was down, and it has not heard of that yet
		}
		return nil
	case l.Status == role.partners():
		if s == survivor && mclt > 0 && now.After(promised(l, since, mclt)) { // MCLT 0: the primary never told
			return nil
		}
		return ErrNotMine
	case l.Status.Ending() && l.Rewind == lease.Active && l.Client.Is(c):
		// The partner was never told that it ended: for both it is this client's.
		return nil
	}
	return ErrInTransition
}

// changed decides on a change that this server wants for a client, and makes it. ahead is now in whole seconds rounded
// up: a client counts its lease from the moment it hears of it, so the ledger's end must not be earlier than the
// client's.
func (m *Machine) changed(now, ahead time.Time, c lease.Change) error {
	l := c.New
	if m.cfg.pool(l.Addr) == nil {
		return fmt.Errorf("failover: %v is in no pool of %s", l.Addr, m.cfg.Name)
	}
	old := m.get(l.Addr)
	if want := c.Old; want != old && !(want == (lease.Lease{}) && old.IsVirgin()) {
		return fmt.Errorf("%w: %v is %v", lease.ErrConflict, l.Addr, old.Status)
	}
	if m.leaving || services[m.State()] == silent {
		return fmt.Errorf("%w: %v", ErrNotServing, m.State())
	}
	// What the partner knows does not change because a client spoke to us.
	l.AckedPotentialExpiry, l.ReceivedPotentialExpiry = old.AckedPotentialExpiry, old.ReceivedPotentialExpiry
	l.Rewind, l.Unacked, l.Since = old.Rewind, true, now
	switch l.Status {
	case lease.Active:
		if err := m.grant(ahead, old, &l); err != nil {
			return err
		}
	case lease.Released:
		if old.Status != lease.Active || !old.Client.Is(l.Client) {
			return fmt.Errorf("%w: %v is %v", ErrTaken, l.Addr, old.Status)
		}
		gone := old
		gone.LastTransaction = l.LastTransaction
		l = m.over(ended(gone, lease.Released, now))
	case lease.Abandoned:
		if l.Client, l.SentPotentialExpiry = (lease.Client{}), l.Expiry; old.PartnerStatus() == lease.Active {
			l.SentPotentialExpiry = later(l.Expiry, old.LatestPromise()) // see ended
		}
		l.HostName, l.VendorClass, l.RelayInfo = "", "", ""
	default:
		return fmt.Errorf("failover: %v cannot become %v for a client", l.Addr, l.Status)
	}
	m.set(l)
	return nil
}

// grant makes l, an ACTIVE lease somebody wants instead of old, what it may be. now is rounded up.
func (m *Machine) grant(now time.Time, old lease.Lease, l *lease.Lease) error {
	if l.Client.IsZero() {
		return fmt.Errorf("failover: %v granted to nobody", l.Addr)
	}
	if err := mayGrant(m.cfg.Role, services[m.State()], m.downSince(), m.mclt(), now, old, l.Client); err != nil {
		return fmt.Errorf("%w: %v", err, l.Addr)
	}
	if l.Flags&lease.BOOTP != 0 {
		return fmt.Errorf("%w: %v", ErrEndless, l.Addr)
	}
	want := l.SentPotentialExpiry
	if want.IsZero() {
		want = l.Expiry
	}
	if most := m.cfg.latest(services[m.State()], now, want, old, l.Client, m.mclt()); l.Expiry.After(most) {
		return fmt.Errorf("%w: %v until %v, at most %v", lease.ErrConflict, l.Addr, l.Expiry, most)
	}
	l.Since = now
	l.SentPotentialExpiry = potentialExpiry(now, want, l.Expiry)
	if old.Status == lease.Active {
		// The client may never hear this answer, and hold on to the last.
		l.Expiry = later(l.Expiry, old.Expiry)
		l.SentPotentialExpiry = later(l.SentPotentialExpiry, old.SentPotentialExpiry)
		return nil
	}
	if old.Status.Ending() {
		return nil // the partner still has it as this client's
	}
	// A new binding: what was promised and known of the last one is over.
	l.AckedPotentialExpiry, l.ReceivedPotentialExpiry = time.Time{}, time.Time{}
	return nil
}
