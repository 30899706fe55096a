package failovertest

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
)

// What an ISC dhcpd makes of what its partner says.

// iscMoves is what ISC becomes on hearing the partner's state: own state down, the partner's across. What is not in it
// leaves the state as it is.
var iscMoves = map[failover.State]map[failover.State]failover.State{
	failover.Normal: {
		failover.PartnerDown: failover.PotentialConflict, failover.PotentialConflict: failover.Shutdown, failover.Recover: failover.PartnerDown,
		failover.Paused: failover.CommunicationsInterrupted, failover.Shutdown: failover.PartnerDown,
		failover.ResolutionInterrupted: failover.Shutdown, failover.ConflictDone: failover.Shutdown,
	},
	failover.CommunicationsInterrupted: {
		failover.Normal: failover.Normal, failover.CommunicationsInterrupted: failover.Normal, failover.PartnerDown: failover.PotentialConflict,
		failover.PotentialConflict: failover.PotentialConflict, failover.Recover: failover.PartnerDown, failover.Shutdown: failover.PartnerDown,
		failover.RecoverDone: failover.Normal, failover.ResolutionInterrupted: failover.PotentialConflict,
		failover.ConflictDone: failover.PotentialConflict, failover.RecoverWait: failover.Normal,
	},
	failover.PartnerDown: {
		failover.Normal: failover.PotentialConflict, failover.CommunicationsInterrupted: failover.PotentialConflict,
		failover.PartnerDown: failover.PotentialConflict, failover.PotentialConflict: failover.PotentialConflict,
		failover.RecoverDone: failover.Normal, failover.ResolutionInterrupted: failover.PotentialConflict,
		failover.ConflictDone: failover.PotentialConflict,
	},
	failover.PotentialConflict: {
		failover.Normal: failover.Shutdown, failover.Recover: failover.Recover, failover.Shutdown: failover.PartnerDown,
	},
	failover.ConflictDone: {failover.Normal: failover.Normal},
	failover.ResolutionInterrupted: {
		failover.Normal: failover.PotentialConflict, failover.CommunicationsInterrupted: failover.PotentialConflict,
		failover.PartnerDown: failover.PotentialConflict, failover.PotentialConflict: failover.PotentialConflict,
		failover.Recover: failover.PotentialConflict, failover.Shutdown: failover.PartnerDown, failover.RecoverDone: failover.PotentialConflict,
		failover.ResolutionInterrupted: failover.PotentialConflict, failover.ConflictDone: failover.PotentialConflict,
		failover.RecoverWait: failover.PotentialConflict,
	},
	failover.Recover: {
		failover.Normal: failover.PotentialConflict, failover.PotentialConflict: failover.PotentialConflict, failover.Shutdown: failover.PartnerDown,
		failover.ResolutionInterrupted: failover.PotentialConflict, failover.ConflictDone: failover.PotentialConflict,
	},
	failover.RecoverDone: {failover.Normal: failover.Normal, failover.Shutdown: failover.PartnerDown, failover.RecoverDone: failover.Normal},
}

func (d *isc) received(now time.Time, f *failover.Frame) {
	if d.session == nil {
		return
	}
	d.heardAt = now
	switch b := f.Body.(type) {
	case *failover.StateReport:
		d.state(now, b)
	case *failover.BindingUpdate:
		d.update(now, f.XID, b)
	case *failover.BindingAck:
		d.acked(now, f.XID, b)
	case *failover.UpdateRequest, *failover.UpdateRequestAll:
		_, all := f.Body.(*failover.UpdateRequestAll)
		for a := range d.pool.Addrs() {
			l := d.get(a)
			if _, ok := d.flying[a]; !ok && (all || l.Unacked || l.Status.Ending()) {
				d.enqueue(a)
			}
		}
		d.answer, d.last = f.XID, netip.Addr{}
		if len(d.queue) > 0 {
			d.last = d.queue[len(d.queue)-1]
		}
	case *failover.UpdateDone:
		d.updated(now)
	case *failover.PoolRequest:
		n := 0
		if d.State() == failover.Normal {
			n = d.even(now)
		}
		d.reply(now, f.XID, &failover.PoolResponse{Transferred: uint32(n)})
	case *failover.Disconnect:
		d.out.Close = b.Reason
	}
}

