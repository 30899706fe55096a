package lease

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// record is a Lease packed for a Book that holds a million of them: seconds instead of time.Time, the texts that few
// leases have behind one pointer.
type record struct {
	next *record // of the same client's chain

	id   string
	hw   HWAddr
	text *text

	addr                  uint32
	since, expiry, last   uint32 // seconds since 1970, 0 for never
	sent, acked, received uint32
	status, rewind        Status
	flags                 Flags
	unacked               bool
}

type text struct{ hostName, vendorClass, relayInfo string }

func (r *record) client() Client { return Client{r.id, r.hw} }

func (r *record) pack(l Lease) {
	r.id, r.hw = l.Client.ID, l.Client.HW
	r.addr = number(l.Addr)
	r.since, r.expiry, r.last = seconds(l.Since), seconds(l.Expiry), seconds(l.LastTransaction)
	r.sent, r.acked = seconds(l.SentPotentialExpiry), seconds(l.AckedPotentialExpiry)
	r.received = seconds(l.ReceivedPotentialExpiry)
	r.status, r.rewind, r.flags, r.unacked = l.Status, l.Rewind, l.Flags, l.Unacked
	switch t := (text{l.HostName, l.VendorClass, l.RelayInfo}); {
	case t == text{}:
		r.text = nil
	case r.text == nil || *r.text != t:
		own := t // so that t itself stays on the stack
		r.text = &own
	}
}

func (r *record) unpack() Lease {
	l := Lease{
		Addr: addr(r.addr), Status: r.status, Rewind: r.rewind, Flags: r.flags, Unacked: r.unacked,
		Client: r.client(),
		Since:  FromUnix(int64(r.since)), Expiry: FromUnix(int64(r.expiry)), LastTransaction: FromUnix(int64(r.last)),
		SentPotentialExpiry:     FromUnix(int64(r.sent)),
		AckedPotentialExpiry:    FromUnix(int64(r.acked)),
		ReceivedPotentialExpiry: FromUnix(int64(r.received)),
	}
	if r.text != nil {
		l.HostName, l.VendorClass, l.RelayInfo = r.text.hostName, r.text.vendorClass, r.text.relayInfo
	}
	return l
}

// number is an IPv4 address as an integer.
func number(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func addr(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

func seconds(t time.Time) uint32 { return uint32(ToUnix(t)) }
