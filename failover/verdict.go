package failover

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// A verdict says under which condition an update of the partner is accepted.
type verdict uint8

const (
	accept     verdict = iota // in any case
	oneClient                 // if it is of the same client and not older; another client's only by a secondary
	ifHeard                   // if the partner has heard of what we told the client, or that is over
	ifLapsed                  // if what we told the client is over
	ifStanding                // if what the partner told the client is not over, or it spoke to the client later
)

// verdicts is the table of draft 7.1.3: the status on our record down, the partner's across. Where ISC dhcpd judges
// by the end of the lease and not by the client's last transaction, and so sends what the draft would refuse, the
// table takes what can do no harm. Where one server has given a lease and the other, unheard, was given it back, the draft
// asks which came later. Two clocks do not tell that for certain: the lease stands, and ends by time.
var verdicts = [lease.Backup + 1][lease.Backup + 1]verdict{
	lease.Active: {
		lease.Free: ifLapsed, lease.Active: oneClient, lease.Expired: ifLapsed, lease.Released: ifHeard,
		lease.Abandoned: ifHeard, lease.Reset: ifHeard, lease.Backup: ifLapsed,
	},
	lease.Expired:  {lease.Active: ifStanding},
	lease.Released: {lease.Active: ifStanding},
	lease.Reset:    {lease.Active: ifStanding},
	// Free, Abandoned, Backup: whatever the partner says of them.
}

// slack is how much earlier than by its own clock the partner may see a lease end. Until our own clock says so, too, we
// do not give the address away: see mayGrant. An ISC dhcpd that has slept through the end of a lease, and wakes up, takes
// our word that the client has renewed, and tells of the old end all the same.
const slack = 5 * time.Second

// What a client may call itself: more than that is no client, and would not fit when it is told again.
const (
	maxHWAddr   = 1 + 20 // hardware type and address, ISC dhcpd's bound
	maxClientID = 255    // octets of a DHCP option
)

// refusal is a reason and the text that goes with it in a BNDACK.
type refusal struct {
	reason RejectReason
	text   string
}

// incomplete says what is missing or impossible in an update of the partner, whatever we have on record, or nil.
func incomplete(b Binding) *refusal {
	no := func(r RejectReason, format string, args ...any) *refusal {
		return &refusal{r, fmt.Sprintf(format, args...)}
	}
	switch {
	case !b.Has(OptionAssignedIPAddress) || !b.Has(OptionBindingStatus):
		return no(RejectMissingBinding, "binding update lacks required options")
	case !b.Status.Valid():
		return no(RejectUnspecified, "%v: no such binding status: %d", b.Addr, uint8(b.Status))
	case (b.Status == lease.Active || b.Status == lease.Expired || b.Status == lease.Released) && b.Client.IsZero():
		return no(RejectMissingBinding, "BNDUPD without CHADDR")
	case len(b.Client.HW) > maxHWAddr:
		return no(RejectUnspecified, "chaddr too long")
	case len(b.Client.ID) > maxClientID:
		return no(RejectUnspecified, "client-id too long")
	}
	return nil
}

// judge says why the partner's update b of a lease l must be refused, or nil if it is accepted. By the partner's clock it
// is theirs.
func judge(role Role, now, theirs time.Time, l lease.Lease, b Binding) *refusal {
	outdated := func() *refusal {
		return &refusal{RejectOutdated, fmt.Sprintf("%v: client was last heard here", l.Addr)}
	}
	transition := func() *refusal {
		return &refusal{RejectFatalConflict, fmt.Sprintf("%v: invalid state transition: %v to %v", l.Addr, l.Status, b.Status)}
	}
	lapsed := !l.Expiry.After(later(now, theirs).Add(slack))
	if l.Unacked {
		lapsed = !l.Expiry.After(now) // the partner cannot know of this end
	}
	newer := newerThan(b, l)
	switch v := verdicts[l.Status][b.Status]; v {
	case oneClient:
		switch {
		case b.Client.Is(l.Client):
			if l.Unacked && !newer && b.LastTransaction != l.LastTransaction {
				return outdated()
			}
		case lapsed:
		case !b.Expiry.After(now):
			return outdated() // its client's lease is over, and ours stands
		case role == Primary:
			return &refusal{RejectFatalConflict, fmt.Sprintf("%v: in use by another client", l.Addr)}
		}
	case ifHeard, ifStanding:
		if l.Unacked && (v == ifHeard && !lapsed || v == ifStanding && !newer && !b.Expiry.After(now)) {
			return outdated()
		}
		if l.Status == lease.Active && !b.Client.IsZero() && !b.Client.Is(l.Client) && !lapsed {
			return transition()
		}
	case ifLapsed:
		if !lapsed {
			return transition()
		}
	}
	return nil
}

