package dhcp4test

import (
	"net/netip"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// maxHops is where a relay stops (RFC 1542 4.1.1).
const maxHops = 16

// Relay is a DHCP relay agent, and router, between a LAN of clients and one of servers (RFC 1542, RFC 3046).
type Relay struct {
	// CircuitID, if not empty, is put into option 82 of what clients send, and taken out of the answers.
	CircuitID string

	clients, servers *station
	to               []netip.Addr
	done             chan struct{}
	ended            [2]chan struct{}
}

// NewRelay connects the LAN of its receiver, where the clients are, with another on which the servers are: what clients
// broadcast goes to each of the servers' addresses. The relay has the last but one address of both LANs; the one of the
// clients' is giaddr.
func (l *LAN) NewRelay(servers *LAN, to ...*Server) *Relay {
	l.t.Helper()
	if len(to) == 0 {
		l.t.Fatal("dhcp4test: NewRelay: it relays to nobody: name a server")
	}
	r := &Relay{done: make(chan struct{}), ended: [2]chan struct{}{make(chan struct{}), make(chan struct{})}}
	for _, s := range to {
		r.to = append(r.to, s.addr)
	}
	plug := func(l *LAN) *station {
		a := l.Addr(1<<(32-l.prefix.Bits()) - 2)
		b := a.As4()
		s := l.plug("relay "+a.String(), string(append([]byte{2, 2}, b[:]...)), 0, a)
		l.mu.Lock()
		defer l.mu.Unlock()
		s.router = r
		return s
	}
	r.clients, r.servers = plug(l), plug(servers)
	go r.run(0, r.clients, r.fromClients)
	go r.run(1, r.servers, r.fromServers)
	l.atEnd(func() {
		close(r.done)
		<-r.ended[0]
		<-r.ended[1]
	})
	return r
}

func (r *Relay) station() *station { return r.clients }

// Addr returns the relay's address on the clients' LAN: giaddr.
func (r *Relay) Addr() netip.Addr { return r.clients.addr }

func (r *Relay) run(n int, at *station, take func(frame)) {
	defer close(r.ended[n])
	for {
		select {
		case f := <-at.in:
			take(f)
		case <-r.done:
			return
		}
	}
}

// fromClients relays what is broadcast, and routes the rest.
func (r *Relay) fromClients(f frame) {
	if f.dst.Port() != dhcp4.ServerPort {
		return
	}
	if f.dstHW != broadcastHW && f.dst.Addr() != r.clients.addr {
		f.dstHW = ""
		r.servers.send(f)
		return
	}
	var m dhcp4.Message
	if m.UnmarshalBinary(f.data) != nil || m.OpCode != dhcp4.OpcodeBootRequest || m.HopCount >= maxHops {
		return
	}
	m.HopCount++
	if m.GatewayIPAddr.IsUnspecified() {
		m.GatewayIPAddr = r.clients.addr
		if r.CircuitID != "" {
			info := append([]byte{byte(dhcp4.AgentCircuitID), byte(len(r.CircuitID))}, r.CircuitID...)
			m.SetOption(dhcp4.OptionRelayAgentInformation, info)
		}
	}
	b, err := m.MarshalBinary()
	if err != nil {
		return
	}
	for _, a := range r.to {
		r.servers.send(frame{
			src: netip.AddrPortFrom(r.servers.addr, dhcp4.ServerPort), dst: netip.AddrPortFrom(a, dhcp4.ServerPort), data: b,
		})
	}
}

// fromServers gives answers to the client, and routes the rest.
func (r *Relay) fromServers(f frame) {
	if f.dstHW == broadcastHW {
		return
	}
	if f.dst.Addr() != r.clients.addr {
		f.dstHW = ""
		r.clients.send(f)
		return
	}
	var m dhcp4.Message
	if m.UnmarshalBinary(f.data) != nil || m.OpCode != dhcp4.OpcodeBootReply {
		return
	}
	m.DelOption(dhcp4.OptionRelayAgentInformation)
	b, err := m.MarshalBinary()
	if err != nil {
		return
	}
	out := frame{src: netip.AddrPortFrom(r.clients.addr, dhcp4.ServerPort), data: b}
	if m.Flags.Has(dhcp4.FlagBroadcast) || m.YourIPAddr.IsUnspecified() {
		out.dst, out.dstHW = netip.AddrPortFrom(limitedBroadcast, dhcp4.ClientPort), broadcastHW
	} else {
		out.dst, out.dstHW = netip.AddrPortFrom(m.YourIPAddr, dhcp4.ClientPort), string(m.ClientHWAddr)
	}
	r.clients.send(out)
}
