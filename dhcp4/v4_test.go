package dhcp4_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

func TestV4AndBack(t *testing.T) {
	for _, name := range capturedNames(t) {
		m := decode(t, captured(t, name))
		p, err := m.ToV4()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		back, err := dhcp4.FromV4(p)
		if err != nil || content(back) != content(m) {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, content(back), content(m))
		}
	}
}

func TestFromV4Refuses(t *testing.T) {
	for _, test := range []struct {
		name string
		p    dhcpv4.DHCPv4
		want string
	}{
		{"an IPv6 address", dhcpv4.DHCPv4{YourIPAddr: net.IPv6loopback}, "dhcp4: YourIPAddr ::1: address is not IPv4"},
		{"three octets", dhcpv4.DHCPv4{YourIPAddr: net.IP{1, 2, 3}}, "dhcp4: YourIPAddr ?010203: address is not IPv4"},
		{"a large hardware type", dhcpv4.DHCPv4{HWType: 256}, "dhcp4: hardware type 256: does not fit in an octet"},
		{"option 52", dhcpv4.DHCPv4{Options: dhcpv4.Options{52: {1}}},
			"dhcp4: option Option Overload (52): part of the encoding, not to be set"},
	} {
		if _, err := dhcp4.FromV4(&test.p); err == nil || err.Error() != test.want {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
	m := dhcp4.Message{GatewayIPAddr: addr("::1")}
	if _, err := m.ToV4(); err == nil {
		t.Error("no error for an IPv6 address")
	}
}

func TestV4Handler(t *testing.T) {
	refused := errors.New("refused")
	for _, test := range []struct {
		name    string
		request string
		serve   func(p *dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, error)
		wire    string // the options of the answer
		flags   dhcp4.Flags
		size    int
		err     error
	}{
		{name: "an offer, in the order the client asked for", request: "discover-dhcpcd", size: 1444,
			wire: "53:1 54:4 51:4 1:4 3:4 6:4 61:7 end",
			serve: func(p *dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, error) {
				return dhcpv4.NewReplyFromRequest(p, dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer),
					dhcpv4.WithServerIP(net.IP{10, 0, 0, 1}), dhcpv4.WithYourIP(net.IP{10, 0, 0, 9}),
					dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IP{10, 0, 0, 1})), dhcpv4.WithLeaseTime(3600),
					dhcpv4.WithDNS(net.IP{10, 0, 0, 1}), dhcpv4.WithRouter(net.IP{10, 0, 0, 1}),
					dhcpv4.WithNetmask(net.IPMask{255, 255, 255, 0}))
			}},
		{name: "a NAK through a relay", request: "discover-relayed", size: 548, flags: dhcp4.FlagBroadcast,
			wire: "53:1 82:6 end",
			serve: func(p *dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, error) {
				return dhcpv4.NewReplyFromRequest(p, dhcpv4.WithMessageType(dhcpv4.MessageTypeNak))
			}},
		{name: "an answer that cannot be sent", request: "discover-dhclient", err: dhcp4.ErrTooLong,
			serve: func(*dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, error) { return &dhcpv4.DHCPv4{HWType: 256}, nil }},
		{name: "silence", request: "discover-dhclient",
			serve: func(*dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, error) { return nil, nil }},
		{name: "an error", request: "discover-dhclient", err: refused,
			serve: func(*dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, error) { return nil, refused }},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := dhcp4.V4Handler(func(_ context.Context, _ *dhcp4.Request, p *dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, error) {
				return test.serve(p)
			})
			req := &dhcp4.Request{Message: decode(t, captured(t, test.request))}
			reply, err := h.ServeDHCP(t.Context(), req)
			if !errors.Is(err, test.err) || (reply == nil) != (test.wire == "") {
				t.Fatalf("got %v, %v, want error %v", reply, err, test.err)
			}
			if reply == nil {
				return
			}
			if got := wire(t, encode(t, reply)[240:]); got != test.wire {
				t.Errorf("got %s, want %s", got, test.wire)
			}
			if reply.MaximumSize != test.size || reply.Flags != test.flags || reply.TransactionID != req.TransactionID {
				t.Errorf("got %v with maximum size %d and flags %#x, want %d and %#x", reply, reply.MaximumSize, reply.Flags,
					test.size, test.flags)
			}
		})
	}
}
