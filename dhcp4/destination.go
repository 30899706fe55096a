package dhcp4

import "net/netip"

// The ports of RFC 2131 4.1.
const (
	ServerPort = 67 // of servers and relays
	ClientPort = 68
)

// Destination says where an answer goes.
type Destination struct {
	// Addr is the IPv4 address and UDP port.
	Addr netip.AddrPort
	// HWAddr is the link-layer address to send to without ARP, because the client does not yet answer for Addr; nil
	// leaves it to the kernel. It is a view of the reply's ClientHWAddr. A sender that cannot do that may send to
	// 255.255.255.255 instead (RFC 2131 4.1): a client hears it though it did not ask for it.
	HWAddr []byte
	// Broadcast says that Addr is 255.255.255.255, on the link that the request came by.
	Broadcast bool
}

// toAll is where a client is reached that has no address and cannot be reached by that of its link.
var toAll = Destination{Addr: netip.AddrPortFrom(limitedBroadcast, ClientPort), Broadcast: true}

// DestinationOf returns where reply, the answer to req that came from src, is to be sent (RFC 2131 4.1). In this order:
//
//	giaddr is set                     giaddr, port 67; but the port the relay sent from, if it asks so (RFC 8357)
//	DHCPNAK                           255.255.255.255, port 68
//	ciaddr is set                     ciaddr, port 68
//	DHCPINFORM without ciaddr         the address it came from, port 68, as ISC dhcpd does
//	the broadcast flag is set         255.255.255.255, port 68
//	reply has no yiaddr or chaddr     the same
//	else                              yiaddr, port 68, in a frame to chaddr
//
// BOOTP is no different; RFC 1542 5.4 would have ciaddr before giaddr, but the relay is the surer way. The port a client
// sent from is of no account. The broadcast flag counts in req and in reply, so that a server can insist on it. A
// ciaddr or giaddr to which no host can answer (multicast, 255.255.255.255) is taken for unset: nobody can make a server
// send there.
//
// For a DHCPNAK through a relay the reply must have the broadcast flag: NewReply sees to it.
func DestinationOf(req, reply *Message, src netip.AddrPort) Destination {
	switch {
	case isHost(req.GatewayIPAddr):
		port := uint16(ServerPort)
		if _, ok := req.RelayAgentSub(AgentRelaySourcePort); ok && src.Port() != 0 {
			port = src.Port()
		}
		return Destination{Addr: netip.AddrPortFrom(req.GatewayIPAddr, port)}
	case reply.MessageType() == MessageTypeNak:
		return toAll
	case isHost(req.ClientIPAddr):
		return Destination{Addr: netip.AddrPortFrom(req.ClientIPAddr, ClientPort)}
	case req.MessageType() == MessageTypeInform && isHost(src.Addr()):
		return Destination{Addr: netip.AddrPortFrom(src.Addr(), ClientPort)}
	case (req.Flags | reply.Flags).Has(FlagBroadcast), !isHost(reply.YourIPAddr), len(reply.ClientHWAddr) == 0:
		return toAll
	}
	return Destination{Addr: netip.AddrPortFrom(reply.YourIPAddr, ClientPort), HWAddr: reply.ClientHWAddr}
}

// isHost reports whether a is an IPv4 address that one host can have.
func isHost(a netip.Addr) bool {
	return a.Is4() && !a.IsUnspecified() && !a.IsMulticast() && a != limitedBroadcast
}
