package dora

import (
	"net/netip"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// place is where a client is, as far as its message tells.
type place struct {
	net *network // nil: a network that is not configured
	// sure is false if the message may have been routed here from anywhere: it was unicast, without a relay. Then net
	// is where the client says it is.
	sure bool
}

// placeOf finds the network of a client: by link selection (RFC 3527), subnet selection (RFC 3011) or giaddr, in this
// order and by nothing else if there is one; else by the interface; else by ciaddr, for a client that has an address and
// writes from behind a router.
func (t *topology) placeOf(req *dhcp4.Request) place {
	if v, ok := selectionOf(req); ok {
		return place{t.networkOf(v), true}
	}
	if isSet(req.GatewayIPAddr) {
		return place{t.networkOf(req.GatewayIPAddr), true}
	}
	link := t.networkOf(req.Local)
	if link == nil {
		link = t.links[req.Link.Name]
	}
	if !isSet(req.ClientIPAddr) {
		// RFC 2131 4.3.2: without ciaddr a message was broadcast, so it comes from the link that it was heard on.
		return place{link, true}
	}
	if link != nil && isBroadcast(req.Dst.Addr()) {
		return place{link, true}
	}
	if claimed := t.networkOf(req.ClientIPAddr); claimed != nil {
		return place{claimed, false}
	}
	return place{link, false}
}

// selectionOf returns the address by which the relay, or the client itself, names the client's subnet. It is invalid if
// what they sent is none. The second result is false if they do not name any.
func selectionOf(req *dhcp4.Request) (netip.Addr, bool) {
	v, ok := req.RelayAgentSub(dhcp4.AgentLinkSelection)
	if !ok {
		v, ok = req.Option(dhcp4.OptionSubnetSelection)
	}
	if len(v) != 4 {
		return netip.Addr{}, ok
	}
	return netip.AddrFrom4([4]byte(v)), ok
}

func (t *topology) networkOf(a netip.Addr) *network {
	if s := t.subnetOf(a); s != nil {
		return s.network
	}
	return nil
}

// isSet reports whether an address of a message is one: neither absent nor 0.0.0.0.
func isSet(a netip.Addr) bool { return a.IsValid() && !a.IsUnspecified() }

func isBroadcast(a netip.Addr) bool { return a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) }