// state takes in STATE.
func (d *isc) state(now time.Time, r *failover.StateReport) {
	same := d.heard && d.partner() == r.State
	d.heard = true
	if !same {
		d.peer.Partner, d.peer.PartnerSince = uint8(r.State), now
		d.save()
	}
	if !d.startup.IsZero() {
		to := d.stored()
		moved, ok := iscMoves[to][r.State]
		switch {
		case to == failover.Normal && r.State == failover.PartnerDown:
			to = failover.Recover
		case to == failover.PartnerDown && r.Startup:
		case ok && moved == failover.Shutdown:
			d.dies(fmt.Sprintf("STATE %v while it starts from %v wedges it for good", r.State, to))
			return
		case ok:
			to = moved
		}
		d.become(now, to)
		return
	}
	if same {
		switch d.stored() {
		case failover.Normal, failover.PotentialConflict, failover.RecoverDone, failover.RecoverWait, failover.Paused, failover.Shutdown:
			return
		}
	}
	if d.stored() == failover.PartnerDown && r.Startup {
		return
	}
	d.meet(now)
}

func (d *isc) meet(now time.Time) {
	if d.session == nil || !d.heard {
		return
	}
	own, theirs := d.stored(), d.partner()
	if own == failover.ConflictDone {
		switch theirs {
		case failover.Normal, failover.PotentialConflict, failover.ResolutionInterrupted:
		default:
			d.dies(fmt.Sprintf("STATE %v in conflict-done", theirs))
			return
		}
	}
	if to, ok := iscMoves[own][theirs]; ok && to != own {
		if to == failover.Shutdown {
			d.dies(fmt.Sprintf("STATE %v in %v wedges it for good", theirs, own))
			return
		}
		d.become(now, to)
	}
	switch {
	case d.stored() == failover.Recover && (theirs == failover.CommunicationsInterrupted || theirs == failover.PartnerDown || theirs == failover.Recover):
		d.ask(now, true)
	case d.stored() == failover.PotentialConflict && theirs == failover.ConflictDone && !d.asked:
		d.asked = true
		d.ask(now, false)
	}
}

// updated takes in UPDDONE.
func (d *isc) updated(now time.Time) {
	switch {
	case d.stored() == failover.Recover:
		wait := d.peer.Since.Add(d.mclt())
		if wait.After(now) && d.partner() != failover.Recover && d.partner() != failover.RecoverDone {
			d.waitAt = wait
			d.become(now, failover.RecoverWait)
			return
		}
		d.become(now, failover.RecoverDone)
		d.meet(now)
	case d.stored() == failover.PotentialConflict && d.primary():
		if d.partner() == failover.ConflictDone {
			d.dies("UPDDONE of a partner in conflict-done")
			return
		}
		d.become(now, failover.ConflictDone)
	case d.stored() == failover.PotentialConflict && d.partner() == failover.ConflictDone:
		d.become(now, failover.Normal)
	}
}

// update takes in BNDUPD.
func (d *isc) update(now time.Time, xid uint32, u *failover.BindingUpdate) {
	if len(u.Bindings) != 1 || !u.Bindings[0].Status.Valid() {
		d.dies("a BNDUPD of more than one address, or of a status that is none")
		return
	}
	b := u.Bindings[0]
	if !d.pool.Contains(b.Addr) {
		d.refuse(now, xid, b.Addr, failover.RejectIllegalAddress, "unknown IP address")
		return
	}
	if b.Status.Available() && b.Expiry.After(now.Add(iscSlack)) {
		d.dies("an available address that has an end, which it then skips")
		return
	}
	l := d.get(b.Addr)
	if _, ok := d.flying[b.Addr]; ok {
		if d.outranks(l, b) {
			d.refuse(now, xid, b.Addr, failover.RejectLessCritical, "incoming update is less critical than outgoing update")
			return
		}
		delete(d.flying, b.Addr)
	}
	if !d.accepts(now, l, b) {
		d.refuse(now, xid, b.Addr, failover.RejectFatalConflict, fmt.Sprintf("invalid state transition: %v to %v", l.Status, b.Status))
		return
	}
	d.queue = slices.DeleteFunc(d.queue, func(a netip.Addr) bool { return a == b.Addr })
	l.Status, l.Flags, l.Rewind = b.Status, b.Flags, 0
	if !b.Client.IsZero() || b.Status == lease.Active || b.Status == lease.Abandoned {
		l.Client = b.Client
	}
	l.Since, l.Expiry = lease.Second(b.Since), lease.Second(b.Expiry)
	l.SentPotentialExpiry = lease.Second(b.PotentialExpiry)
	l.AckedPotentialExpiry, l.ReceivedPotentialExpiry = l.SentPotentialExpiry, l.SentPotentialExpiry
	if l.Status == lease.Active && l.Since.After(l.Expiry) {
		l.Since = l.Expiry
	}
	if l.Status.Ending() {
		l.Status = lease.Free
	}
	d.set(l, false)
	d.freed(now, l)
	d.acks = append(d.acks, &failover.Frame{XID: xid, Body: &failover.BindingAck{Results: []failover.Result{{Addr: b.Addr}}}})
	d.ackAt = now.Add(iscAckDelay)
	if len(d.acks) >= max(d.session.MaxUnacked/2, 1) {
		d.flush(now)
	}
}

