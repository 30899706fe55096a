package dhcp4_test

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

func TestDestinationOf(t *testing.T) {
	const (
		discover = dhcp4.MessageTypeDiscover
		request  = dhcp4.MessageTypeRequest
		inform   = dhcp4.MessageTypeInform
		query    = dhcp4.MessageTypeLeaseQuery
		offer    = dhcp4.MessageTypeOffer
		ack      = dhcp4.MessageTypeAck
		nak      = dhcp4.MessageTypeNak
		active   = dhcp4.MessageTypeLeaseActive
		bootp    = dhcp4.MessageTypeNone

		nobody    = "0.0.0.0:68"
		broadcast = "255.255.255.255:68"
	)
	hw := []byte{2, 0, 0, 0, 0, 1}
	for _, test := range []struct {
		name                   string
		typ, reply             dhcp4.MessageType
		flags                  dhcp4.Flags
		ciaddr, yiaddr, giaddr string
		noHW                   bool
		agent                  string // option 82
		src                    string
		want                   string
		wantHW                 bool
	}{
		{name: "an offer goes in a frame to the client", typ: discover, reply: offer, yiaddr: "10.0.0.9", src: nobody,
			want: "10.0.0.9:68", wantHW: true},
		{name: "an ACK for SELECTING goes in a frame to the client", typ: request, reply: ack, yiaddr: "10.0.0.9", src: nobody,
			want: "10.0.0.9:68", wantHW: true},
		{name: "a client that asks for broadcast gets it", typ: discover, reply: offer, flags: dhcp4.FlagBroadcast,
			yiaddr: "10.0.0.9", src: nobody, want: broadcast},
		{name: "an ACK for RENEWING goes to ciaddr", typ: request, reply: ack, ciaddr: "10.0.0.9", yiaddr: "10.0.0.9",
			src: "10.0.0.9:68", want: "10.0.0.9:68"},
		{name: "ciaddr goes before the broadcast flag", typ: request, reply: ack, flags: dhcp4.FlagBroadcast,
			ciaddr: "10.0.0.9", yiaddr: "10.0.0.9", src: "10.0.0.9:68", want: "10.0.0.9:68"},
		{name: "the port the client sent from is of no account", typ: request, reply: ack, ciaddr: "10.0.0.9",
			yiaddr: "10.0.0.9", src: "10.0.0.9:40000", want: "10.0.0.9:68"},
		{name: "a relay gets everything, at the servers' port", typ: discover, reply: offer, giaddr: "10.0.1.1",
			yiaddr: "10.0.1.9", src: "10.0.1.1:67", want: "10.0.1.1:67"},
		{name: "a relay goes before ciaddr and the broadcast flag", typ: request, reply: ack, flags: dhcp4.FlagBroadcast,
			ciaddr: "10.0.1.9", yiaddr: "10.0.1.9", giaddr: "10.0.1.1", src: "10.0.1.1:67", want: "10.0.1.1:67"},
		{name: "a relay that sends from elsewhere is answered at giaddr", typ: discover, reply: offer, giaddr: "10.0.1.1",
			yiaddr: "10.0.1.9", src: "10.0.2.1:40000", want: "10.0.1.1:67"},
		{name: "a relay with RFC 8357 is answered at its port", typ: discover, reply: offer, giaddr: "10.0.1.1",
			yiaddr: "10.0.1.9", agent: "\x01\x01c\x13\x00", src: "10.0.2.1:40000", want: "10.0.1.1:40000"},
		{name: "RFC 8357 from a relay whose port is unknown", typ: discover, reply: offer, giaddr: "10.0.1.1",
			yiaddr: "10.0.1.9", agent: "\x13\x00", want: "10.0.1.1:67"},
		{name: "RFC 8357 without a relay means nothing", typ: discover, reply: offer, yiaddr: "10.0.0.9",
			agent: "\x13\x00", src: "0.0.0.0:40000", want: "10.0.0.9:68", wantHW: true},
		{name: "a NAK is broadcast", typ: request, reply: nak, src: nobody, want: broadcast},
		{name: "a NAK is broadcast in spite of ciaddr", typ: request, reply: nak, ciaddr: "10.0.0.9", src: "10.0.0.9:68",
			want: broadcast},
		{name: "a NAK goes through the relay", typ: request, reply: nak, ciaddr: "10.0.0.9", giaddr: "10.0.1.1",
			src: "10.0.1.1:67", want: "10.0.1.1:67"},
		{name: "an INFORM is answered at ciaddr", typ: inform, reply: ack, ciaddr: "10.0.0.9", src: "10.0.0.9:68",
			want: "10.0.0.9:68"},
		{name: "an INFORM is answered at ciaddr in spite of the broadcast flag", typ: inform, reply: ack,
			flags: dhcp4.FlagBroadcast, ciaddr: "10.0.0.9", src: "10.0.0.9:68", want: "10.0.0.9:68"},
		{name: "an INFORM without ciaddr is answered where it came from", typ: inform, reply: ack, src: "10.0.0.9:1068",
			want: "10.0.0.9:68"},
		{name: "an INFORM from nowhere is answered by broadcast", typ: inform, reply: ack, src: nobody, want: broadcast},
		{name: "an INFORM through a relay", typ: inform, reply: ack, ciaddr: "10.0.1.9", giaddr: "10.0.1.1",
			src: "10.0.1.1:67", want: "10.0.1.1:67"},
		{name: "a leasequery is answered at giaddr", typ: query, reply: active, ciaddr: "10.0.0.9", giaddr: "10.0.1.1",
			src: "10.0.1.1:67", want: "10.0.1.1:67"},
		{name: "BOOTP goes in a frame to the client", typ: bootp, reply: bootp, yiaddr: "10.0.0.9", src: nobody,
			want: "10.0.0.9:68", wantHW: true},
		{name: "BOOTP with the broadcast flag", typ: bootp, reply: bootp, flags: dhcp4.FlagBroadcast, yiaddr: "10.0.0.9",
			src: nobody, want: broadcast},
		{name: "BOOTP with ciaddr", typ: bootp, reply: bootp, ciaddr: "10.0.0.9", src: "10.0.0.9:68", want: "10.0.0.9:68"},
		{name: "BOOTP through a relay", typ: bootp, reply: bootp, yiaddr: "10.0.1.9", giaddr: "10.0.1.1", src: "10.0.1.1:67",
			want: "10.0.1.1:67"},
		{name: "InfiniBand has no chaddr", typ: discover, reply: offer, yiaddr: "10.0.0.9", noHW: true, src: nobody,
			want: broadcast},
		{name: "no yiaddr", typ: request, reply: ack, src: nobody, want: broadcast},
		{name: "a ciaddr that is no host's", typ: request, reply: ack, ciaddr: "224.0.0.1", yiaddr: "10.0.0.9", src: nobody,
			want: "10.0.0.9:68", wantHW: true},
		{name: "a giaddr that is no host's", typ: discover, reply: offer, giaddr: "255.255.255.255", yiaddr: "10.0.0.9",
			src: nobody, want: "10.0.0.9:68", wantHW: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			req := &dhcp4.Message{Flags: test.flags, ClientIPAddr: addr(test.ciaddr), GatewayIPAddr: addr(test.giaddr)}
			if !test.noHW {
				req.ClientHWAddr = hw
			}
			req.SetMessageType(test.typ)
			if test.agent != "" {
				req.SetOption(dhcp4.OptionRelayAgentInformation, []byte(test.agent))
			}
			reply := req.NewReply(nil, test.reply)
			reply.YourIPAddr = addr(test.yiaddr)
			var src netip.AddrPort
			if test.src != "" {
				src = netip.MustParseAddrPort(test.src)
			}
			want := dhcp4.Destination{Addr: netip.MustParseAddrPort(test.want), Broadcast: test.want == broadcast}
			if test.wantHW {
				want.HWAddr = hw
			}
			if got := dhcp4.DestinationOf(req, reply, src); !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestDestinationOfReplyThatInsistsOnBroadcast(t *testing.T) {
	req := decode(t, captured(t, "discover-dhclient"))
	reply := req.NewReply(nil, dhcp4.MessageTypeOffer)
	reply.YourIPAddr = addr("10.0.0.9")
	reply.Flags |= dhcp4.FlagBroadcast
	if got := dhcp4.DestinationOf(req, reply, netip.AddrPort{}); !got.Broadcast {
		t.Errorf("got %+v, want broadcast", got)
	}
}
