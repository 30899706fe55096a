package lease

import (
	"net/netip"
	"time"
)

// Lease is all that a server knows of one address: who holds it, how long, and what the failover partner knows of
// that. It is a plain value: two Leases are equal by == if they say the same, because every time in it is UTC, in
// whole seconds and without a monotonic part (see Second), and the zero time.Time means "never" or "unknown".
//
// An address without a Lease is the same as one with Lease{Addr: a, Status: Free}: see Lease.IsVirgin.
type Lease struct {
	Addr   netip.Addr
	Status Status
	// Rewind is what the partner is known, or must be assumed, to hold; zero means the same as Status. (rewind
	// binding state)
	Rewind Status
	Flags  Flags
	// Unacked says that the partner has not yet acknowledged this version of the binding. (atsfp < tstp)
	Unacked bool
	// Client is who holds the address, or held it last where Status is not Active.
	Client Client

	Since           time.Time // when the binding in this status began (STOS of a binding; starts)
	Expiry          time.Time // until when the client was told it may use the address (lease-expiration-time; ends)
	LastTransaction time.Time // when this server last heard from the client (client-last-transaction-time; cltt)

	// The three times of draft 7.1.5, by which a server knows what it may promise.
	SentPotentialExpiry     time.Time // told, or about to be told, to the partner (tstp)
	AckedPotentialExpiry    time.Time // what the partner has acknowledged
	ReceivedPotentialExpiry time.Time // what the partner has told us

	HostName    string // option 12 as the client sent it, for people
	VendorClass string // option 60
	RelayInfo   string // option 82, the whole value, when the lease was given through a relay
}

// Never is the time ISC dhcpd writes for a lease without an end, 2038-01-19 03:14:07 UTC (0x7fffffff).
var Never = time.Unix(0x7fffffff, 0).UTC()

// Second returns t as the ledger keeps it: UTC, whole seconds (rounded down), no monotonic part. The zero time stays
// zero.
func Second(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.Unix(t.Unix(), 0).UTC()
}

// FromUnix returns the time of the ledger for secs seconds after 1970; 0 is the zero time, "never".
func FromUnix(secs int64) time.Time {
	if secs == 0 {
		return time.Time{}
	}
	return time.Unix(secs, 0).UTC()
}

// ToUnix is the inverse of FromUnix.
func ToUnix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// Virgin returns the Lease of an address that nobody has ever touched.
func Virgin(a netip.Addr) Lease { return Lease{Addr: a, Status: Free} }

// IsVirgin reports whether l says no more than its address does.
func (l Lease) IsVirgin() bool { return l == Virgin(l.Addr) }

// KnownExpiry is the latest time up to which the partner can be sure that we may have promised the address, and we
// that it may: the later of what it acknowledged and what it told us (draft 7.1.5).
func (l Lease) KnownExpiry() time.Time {
	if l.AckedPotentialExpiry.After(l.ReceivedPotentialExpiry) {
		return l.AckedPotentialExpiry
	}
	return l.ReceivedPotentialExpiry
}

// LatestPromise is the latest end that any server can have promised for l as far as this record tells: the maximum
// of the four times of draft 9.4.2. A server in PARTNER-DOWN adds MCLT before it gives the address to another.
func (l Lease) LatestPromise() time.Time {
	t := l.Expiry
	for _, u := range []time.Time{l.SentPotentialExpiry, l.AckedPotentialExpiry, l.ReceivedPotentialExpiry} {
		if u.After(t) {
			t = u
		}
	}
	return t
}

// PartnerStatus is the status that the partner is assumed to hold: Rewind, or Status where there is none.
func (l Lease) PartnerStatus() Status {
	if l.Rewind != 0 {
		return l.Rewind
	}
	return l.Status
}
