package dora

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
)

// maxText bounds what is kept of the texts a client sends: an option that was not split (RFC 3396).
const maxText = 255

// query is a message with what the server has found out about its sender.
type query struct {
	*dhcp4.Request
	kind   dhcp4.MessageType
	now    time.Time // when it came; later, when the server waited for something
	client lease.Client
	wish   netip.Addr // option 50; invalid if absent
	server netip.Addr // option 54; invalid if absent or 0.0.0.0
	place  place

	hosts   []*host  // declared for the client
	classes []*class // it is a member of
	host    string   // option 12, as much as is kept of it
	name    string   // of the client, for the log: option 12, or what is on record

	begun *begun // nil where the message may be waited for
}

// query finds out about the sender of req, which came at now. Its strings are those of the client's record where that
// says the same.
func (t *topology) query(req *dhcp4.Request, now time.Time, book *lease.Book) query {
	q := query{Request: req, kind: req.MessageType(), now: now, place: t.placeOf(req)}
	id, _ := req.ClientIdentifier()
	var room [1 + maxHWAddr]byte
	hw := room[:0]
	if len(req.ClientHWAddr) > 0 {
		hw = append(append(hw, byte(req.HWType)), req.ClientHWAddr...)
	}
	var known lease.Lease
	if q.place.net != nil {
		known, _ = book.Known(q.place.net.scope, id, hw)
	}
	q.client.ID, q.client.HW = same(known.Client.ID, id), lease.HWAddr(same(string(known.Client.HW), hw))
	if v, ok := req.Option(dhcp4.OptionHostName); ok {
		v = bytes.TrimRight(v, "\x00")
		q.host = same(known.HostName, v[:min(len(v), maxText)])
	}
	q.name = q.host
	q.wish, _ = req.RequestedIPAddress()
	if id, ok := req.ServerIdentifier(); ok && isSet(id) {
		q.server = id
	}
	q.hosts = t.hostsOf(q.client)
	for _, c := range t.classes {
		if c.Match(req.Message) {
			q.classes = append(q.classes, c)
		}
	}
	return q
}

// stid is what load balancing knows the client by (RFC 3074): a view of the message.
func (q *query) stid() []byte {
	if id, ok := q.ClientIdentifier(); ok {
		return id
	}
	return q.ClientHWAddr
}

// known reports whether a Host is declared for the client.
func (q *query) known() bool { return len(q.hosts) > 0 }

// key is by what an offer to the client is found in a network.
func (q *query) key(n *network) lease.Key { return q.client.Key(n.scope) }

// permitted reports whether the pool is for clients like this one (permit lists of dhcpd.conf(5)).
func (q *query) permitted(s *share) bool {
	return !q.any(s.deny) && (len(s.allow) == 0 || q.any(s.allow))
}

// any reports whether one of the permits names the client.
func (q *query) any(permits []Permit) bool {
	for _, p := range permits {
		switch p.Who {
		case AllClients:
			return true
		case KnownClients:
			if q.known() {
				return true
			}
		case UnknownClients:
			if !q.known() {
				return true
			}
		case BootpClients:
			if q.kind == dhcp4.MessageTypeNone {
				return true
			}
		case ClassMembers:
			for _, c := range q.classes {
				if c.Name == p.Class {
					return true
				}
			}
		}
	}
	return false
}

// target is the address that a DHCPREQUEST is about: option 50, else ciaddr.
func (q *query) target() netip.Addr {
	if isSet(q.wish) {
		return q.wish
	}
	return q.ClientIPAddr
}

// state is that of the client that sent a DHCPREQUEST, by table 4 of RFC 2131. A client that sends both ciaddr and a
// server identifier, as RFC 1541 had it, is one that renews.
func (q *query) state() state {
	switch {
	case isSet(q.ClientIPAddr) && (isSet(q.GatewayIPAddr) || isBroadcast(q.Dst.Addr())):
		return rebinding
	case isSet(q.ClientIPAddr):
		return renewing
	case q.server.IsValid():
		return selecting
	}
	return initReboot
}

// granted returns the lease that the client gets of the address of old. The caller has asked the gate about the times.
func (q *query) granted(old lease.Lease, until, want time.Time) lease.Lease {
	l := old
	l.Status, l.Client = lease.Active, q.client
	l.Expiry, l.SentPotentialExpiry = until, want
	// Rounded up as the end is, so that the record shows the time that the client was given.
	l.LastTransaction = roundUp(q.now)
	l.Flags &^= lease.BOOTP
	if q.kind == dhcp4.MessageTypeNone {
		l.Flags |= lease.BOOTP
	}
	if old.Status != lease.Active || !old.Client.Is(q.client) {
		l.Since = l.LastTransaction
		l.HostName, l.VendorClass, l.RelayInfo = "", "", ""
	}
	if q.host != "" {
		l.HostName = q.host
	}
	if v, ok := q.Option(dhcp4.OptionClassIdentifier); ok {
		l.VendorClass = same(old.VendorClass, v[:min(len(v), maxText)])
	}
	// A renewal does not pass the relay: what it said is kept until it says something else.
	if v, ok := q.RelayAgentInfo(); ok {
		l.RelayInfo = same(old.RelayInfo, v[:min(len(v), maxText)])
	}
	return l
}

// maxHWAddr is how long chaddr is at most.
const maxHWAddr = 16

// same returns v as a string: have, which exists already, if that is it.
func same(have string, v []byte) string {
	if have == string(v) {
		return have
	}
	return string(v)
}
