//go:build linux

package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// A relay hands each message of its clients to both servers, with its circuit in option 82 (RFC 3046).
type relay struct {
	conn    *net.UDPConn
	addr    netip.Addr
	circuit string
	servers []netip.Addr
}

// relay makes a relay in a node, at an address of the servers' own subnet.
func (l *lab) relay(t *testing.T, node, circuit string, servers ...netip.Addr) *relay {
	t.Helper()
	r := &relay{addr: netip.MustParseAddr("10.0.10.200"), circuit: circuit, servers: servers}
	l.ip(node, fmt.Sprintf("addr add %v/24 dev eth0\n", r.addr))
	err := inNamespace(l.ns(node), func() (err error) {
		r.conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(r.addr, dhcpv4.ServerPort)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.conn.Close() })
	return r
}

// pass hands a client's message on and returns what the servers answer within d: the servers' own words, for the client.
func (r *relay) pass(m *dhcpv4.DHCPv4, d time.Duration) ([]*dhcpv4.DHCPv4, error) {
	m.GatewayIPAddr, m.HopCount = r.addr.AsSlice(), 1
	m.UpdateOption(dhcpv4.OptRelayAgentInfo(dhcpv4.OptGeneric(dhcpv4.AgentCircuitIDSubOption, []byte(r.circuit))))
	for _, s := range r.servers {
		if _, err := r.conn.WriteToUDPAddrPort(m.ToBytes(), netip.AddrPortFrom(s, dhcpv4.ServerPort)); err != nil {
			return nil, err
		}
	}
	if err := r.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		return nil, err
	}
	var got []*dhcpv4.DHCPv4
	for b := make([]byte, 1500); ; {
		n, err := r.conn.Read(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return got, nil
		}
		if err != nil {
			return nil, err
		}
		a, err := dhcpv4.FromBytes(bytes.Clone(b[:n]))
		if err != nil {
			return nil, err
		}
		if a.TransactionID == m.TransactionID {
			got = append(got, a)
		}
	}
}

// Clients behind a relay: one server answers each, by the hash; the circuit comes back to the relay, is on the record of
// both, and the lease is renewed through the relay.
func TestInteropRelay(t *testing.T) {
	eachPairing(t, func(t *testing.T, p pairing) {
		const circuit = "eth7/12"
		m := mixedPair(t, p, brief, 2)
		m.begin(t)
		station, r := m.probe("c1"), m.relay(t, "c2", circuit, m.isc.addr, m.tandem.addr)
		one := func(c *player, q *dhcpv4.DHCPv4, want dhcpv4.MessageType) answer {
			sent := time.Now()
			got, err := r.pass(q, 400*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 || got[0].MessageType() != want {
				t.Fatalf("%v asked %v and was answered %v, want one %v", c.mac, q.MessageType(), got, want)
			}
			if info := got[0].RelayAgentInfo(); info == nil || string(info.Get(dhcpv4.AgentCircuitIDSubOption)) != circuit {
				t.Errorf("the relay got %v, want its circuit %q back", info, circuit)
			}
			a := answer{DHCPv4: got[0]}
			c.note(a, sent)
			return a
		}
		for _, s := range m.mates() {
			for _, c := range m.ownClients(station, s, 3, 1) {
				q, err := c.message(dhcpv4.MessageTypeDiscover)
				if err != nil {
					t.Fatal(err)
				}
				offer := one(c, q, dhcpv4.MessageTypeOffer)
				addr, _ := netip.AddrFromSlice(offer.YourIPAddr.To4())
				server, _ := netip.AddrFromSlice(offer.ServerIdentifier().To4())
				if server != s.addr {
					t.Errorf("%v was offered %v by %v, want %v by its hash", c.mac, addr, server, s.addr)
				}
				if q, err = c.message(dhcpv4.MessageTypeRequest, withRequested(addr), withServer(server)); err != nil {
					t.Fatal(err)
				}
				one(c, q, dhcpv4.MessageTypeAck)
			}
		}
		m.agreeNow(t, agreePeriod)
		for c := range m.told.promises() {
			q, err := c.message(dhcpv4.MessageTypeRequest, withCurrent(c.addr))
			if err != nil {
				t.Fatal(err)
			}
			sent := time.Now()
			got, err := r.pass(q, 400*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) == 0 {
				t.Errorf("%v was not given more time through the relay", c.mac)
			}
			for _, a := range got {
				if a.MessageType() != dhcpv4.MessageTypeAck || a.YourIPAddr.String() != c.addr.String() {
					t.Errorf("%v has %v and was answered %v", c.mac, c.addr, a)
				}
				c.note(answer{DHCPv4: a}, sent)
			}
		}
		for _, s := range m.mates() {
			text, err := os.ReadFile(filepath.Join(s.dir, "db/dhcpd.leases"))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), circuit) {
				t.Errorf("the lease file of %s does not name the circuit", s.name)
			}
		}
		m.told.checkNoNak(t)
		m.finish(t)
	})
}
