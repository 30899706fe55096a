package failover

import (
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// BindingUpdate (BNDUPD) tells the partner of changed bindings (draft section 7.1).
type BindingUpdate struct {
	// Bindings has one element in what is sent to ISC dhcpd, which drops the connection on a second. A received update
	// has at least one, which lacks everything if the message was empty.
	Bindings []Binding
}

// Binding is what a BindingUpdate says of one address. Two are equal by == if they say the same.
//
// Address, status and the three times Expiry, PotentialExpiry and Since are always sent, be they zero; what a received
// Binding lacked of these, Has tells. All else is sent if it is not zero.
type Binding struct {
	Addr            netip.Addr   // assigned-IP-address (2); IPv4
	Status          lease.Status // binding-status (3); a received one need not be Valid
	Client          lease.Client // client-identifier (4) and client-hardware-address (5); each may be ""
	Expiry          time.Time    // lease-expiration-time (13): what the client was told; zero for never leased
	PotentialExpiry time.Time    // potential-expiration-time (18): what the partner is to reckon with; zero for never
	Since           time.Time    // start-time-of-state (25), of the binding; ISC dhcpd sends the time of the last grant
	LastTransaction time.Time    // client-last-transaction-time (6); zero for none
	Flags           lease.Flags  // IP-flags (12); bits without a name are dropped when read
	ReplyOptions    string       // client-reply-options (7): magic cookie and DHCP options, raw; ISC dhcpd sends none
	RequestOptions  string       // client-request-options (8), likewise

	absent optionSet
}

// BindingAck (BNDACK) answers a BindingUpdate. It repeats the update's XID.
type BindingAck struct {
	Results []Result // one for each Binding; a received one has at least one
}

// Result is the answer to one Binding.
type Result struct {
	Addr   netip.Addr   // assigned-IP-address (2); 0.0.0.0 if the Binding had none
	Reason RejectReason // reject-reason (21); zero if the binding is accepted
	Text   string       // message (16), for people; leave it empty in an acceptance

	absent optionSet
}

// namedFlags are the IP-flags that have a meaning.
const namedFlags = lease.Reserved | lease.BOOTP

// Has reports whether b has the option.
func (b *Binding) Has(c OptionCode) bool {
	if b.absent.has(c) {
		return false
	}
	switch c {
	case OptionClientIdentifier:
		return b.Client.ID != ""
	case OptionClientHardwareAddress:
		return b.Client.HW != ""
	case OptionClientLastTransactionTime:
		return !b.LastTransaction.IsZero()
	case OptionIPFlags:
		return b.Flags != 0
	case OptionClientReplyOptions:
		return b.ReplyOptions != ""
	case OptionClientRequestOptions:
		return b.RequestOptions != ""
	}
	return always[TypeBindingUpdate].has(c)
}

// Omit makes AppendBinary leave the options out.
func (b *Binding) Omit(codes ...OptionCode) { b.absent |= setOf(codes...) }

func (e *encoder) bindingUpdate(u *BindingUpdate) {
	for i := range u.Bindings {
		b := &u.Bindings[i]
		e.omit = b.absent
		if len(u.Bindings) > 1 && !b.Has(OptionAssignedIPAddress) {
			e.fail(OptionAssignedIPAddress, "missing, and there are several bindings")
		}
		e.addr(OptionAssignedIPAddress, b.Addr)
		if b.Has(OptionBindingStatus) && !b.Status.Valid() {
			e.fail(OptionBindingStatus, "%v is not sent", b.Status) // ISC dhcpd exits on one
		}
		e.uint8(OptionBindingStatus, uint8(b.Status))
		e.octets(OptionClientIdentifier, b.Client.ID)
		e.octets(OptionClientHardwareAddress, string(b.Client.HW))
		e.time(OptionLeaseExpiry, b.Expiry)
		e.time(OptionPotentialExpiry, b.PotentialExpiry)
		e.time(OptionStartTimeOfState, b.Since)
		if !b.LastTransaction.IsZero() {
			e.time(OptionClientLastTransactionTime, b.LastTransaction)
		}
		if b.Flags&^namedFlags != 0 {
			e.fail(OptionIPFlags, "%#02x has bits without a name", uint8(b.Flags))
		}
		if b.Flags != 0 {
			e.uint16(OptionIPFlags, uint16(b.Flags))
		}
		e.octets(OptionClientReplyOptions, b.ReplyOptions)
		e.octets(OptionClientRequestOptions, b.RequestOptions)
	}
}

func (d *decoder) bindingUpdate() *BindingUpdate {
	// One allocation for the update and the one binding that it has in practice.
	both := new(struct {
		update BindingUpdate
		first  [1]Binding
	})
	u := &both.update
	u.Bindings = both.first[:]
	b := &u.Bindings[0]
	b.absent = always[TypeBindingUpdate]
	for d.next() {
		switch d.code {
		case OptionAssignedIPAddress:
			if b.Has(OptionAssignedIPAddress) {
				u.Bindings = append(u.Bindings, Binding{absent: always[TypeBindingUpdate]})
				b = &u.Bindings[len(u.Bindings)-1]
			}
			b.Addr = d.addr()
		case OptionBindingStatus:
			b.Status = lease.Status(d.uint8())
		case OptionClientIdentifier:
			b.Client.ID = string(d.value)
		case OptionClientHardwareAddress:
			b.Client.HW = lease.HWAddr(d.value)
		case OptionLeaseExpiry:
			b.Expiry = d.time()
		case OptionPotentialExpiry:
			b.PotentialExpiry = d.time()
		case OptionStartTimeOfState:
			b.Since = d.time()
		case OptionClientLastTransactionTime:
			b.LastTransaction = d.time()
		case OptionIPFlags:
			b.Flags = lease.Flags(d.uint16()) & namedFlags
		case OptionClientReplyOptions:
			b.ReplyOptions = string(d.value)
		case OptionClientRequestOptions:
			b.RequestOptions = string(d.value)
		}
		b.absent &^= 1 << d.code
	}
	return u
}

// Has reports whether r has the option.
func (r *Result) Has(c OptionCode) bool {
	if r.absent.has(c) {
		return false
	}
	switch c {
	case OptionRejectReason:
		return r.Reason != 0
	case OptionMessage:
		return r.Text != ""
	}
	return always[TypeBindingAck].has(c)
}

// Omit makes AppendBinary leave the options out.
func (r *Result) Omit(codes ...OptionCode) { r.absent |= setOf(codes...) }

func (e *encoder) bindingAck(a *BindingAck) {
	for i := range a.Results {
		r := &a.Results[i]
		e.omit = r.absent
		if len(a.Results) > 1 && !r.Has(OptionAssignedIPAddress) {
			e.fail(OptionAssignedIPAddress, "missing, and there are several results")
		}
		e.addr(OptionAssignedIPAddress, r.Addr)
		e.reason(r.Reason)
		e.text(OptionMessage, r.Text)
	}
}

func (d *decoder) bindingAck() *BindingAck {
	both := new(struct {
		ack   BindingAck
		first [1]Result
	})
	a := &both.ack
	a.Results = both.first[:]
	r := &a.Results[0]
	r.absent = always[TypeBindingAck]
	for d.next() {
		switch d.code {
		case OptionAssignedIPAddress:
			if r.Has(OptionAssignedIPAddress) {
				a.Results = append(a.Results, Result{})
				r = &a.Results[len(a.Results)-1]
			}
			r.Addr, r.absent = d.addr(), 0
		case OptionRejectReason:
			r.Reason = d.reason()
		case OptionMessage:
			r.Text = string(d.value)
		}
	}
	return a
}
