package leasetest

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// Addr is the n-th address of 10.0.0.0/8.
func Addr(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
}

// Leased is an ordinary lease of an address, with all that a renewal changes drawn from n: leases of one address are
// equal if their n is.
func Leased(a netip.Addr, n int) lease.Lease {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
	b := a.As4()
	return lease.Lease{
		Addr: a, Status: lease.Active, Client: lease.Client{
			ID: "\x01\x02\x00" + string(b[:]), HW: lease.MakeHWAddr(1, append([]byte{2, 0}, b[:]...)),
		},
		Since: now, Expiry: now.Add(time.Hour), LastTransaction: now,
		SentPotentialExpiry: now.Add(90 * time.Minute), AckedPotentialExpiry: now.Add(90 * time.Minute),
		HostName: "host", VendorClass: "udhcp 1.35.0",
	}
}

// Random is any lease of an address that lease.Batch.Validate accepts, far from what a server would make of it: any
// octets, any combination of times, statuses and flags, and now and then the virgin lease.
func Random(r *rand.Rand, a netip.Addr) lease.Lease {
	if r.IntN(20) == 0 {
		return lease.Virgin(a)
	}
	l := lease.Lease{
		Addr: a, Status: lease.Status(1 + r.IntN(7)), Unacked: r.IntN(2) == 0,
		Client: lease.Client{ID: text(r, 300), HW: lease.HWAddr(text(r, 30))},
		Since:  moment(r), Expiry: moment(r), LastTransaction: moment(r),
		SentPotentialExpiry: moment(r), AckedPotentialExpiry: moment(r), ReceivedPotentialExpiry: moment(r),
		HostName: text(r, 300), VendorClass: text(r, 300), RelayInfo: relayInfo(r),
	}
	if r.IntN(2) == 0 {
		l.Rewind = lease.Status(r.IntN(9))
	}
	if r.IntN(4) == 0 {
		l.Flags = lease.Flags(r.IntN(256))
	}
	if r.IntN(2) == 0 { // what most leases look like
		l.AckedPotentialExpiry = l.SentPotentialExpiry
	}
	return l
}

// RandomPeer is any Peer of this name.
func RandomPeer(r *rand.Rand, name string) lease.Peer {
	p := lease.Peer{
		Name: name, State: uint8(r.IntN(13)), Since: moment(r), Partner: uint8(r.IntN(256)), PartnerSince: moment(r),
	}
	if r.IntN(2) == 0 {
		p.MCLT = time.Duration(r.IntN(1<<20)) * time.Second
	}
	return p
}

// moment is a time of the ledger: never, in the past, in the future, and at the ends of what can be said.
func moment(r *rand.Rand) time.Time {
	switch r.IntN(8) {
	case 0, 1:
		return time.Time{}
	case 2:
		return lease.Never
	case 3:
		return lease.FromUnix(1 + r.Int64N(1<<32-1))
	case 4:
		return lease.FromUnix([]int64{1, 1<<31 - 1, 1 << 31, 1<<32 - 1, 2145916799, 2145916800}[r.IntN(6)])
	}
	return lease.FromUnix(1.7e9 + r.Int64N(1e8))
}

// text is a string: none, of letters, of any octets, or of those that need care.
func text(r *rand.Rand, longest int) string {
	b := make([]byte, r.IntN(1+[]int{8, 20, longest}[r.IntN(3)]))
	kind := r.IntN(4)
	for i := range b {
		switch kind {
		case 0:
			return ""
		case 1:
			b[i] = 'a' + byte(r.IntN(26))
		case 2:
			b[i] = byte(r.IntN(256))
		case 3:
			const care = "\"\\#{};=\n\r\t\x00\x7f\xff '%0x3"
			b[i] = care[r.IntN(len(care))]
		}
	}
	return string(b)
}

// relayInfo is a value of option 82, mostly well formed.
func relayInfo(r *rand.Rand) string {
	var v []byte
	switch r.IntN(4) {
	case 0:
		return text(r, 100)
	case 1:
		return ""
	}
	for range 1 + r.IntN(3) {
		sub := text(r, 40)
		v = append(append(v, byte(1+r.IntN(3)), byte(len(sub))), sub...)
	}
	return string(v)
}
