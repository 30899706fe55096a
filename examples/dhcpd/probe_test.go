//go:build linux

package main_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/sys/unix"
)

// A probe is an Ethernet station in a client's node that plays any number of DHCP clients. Their messages are built and
// read by insomniacslk/dhcp, their frames by gopacket, so nothing of the program under test judges its own answers. A
// probe answers ARP for the addresses that its clients hold, and nothing else: a server's ping of an address before an
// offer stays without an answer.
type probe struct {
	lab  *lab
	file *os.File // an AF_PACKET socket in the node's namespace
	conn syscall.RawConn

	mu      sync.Mutex
	players map[string]*player         // by hardware address
	held    map[netip.Addr]*player     // who answers ARP
	missed  map[dhcpv4.MessageType]int // answers that no client waited for, or had room for
	sendto  *unix.SockaddrLinklayer
}

// An answer is a message that came for a client.
type answer struct {
	*dhcpv4.DHCPv4
	from netip.Addr // the sender in the IP header
}

// server returns the server identifier of an answer, as the node's name.
func (a answer) server() string {
	id, _ := netip.AddrFromSlice(a.ServerIdentifier().To4())
	for node, addr := range serverAddr {
		if addr == id {
			return node
		}
	}
	return a.ServerIdentifier().String()
}

func (a answer) String() string {
	return fmt.Sprintf("%v of %v from %s for %v", a.MessageType(), a.YourIPAddr, a.server(), a.IPAddressLeaseTime(0))
}

const (
	clientPort = 68
	serverPort = 67
)

// probe makes a probe in a client's node.
func (l *lab) probe(node string) *probe {
	l.t.Helper()
	p := &probe{lab: l, players: make(map[string]*player), held: make(map[netip.Addr]*player), missed: make(map[dhcpv4.MessageType]int)}
	var fd, index int
	err := inNamespace(l.ns(node), func() error {
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		index = link.Index
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	p.sendto = &unix.SockaddrLinklayer{Ifindex: index}
	p.file = os.NewFile(uintptr(fd), "probe-"+node)
	l.t.Cleanup(func() { p.file.Close() })
	const everyProtocol = 0x0300 // ETH_P_ALL, octets swapped
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20),
		// Promiscuous, because the answers go to hardware addresses that are not the interface's.
		unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everyProtocol, Ifindex: index}),
	)
	if err == nil {
		p.conn, err = p.file.SyscallConn()
	}
	if err != nil {
		l.t.Fatal(err)
	}
	go p.listen()
	return p
}

// listen takes frames until the probe's socket is closed.
func (p *probe) listen() {
	buf := make([]byte, 1<<16)
	for {
		var n int
		var from unix.Sockaddr
		var rerr error
		err := p.conn.Read(func(fd uintptr) bool {
			n, from, rerr = unix.Recvfrom(int(fd), buf, 0)
			return !errors.Is(rerr, unix.EAGAIN)
		})
		if err != nil {
			return
		}
		if rerr != nil {
			continue // ENETDOWN while the node's address is being changed
		}
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		p.frame(gopacket.NewPacket(buf[:n], layers.LayerTypeEthernet, gopacket.Default))
	}
}

// frame handles one frame from the wire.
func (p *probe) frame(packet gopacket.Packet) {
	eth, _ := packet.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	if eth == nil {
		return
	}
	if arp, ok := packet.Layer(layers.LayerTypeARP).(*layers.ARP); ok {
		if arp.Operation == layers.ARPRequest {
			p.tellARP(arp)
		}
		return
	}
	ip, _ := packet.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
	udp, _ := packet.Layer(layers.LayerTypeUDP).(*layers.UDP)
	if ip == nil || udp == nil || udp.DstPort != clientPort {
		return
	}
	m, err := dhcpv4.FromBytes(udp.Payload)
	if err != nil {
		p.lab.told.fault("an answer from %v does not decode: %v\n%x", ip.SrcIP, err, udp.Payload)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.players[m.ClientHWAddr.String()]
	broadcast := eth.DstMAC.String() == "ff:ff:ff:ff:ff:ff"
	if c == nil || !broadcast && eth.DstMAC.String() != c.mac.String() {
		return // a client's interface would not take it
	}
	from, _ := netip.AddrFromSlice(ip.SrcIP.To4())
	select {
	case c.inbox <- answer{m, from}:
	default:
		p.missed[m.MessageType()]++
	}
}

// tellARP answers an ARP request for an address that one of the clients holds.
func (p *probe) tellARP(request *layers.ARP) {
	asked, _ := netip.AddrFromSlice(request.DstProtAddress)
	p.mu.Lock()
	c := p.held[asked]
	p.mu.Unlock()
	if c == nil {
		return
	}
	reply := &layers.ARP{
		AddrType: request.AddrType, Protocol: request.Protocol, HwAddressSize: 6, ProtAddressSize: 4, Operation: layers.ARPReply,
		SourceHwAddress: c.mac, SourceProtAddress: request.DstProtAddress, DstHwAddress: request.SourceHwAddress, DstProtAddress: request.SourceProtAddress,
	}
	_ = p.send(&layers.Ethernet{SrcMAC: c.mac, DstMAC: request.SourceHwAddress, EthernetType: layers.EthernetTypeARP}, reply) // the asker asks again
}

// send puts a frame on the wire.
func (p *probe) send(stack ...gopacket.SerializableLayer) error {
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...); err != nil {
		return err
	}
	var werr error
	err := p.conn.Write(func(fd uintptr) bool {
		werr = unix.Sendto(int(fd), buf.Bytes(), 0, p.sendto)
		return !errors.Is(werr, unix.EAGAIN)
	})
	return errors.Join(err, werr)
}

// sendMessage sends a DHCP message of a client: broadcast if to is not valid, else to that server.
func (p *probe) sendMessage(c *player, m *dhcpv4.DHCPv4, to netip.Addr) error {
	dst, hw := net.IPv4bcast, net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if to.IsValid() {
		var err error
		if hw, err = net.ParseMAC(serverMAC[to]); err != nil {
			return fmt.Errorf("no server has address %v: %w", to, err)
		}
		dst = to.AsSlice()
	}
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: m.ClientIPAddr.To4(), DstIP: dst}
	udp := &layers.UDP{SrcPort: clientPort, DstPort: serverPort}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		return err
	}
	return p.send(&layers.Ethernet{SrcMAC: c.mac, DstMAC: hw, EthernetType: layers.EthernetTypeIPv4}, ip, udp, gopacket.Payload(m.ToBytes()))
}

// lost returns how many answers came that no client had room for; a test that counts answers must find none.
func (p *probe) lost(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.missed) > 0 {
		t.Errorf("answers that the test did not take: %v", p.missed)
	}
}

// everyone calls f for each client, all at once, and returns what went wrong.
func everyone(players []*player, f func(c *player) error) error {
	errs := make([]error, len(players))
	var wg sync.WaitGroup
	for i, c := range players {
		wg.Go(func() {
			if err := f(c); err != nil {
				errs[i] = fmt.Errorf("client %v: %w", c.mac, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// patience is how long a played client waits for an answer before it asks again: a server may ping for a second first.
const patience = 4 * time.Second