// newerThan reports whether the partner heard the client after we did, as far as it tells: ISC dhcpd leaves the time
// out where it did not hear the client itself. Within one second nobody knows; then the lease stands, on both sides.
func newerThan(b Binding, l lease.Lease) bool {
	if b.LastTransaction.Equal(l.LastTransaction) {
		return b.Status == lease.Active && l.Status != lease.Active
	}
	return b.LastTransaction.After(l.LastTransaction)
}

// outranks reports whether our own update of an address, told and not answered yet, beats the partner's that crossed
// it. Both partners see such a duel, and each must come to the same end: that exactly one of the two counts. So the
// rule looks at what the two were told, and at no clock. It is for two Tandems; see outranksISC.
func outranks(role Role, told lease.Lease, b Binding) bool {
	ours, theirs := told.Status == lease.Active, b.Status == lease.Active
	switch {
	case ours && theirs && told.Client.Is(b.Client) && !told.LastTransaction.Equal(b.LastTransaction):
		return told.LastTransaction.After(b.LastTransaction)
	case ours && theirs && b.LastTransaction.After(told.Expiry):
		return false // ours was over when theirs was given
	case ours && theirs && told.LastTransaction.After(b.Expiry):
		return true
	case ours == theirs:
		return role == Primary
	}
	return ours // a lease that stands beats one that ended, for whatever reason, and an address that is free
}

// outranksISC is the rule of an ISC dhcpd, by which both end alike in most cases, if the partner follows it.
func outranksISC(role Role, told lease.Lease, b Binding) bool {
	switch {
	case told.Status == lease.Active && b.Status == lease.Active && !told.LastTransaction.Equal(b.LastTransaction):
		return told.LastTransaction.After(b.LastTransaction)
	case told.Status == lease.Active && b.Status == lease.Expired, told.Status != lease.Active && b.Status == lease.Active:
		return false
	}
	return role == Primary
}

// bindingUpdate takes in the partner's updates and answers each (draft 7.1, 7.2).
func (m *Machine) bindingUpdate(now time.Time, f *Frame, u *BindingUpdate) {
	one := new(struct { // one allocation
		ack   BindingAck
		first [1]Result
	})
	ack := &one.ack
	ack.Results = one.first[:0]
	for _, b := range u.Bindings {
		r := Result{Addr: b.Addr}
		if no := m.consider(now, f.Time, b); no != nil {
			r.Reason, r.Text = no.reason, no.text
			m.note(Debug, "bind update on %v from peer rejected: %v", b.Addr, no.text)
		}
		ack.Results = append(ack.Results, r)
	}
	m.reply(now, f.XID, ack)
}

