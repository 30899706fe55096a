package dhcp4_test

import (
	"iter"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// offer builds the answer to a DHCPDISCOVER, or to a DHCPREQUEST, with the calls of package dora: what is configured is
// octets in a string.
func offer(req, reply *dhcp4.Message) {
	kind := dhcp4.MessageTypeOffer
	if req.MessageType() == dhcp4.MessageTypeRequest {
		kind = dhcp4.MessageTypeAck
	}
	req.NewReply(reply, kind)
	reply.YourIPAddr = addr9
	reply.SetServerIdentifier(addr1)
	reply.SetIPAddressLeaseTime(time.Hour)
	reply.SetText(dhcp4.OptionSubnetMask, mask)
	reply.SetText(dhcp4.OptionRouter, router)
	reply.SetText(dhcp4.OptionDomainNameServer, nameServers)
}

var (
	addr1, addr9 = addr("10.0.0.1"), addr("10.0.0.9")
	ip1, ip9     = net.IP{10, 0, 0, 1}, net.IP{10, 0, 0, 9}
)

const (
	mask        = "\xff\xff\xff\x00"
	router      = "\x0a\x00\x00\x01"
	nameServers = "\x0a\x00\x00\x01\x0a\x00\x00\x09"
)

// questions gives messages of clients, in a fixed order: captured ones, and a DHCPREQUEST as a relay with a long option 82
// passes it on.
func questions(tb testing.TB) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, name := range []string{"discover-dhclient", "discover-dhcpcd", "discover-relayed"} {
			if !yield(name, captured(tb, name)) {
				return
			}
		}
		m := decode(tb, captured(tb, "discover-relayed")).Clone()
		m.SetMessageType(dhcp4.MessageTypeRequest)
		m.SetAddrs(dhcp4.OptionRequestedIPAddress, addr9)
		m.SetServerIdentifier(addr1)
		m.SetOption(dhcp4.OptionRelayAgentInformation, []byte("\x01\x12eth1/0/17:vlan.200\x02\x06\x02\x00\x00\x00\x00\x01"))
		b, err := m.MarshalBinary()
		if err != nil {
			tb.Fatal(err)
		}
		yield("request-relayed", b)
	}
}

// BenchmarkMessage measures this codec beside insomniacslk's (codec=): decode a message, encode an offer, and serve, which
// is what a server does with a question: decode it, build an answer of seven or eight options and encode it.
func BenchmarkMessage(b *testing.B) {
	for msg, in := range questions(b) {
		b.Run("op=decode/codec=tandem/msg="+msg, func(b *testing.B) {
			var m dhcp4.Message
			b.ReportAllocs()
			for b.Loop() {
				if err := m.UnmarshalBinary(in); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("op=decode/codec=insomniacslk/msg="+msg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := dhcpv4.FromBytes(in); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("op=encode/codec=tandem/msg="+msg, func(b *testing.B) {
			var reply dhcp4.Message
			offer(decode(b, in), &reply)
			out := make([]byte, 0, 1500)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := reply.AppendBinary(out); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("op=encode/codec=insomniacslk/msg="+msg, func(b *testing.B) {
			p, err := dhcpv4.FromBytes(in)
			if err != nil {
				b.Fatal(err)
			}
			reply := offerV4(b, p)
			b.ReportAllocs()
			for b.Loop() {
				reply.ToBytes()
			}
		})
		b.Run("op=serve/codec=tandem/msg="+msg, func(b *testing.B) {
			var m, reply dhcp4.Message
			out := make([]byte, 0, 1500)
			b.ReportAllocs()
			for b.Loop() {
				if err := m.UnmarshalBinary(in); err != nil {
					b.Fatal(err)
				}
				reply.Reset() // as Server does
				offer(&m, &reply)
				if _, err := reply.AppendBinary(out); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("op=serve/codec=insomniacslk/msg="+msg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, err := dhcpv4.FromBytes(in)
				if err != nil {
					b.Fatal(err)
				}
				offerV4(b, p).ToBytes()
			}
		})
	}
}

func offerV4(b *testing.B, p *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	reply, err := dhcpv4.NewReplyFromRequest(p, dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer), dhcpv4.WithYourIP(ip9),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(ip1)), dhcpv4.WithLeaseTime(3600),
		dhcpv4.WithNetmask(net.IPMask(mask)), dhcpv4.WithRouter(ip1), dhcpv4.WithDNS(ip1, ip9))
	if err != nil {
		b.Fatal(err)
	}
	return reply
}

// A server at work allocates nothing.
func TestServeAllocatesNothing(t *testing.T) {
	for name, in := range questions(t) {
		var m, reply dhcp4.Message
		out := make([]byte, 0, 1500)
		serve := func() {
			if err := m.UnmarshalBinary(in); err != nil {
				t.Fatal(err)
			}
			offer(&m, &reply)
			if _, err := reply.AppendBinary(out); err != nil {
				t.Fatal(err)
			}
			if dhcp4.DestinationOf(&m, &reply, netip.AddrPort{}).Broadcast {
				t.Fatal("broadcast")
			}
		}
		if n := testing.AllocsPerRun(100, serve); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
