// Package l2 is a dhcp4.Conn over packet sockets: it reads and writes Ethernet frames, so that it can answer a client that
// has no address yet (RFC 2131 4.1) without a broadcast, and serve a link on which the server has no address itself.
//
//	conn, err := l2.Listen(l2.Config{Interfaces: []string{"eth0", "eth1"}})
//	if err != nil {
//		return err
//	}
//	return (&dhcp4.Server{Handler: h}).Serve(ctx, conn)
//
// # What it hears
//
// The packet socket takes every DHCP request that arrives by its interfaces, broadcast or unicast to this host, from
// clients and from relays. A filter in the kernel (classic BPF) keeps all else away. Beside it there is a UDP socket on
// the same port. It reads nothing; but routed answers, to relays and to clients that renew, leave by it, so that the
// kernel sees to routes and ARP, and as long as it is open the kernel does not answer requests with ICMP port unreachable.
// So each datagram is handled once. A dhcp4.UDPConn can be served beside a Conn only on an interface that the Conn does
// not serve, such as one that is not Ethernet, and bound to that alone.
//
// An interface that is a port of a bridge or a part of a bond hears nothing: serve the bridge or the bond. Packet sockets
// come before the firewall: iptables and nftables do not keep requests from a Conn. A datagram that arrives in fragments
// is not heard.
//
// # VLANs
//
// A frame with an 802.1Q tag belongs to the interface of its VLAN, if this host has one (eth0.100), which is served like
// any other. Tagged frames of VLANs that have none are ignored, unless Config.Tagged is set.
//
// # Systems
//
// It is Linux alone, and there needs root or CAP_NET_RAW (and CAP_NET_BIND_SERVICE for port 67). Elsewhere Listen returns
// errors.ErrUnsupported, and dhcp4.ListenUDP does what can be done without frames.
package l2