func (m *Machine) consider(now, theirs time.Time, b Binding) *refusal {
	if no := incomplete(b); no != nil {
		return no
	}
	if m.cfg.pool(b.Addr) == nil {
		return &refusal{RejectIllegalAddress, "unknown IP address"}
	}
	l := m.get(b.Addr)
	if m.mayHavePromised(now, l, b) {
		return m.presume(now, l, b)
	}
	no := m.weigh(now, theirs, l, b)
	m.conflict(l, b, no == nil)
	if no != nil {
		if l.Status == lease.Active && b.Status != lease.Active && l.Expiry.After(now) && m.partnerIsISC() {
			l.Unacked = true // it does not take the lease back by itself
			m.set(l)
		}
		return no
	}
	u := m.duel(b.Addr)
	l = m.merge(now, l, b)
	if u != nil && m.partnerIsISC() && (u.told.Status != l.Status || u.told.Client != l.Client || !u.told.Expiry.Equal(l.Expiry)) {
		l.Unacked = true // it may take ours just as we take its own: tell it what counts now
	}
	m.set(l)
	return nil
}

// duel returns our own update of an address if it is told and not answered yet, or nil.
func (m *Machine) duel(a netip.Addr) *update {
	if u := m.queue.entries[a]; u != nil && u.phase == inFlight {
		return u
	}
	return nil
}

// weigh decides between the partner's update b and our record l.
func (m *Machine) weigh(now, theirs time.Time, l lease.Lease, b Binding) *refusal {
	u, isc := m.duel(b.Addr), m.partnerIsISC()
	if u != nil && (isc && outranksISC(m.cfg.Role, *u.told, b) || !isc && outranks(m.cfg.Role, *u.told, b)) {
		return &refusal{RejectLessCritical, "incoming update is less critical than outgoing update"}
	}
	if u != nil && !isc && !u.again {
		return nil // the partner counts on winning
	}
	return judge(m.cfg.Role, now, theirs, l, b)
}

// merge is l after an accepted update of the partner.
func (m *Machine) merge(now time.Time, l lease.Lease, b Binding) lease.Lease {
	was := l
	l.Status, l.Flags, l.Rewind, l.Unacked = b.Status, b.Flags, 0, false
	switch {
	case b.Status == lease.Abandoned:
		l.Client = lease.Client{}
	case b.Status.Available() || b.Status == lease.Reset:
		if !b.Client.IsZero() {
			l.Client = b.Client
		}
	default:
		l.Client = b.Client
	}
	if l.Client != was.Client {
		l.HostName, l.VendorClass, l.RelayInfo = "", "", ""
	}
	if err := takeClientInfo(&l, b.RequestOptions); err != nil {
		m.note(Debug, "%v: %v", l.Addr, err)
	}
	l.Since = lease.Second(b.Since)
	if l.Since.IsZero() && b.Status != lease.Free {
		l.Since = now
	}
	l.Expiry = lease.Second(b.Expiry)
	if l.Status == lease.Active {
		l.Since = earlier(l.Since, l.Expiry) // whatever it says: a ledger is sound
	}
	l.LastTransaction = later(was.LastTransaction, lease.Second(b.LastTransaction))
	l.ReceivedPotentialExpiry = lease.Second(b.PotentialExpiry)
	l.SentPotentialExpiry, l.AckedPotentialExpiry = l.ReceivedPotentialExpiry, time.Time{}

	switch same := was.Status == lease.Active && was.Client.Is(l.Client); {
	case l.Status.Ending():
		l = m.available(now, l)
		if was.Status == lease.Active && was.Expiry.After(now) && b.Status == lease.Expired {
			l.Expiry = was.Expiry // by our clock
		}
		return l
	case l.Status.Available():
		l.Expiry = earlier(l.Expiry, now)
		l.ReceivedPotentialExpiry, l.SentPotentialExpiry = l.Expiry, l.Expiry
	case l.Status == lease.Active && same:
		l.AckedPotentialExpiry = was.AckedPotentialExpiry
		l.ReceivedPotentialExpiry = later(l.ReceivedPotentialExpiry, was.ReceivedPotentialExpiry)
		if was.Unacked && was.Expiry.After(l.Expiry) {
			// The client may hold on to what we told it: the partner must reckon with that, too.
			l.Expiry = was.Expiry
			l.SentPotentialExpiry = later(l.SentPotentialExpiry, was.SentPotentialExpiry)
			l.Unacked = true
		}
	}
	return l
}