// freed gives an address that has just become free to the secondary, whose client had it last.
func (d *isc) freed(now time.Time, l lease.Lease) {
	if !d.primary() || l.Status != lease.Free || d.State() != failover.Normal {
		return
	}
	c := d.pool.Counts()
	if d.cfg.Balance.Affinity(c.Free, c.Backup, l, d.cfg.HBA.WantedByPartner(true)) {
		l.Status, l.Since, l.SentPotentialExpiry = lease.Backup, now, now
		d.set(l, true)
	}
}

func (d *isc) refuse(now time.Time, xid uint32, a netip.Addr, r failover.RejectReason, text string) {
	d.reply(now, xid, &failover.BindingAck{Results: []failover.Result{{Addr: a, Reason: r, Text: text}}})
}

// outranks is ISC's rule for two updates that cross.
func (d *isc) outranks(l lease.Lease, b failover.Binding) bool {
	switch {
	case l.Status == lease.Active && b.Status == lease.Active && !l.LastTransaction.Equal(b.LastTransaction):
		return l.LastTransaction.After(b.LastTransaction)
	case l.Status == lease.Active && b.Status == lease.Expired, l.Status != lease.Active && b.Status == lease.Active:
		return false
	}
	return d.primary()
}

// accepts is ISC's table of what it takes: it looks at the end of the lease, and at no client.
func (d *isc) accepts(now time.Time, l lease.Lease, b failover.Binding) bool {
	if l.Status == b.Status {
		return true
	}
	normal := d.State() == failover.Normal
	over := !b.PotentialExpiry.After(now)
	if l.Status == lease.Active {
		switch b.Status {
		case lease.Free, lease.Backup:
			return normal && !d.primary() && over
		case lease.Expired:
			return (!normal || !d.primary()) && !l.Expiry.After(now.Add(iscSlack))
		case lease.Reset:
			return !normal || !d.primary()
		}
		return true
	}
	if normal && (l.Status == lease.Expired || l.Status == lease.Reset) && b.Status.Available() {
		return over
	}
	return true
}

// acked takes in BNDACK.
func (d *isc) acked(now time.Time, xid uint32, ack *failover.BindingAck) {
	for _, r := range ack.Results {
		have, ok := d.flying[r.Addr]
		switch {
		case !ok, r.Reason == 0 && have != xid:
			continue
		case r.Reason != 0:
			delete(d.flying, r.Addr)
			continue
		}
		if len(ack.Results) != 1 {
			d.dies("a BNDACK of more than one address")
			return
		}
		delete(d.flying, r.Addr)
		if slices.Contains(d.queue, r.Addr) {
			continue // it changed meanwhile
		}
		l := d.get(r.Addr)
		l.AckedPotentialExpiry, l.ReceivedPotentialExpiry = l.SentPotentialExpiry, l.SentPotentialExpiry
		if l.Status.Ending() {
			l.Status, l.SentPotentialExpiry, l.Rewind = lease.Free, l.Expiry, 0
			l.AckedPotentialExpiry, l.ReceivedPotentialExpiry = l.Expiry, l.Expiry
		}
		d.set(l, false)
		d.freed(now, l)
	}
}
