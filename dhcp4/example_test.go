package dhcp4_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// discover returns what a client broadcasts first.
func discover() []byte {
	m := dhcp4.Message{OpCode: dhcp4.OpcodeBootRequest, HWType: dhcp4.HWTypeEthernet,
		TransactionID: dhcp4.TransactionID{1, 2, 3, 4}, ClientHWAddr: []byte{2, 0, 0, 0, 0, 0x31}}
	m.SetMessageType(dhcp4.MessageTypeDiscover)
	m.SetText(dhcp4.OptionHostName, "pc")
	m.SetOption(dhcp4.OptionParameterRequestList, []byte{byte(dhcp4.OptionRouter), byte(dhcp4.OptionSubnetMask)})
	b, err := m.MarshalBinary()
	if err != nil {
		panic(err)
	}
	return b
}

// A handler makes its answer in the request's scratch, and the server sends it where RFC 2131 says.
func Example() {
	router := netip.MustParseAddr("192.0.2.1")
	handler := dhcp4.HandlerFunc(func(_ context.Context, req *dhcp4.Request) (*dhcp4.Message, error) {
		if req.MessageType() != dhcp4.MessageTypeDiscover {
			return nil, nil // silence
		}
		offer := req.NewReply(&req.Reply, dhcp4.MessageTypeOffer)
		offer.YourIPAddr = netip.MustParseAddr("192.0.2.9")
		offer.SetServerIdentifier(req.Local)
		offer.SetIPAddressLeaseTime(time.Hour)
		offer.SetOption(dhcp4.OptionSubnetMask, []byte{255, 255, 255, 0})
		offer.SetAddrs(dhcp4.OptionRouter, router)
		return offer, nil
	})

	req := dhcp4.Request{Message: new(dhcp4.Message), Local: router}
	if err := req.UnmarshalBinary(discover()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(req.Message, "from", req.HostName())
	reply, err := handler.ServeDHCP(context.Background(), &req)
	if err != nil {
		fmt.Println(err)
		return
	}
	to := dhcp4.DestinationOf(req.Message, reply, netip.MustParseAddrPort("0.0.0.0:68"))
	fmt.Println(reply)
	fmt.Println("to", to.Addr, "in a frame to", net.HardwareAddr(to.HWAddr))
	// Output:
	// DHCPDISCOVER xid 0x01020304 chaddr 020000000031 from pc
	// DHCPOFFER xid 0x01020304 chaddr 020000000031 yiaddr 192.0.2.9
	// to 192.0.2.9:68 in a frame to 02:00:00:00:00:31
}

// An option that reaches beyond the datagram.
func ExampleMessage_UnmarshalBinary() {
	b := discover()
	b[241] = 200 // the length of option 53
	var m dhcp4.Message
	err := m.UnmarshalBinary(b)
	var o *dhcp4.OptionError
	fmt.Println(err)
	fmt.Println(errors.As(err, &o))
	// Output:
	// dhcp4: option DHCP Message Type (53) at octet 242: unexpected EOF
	// true
}

// What a client did not ask for may be left out when it takes no more.
func ExampleMessage_AppendBinary() {
	var m dhcp4.Message
	if err := m.UnmarshalBinary(discover()); err != nil {
		fmt.Println(err)
		return
	}
	ack := m.NewReply(nil, dhcp4.MessageTypeAck)
	ack.SetText(dhcp4.OptionRootPath, "/srv/root")
	ack.SetOption(dhcp4.OptionVendorSpecificInformation, make([]byte, 1000))
	for {
		b, err := ack.AppendBinary(nil)
		var o *dhcp4.OptionError
		if errors.Is(err, dhcp4.ErrTooLong) && errors.As(err, &o) {
			fmt.Println(err)
			ack.DelOption(o.Code)
			continue
		}
		fmt.Println(len(b), "octets", err)
		return
	}
	// Output:
	// dhcp4: option Vendor Specific Information (43): does not fit
	// 300 octets <nil>
}

// A handler on the packets of github.com/insomniacslk/dhcp, with that library's modifiers.
func ExampleV4Handler() {
	handler := dhcp4.V4Handler(func(_ context.Context, _ *dhcp4.Request, p *dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, error) {
		return dhcpv4.NewReplyFromRequest(p,
			dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer),
			dhcpv4.WithYourIP(net.IPv4(192, 0, 2, 9)),
			dhcpv4.WithDNS(net.IPv4(192, 0, 2, 1)))
	})
	req := dhcp4.Request{Message: new(dhcp4.Message)}
	if err := req.UnmarshalBinary(discover()); err != nil {
		fmt.Println(err)
		return
	}
	reply, err := handler.ServeDHCP(context.Background(), &req)
	fmt.Println(reply, err)
	// Output: DHCPOFFER xid 0x01020304 chaddr 020000000031 yiaddr 192.0.2.9 <nil>
}

func ExampleEncodeDomainSearch() {
	value, err := dhcp4.EncodeDomainSearch([]string{"eng.example.org", "example.org"})
	fmt.Printf("%q %v\n", value, err)
	domains, err := dhcp4.DecodeDomainSearch(value)
	fmt.Println(domains, err)
	// Output:
	// "\x03eng\aexample\x03org\x00\xc0\x04" <nil>
	// [eng.example.org example.org] <nil>
}
