package failovertest

import (
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
)

// What an ISC dhcpd does for clients.

// changed is what a client wants.
func (d *isc) changed(now time.Time, c lease.Change) {
	old := d.get(c.New.Addr)
	if c.Old != old && !(c.Old == (lease.Lease{}) && old.IsVirgin()) {
		d.out.Refused = lease.ErrConflict
		return
	}
	if !d.serves() {
		d.out.Refused = failover.ErrNotServing
		return
	}
	l := c.New
	l.Rewind, l.Since, l.AckedPotentialExpiry, l.ReceivedPotentialExpiry = old.Rewind, now, time.Time{}, old.ReceivedPotentialExpiry
	if l.Rewind == 0 && l.Status != old.Status {
		l.Rewind = old.Status
	}
	switch l.Status {
	case lease.Active:
		l.SentPotentialExpiry = c.New.SentPotentialExpiry.Add(max(l.Expiry.Sub(now), 0) / (2 * time.Second) * time.Second)
		if l.Client != old.Client {
			l.ReceivedPotentialExpiry = time.Time{}
		}
	case lease.Released:
		l.SentPotentialExpiry, l.Expiry = now, now
		if d.stored() == failover.CommunicationsInterrupted && l.Rewind == d.own() {
			l.Status = l.Rewind
		}
	case lease.Abandoned:
		l.Client, l.SentPotentialExpiry = lease.Client{}, l.Expiry
	}
	if l.Rewind == l.Status {
		l.Rewind = 0
	}
	d.set(l, true)
}

// serves reports whether ISC answers clients, which the last known state of the partner may forbid.
func (d *isc) serves() bool {
	switch d.partner() {
	case failover.PartnerDown, failover.PotentialConflict, failover.ConflictDone, failover.ResolutionInterrupted:
		return false
	}
	switch d.State() {
	case failover.Normal, failover.CommunicationsInterrupted, failover.PartnerDown:
		return true
	}
	return false
}

// mine reports whether ISC may give the address to a new client.
func (d *isc) mine(now time.Time, l lease.Lease) bool {
	switch {
	case !d.serves(), !l.Status.Available():
		return false
	case l.Status == d.own():
		return true
	}
	since := d.peer.Since
	if l.ReceivedPotentialExpiry.After(since) {
		since = l.ReceivedPotentialExpiry
	}
	return d.stored() == failover.PartnerDown && now.After(since.Add(d.mclt()))
}

// limit is until when ISC tells a client that it may use the address.
func (d *isc) limit(now time.Time, l lease.Lease, c lease.Client, want time.Time) (time.Time, error) {
	switch {
	case !d.serves():
		return time.Time{}, failover.ErrNotServing
	case l.Status == lease.Active && l.Client.Is(c), d.mine(now, l):
	case l.Status == lease.Active:
		return time.Time{}, failover.ErrTaken
	case l.Status.Available():
		return time.Time{}, failover.ErrNotMine
	case !(l.Status.Ending() && l.Rewind == lease.Active && l.Client.Is(c)):
		return time.Time{}, failover.ErrInTransition
	}
	t := l.ReceivedPotentialExpiry
	if !l.Client.Is(c) || t.Before(now) {
		t = now
	}
	if most := t.Add(d.mclt()); want.After(most) {
		return most, nil
	}
	return want, nil
}
