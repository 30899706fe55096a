package dora

import (
	"github.com/tandem-dhcp/tandem/lease"
)

// state is that of a client which sends a DHCPREQUEST (RFC 2131 4.3.2).
type state uint8

const (
	selecting  state = iota // it answers an offer, and names the server
	initReboot              // it remembers an address from before
	renewing                // it holds the address, and asks the server that gave it
	rebinding               // it holds the address, and asks any server
)

// serverName says whom a message names in option 54.
type serverName uint8

const (
	noServer serverName = iota
	thisServer
	otherServer
)

// facts are what one address is to one client at one moment: all that decides whether the client gets it.
type facts struct {
	status    lease.Status
	ended     bool   // its time is over; with a partner, that alone does not make it free
	own       bool   // the client holds the address, or is the last that did
	offered   holder // for whom it is kept
	reserved  bool   // it is set aside for another client
	permitted bool   // the pool is for clients like this one
	mine      bool   // Gate.Mine
	limit     error  // of Gate.Limit
}

// offerable reports whether the address can be offered to the client (RFC 2131 4.3.1).
func (f facts) offerable() bool {
	if !f.permitted || f.reserved || f.limit != nil {
		return false
	}
	switch f.status {
	case lease.Active:
		return f.own
	case lease.Free, lease.Backup:
		return f.mine && f.offered != another
	case lease.Expired, lease.Released:
		return f.own && f.offered != another // only the gate knows if the partner was ever told that the lease had ended, and it did not object
	}
	return false
}

// request is all that decides the answer to a DHCPREQUEST.
type request struct {
	state       state
	server      serverName
	serverCheck bool // Settings.ServerIDCheck

	// Where the client is, and where the address that it asks for belongs.
	sure          bool // it is known where the client is
	knownNetwork  bool // its network is configured
	knownAddress  bool // the address lies in a configured subnet
	onNetwork     bool // and that is one of the client's network
	authoritative bool // for the client's network, or where that is unknown for the address's

	// What is reserved for the client.
	reservation bool // it has a fixed address here
	fixed       bool // and asks for that

	pooled  bool  // the address lies in a pool of this server
	answers error // of Gate.Answers of that pool
	facts         // of that address
}

// action is what becomes of a message.
type action uint8

const (
	ignore action = iota
	grant
	grantFixed
	refuse // DHCPNAK
)

// verdict is the answer to a DHCPREQUEST.
type verdict struct {
	action action
	reason string // for the log, behind the message it is about, unless empty
	quiet  bool   // log the reason at debug level
	told   string // with refuse: option 56
	drop   bool   // forget what is offered to the client
}

// What a client is told with a DHCPNAK, in the words of ISC dhcpd.
const (
	toldNetwork     = "requested address on bad subnet"
	toldReservation = "requested address is incorrect"
	toldUnavailable = "requested address not available"
)

func ignored(reason string) verdict { return verdict{action: ignore, reason: reason} }

// passed is for what is a matter of course beside a partner.
func passed(reason string) verdict { return verdict{action: ignore, reason: reason, quiet: true} }

func refused(told, reason string) verdict {
	return verdict{action: refuse, reason: reason, told: told}
}

// unavailable stands for "lease 10.0.0.1 unavailable." in verdict.reason, which the log completes; unknownLease for
// "unknown lease 10.0.0.1.".
const (
	unavailable  = "lease %v unavailable."
	unknownLease = "unknown lease %v."
)

// decide returns the answer to a DHCPREQUEST, and whether the client's offer is free again: it is if the client has
// chosen another server's (RFC 2131 4.3.2), or is refused.
func (r request) decide() verdict {
	elsewhere := r.state == selecting && r.server == otherServer
	v := passed("not our server id")
	if !elsewhere || !r.serverCheck {
		v = r.answer()
	}
	v.drop = elsewhere || v.action == refuse
	return v
}

// answer returns the answer to a DHCPREQUEST that this server looks at. A client is refused only what this server knows better: an address on
// another network (if authoritative), one in place of its reservation, or one that is not vacant. Where a partner may
// know more, or nothing is known, the answer is silence.
func (r request) answer() verdict {
	if v, ok := r.decideNetwork(); ok {
		return v
	}
	switch {
	case r.fixed:
		return verdict{action: grantFixed}
	case r.reservation:
		return refused(toldReservation, unavailable)
	case !r.knownAddress || !r.pooled && !r.reserved:
		return ignored(unknownLease)
	case r.reserved:
		// Also if this client holds it still: its lease does not get longer, and the other client waits for the end.
		return refused(toldUnavailable, unavailable)
	case r.answers != nil:
		return ignored(reasonOf(r.answers))
	}
	return r.decideLease()
}

// decideNetwork refuses or ignores a client that is not where its address belongs (RFC 2131 4.3.2, "wrong net"). The
// second result is false if there is nothing wrong.
func (r request) decideNetwork() (verdict, bool) {
	switch {
	case !r.sure:
		return verdict{}, false
	case r.knownNetwork && r.onNetwork:
		return verdict{}, false
	case !r.knownNetwork && !r.knownAddress:
		return ignored("ignored (unknown subnet)."), true
	case !r.authoritative:
		return ignored("ignored (not authoritative)."), true
	}
	return refused(toldNetwork, "wrong network."), true
}

// decideLease answers for an address of a pool.
func (r request) decideLease() verdict {
	switch r.status {
	case lease.Active:
		if !r.own && r.ended {
			// The partner may have ended it, and given the address to this client.
			return passed("lease in transition state " + r.status.String())
		}
		if !r.own {
			return refused(toldUnavailable, unavailable)
		}
	case lease.Free, lease.Backup:
		if !r.mine {
			// The partner may have given it to this client a moment ago.
			return passed("lease owned by peer")
		}
		if r.offered == another {
			return refused(toldUnavailable, unavailable)
		}
		if r.state == initReboot && !r.own && r.offered != client {
			// RFC 2131 4.3.2: "if the DHCP server has no record of this client, then it MUST remain silent", which an
			// authoritative server need not: there is no other that could have one.
			if r.authoritative {
				return refused(toldUnavailable, unavailable)
			}
			return ignored(unknownLease)
		}
	case lease.Expired, lease.Released:
		if !r.own || r.limit != nil {
			return passed("lease in transition state " + r.status.String())
		}
	case lease.Reset:
		if r.own {
			return refused(toldUnavailable, "lease reset by administrator")
		}
		return ignored(unknownLease)
	default: // Abandoned: whoever uses it may be the one that asks, or not
		return ignored(unknownLease)
	}
	switch {
	case !r.permitted:
		return refused(toldUnavailable, unavailable)
	case r.limit != nil:
		return ignored(reasonOf(r.limit))
	}
	return verdict{action: grant}
}
