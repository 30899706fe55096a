package dora_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/dora"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// A server of one subnet, here without sockets. With them it is the Handler of a dhcp4.Server, and Alone.Run ends leases.
func Example() {
	book, _ := lease.OpenBook(context.Background(), lease.NewMemory(), lease.BookConfig{})
	free, _ := pool.New(pool.Config{Ranges: []pool.Range{{
		First: netip.MustParseAddr("192.0.2.10"), Last: netip.MustParseAddr("192.0.2.250"),
	}}}, book)
	book.Observe(free)
	server, err := dora.New(dora.Config{Networks: []dora.Network{{
		Subnets: []dora.Subnet{{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Settings: dora.Settings{
			DefaultLease: time.Hour,
			Options:      []dora.Option{{Code: dhcp4.OptionRouter, Value: "\xc0\x00\x02\x01"}},
		}}},
		Pools: []dora.Pool{{Pool: free, Gate: dora.NewAlone(book, nil, free)}},
	}}}, book, nil)
	if err != nil {
		fmt.Println(err)
		return
	}

	discover, _ := dhcpv4.NewDiscovery(net.HardwareAddr{2, 0, 0, 0, 0, 1})
	offer := ask(server, discover)
	fmt.Println(offer.MessageType(), offer.YourIPAddr, offer.Router())
	request, _ := dhcpv4.NewRequestFromOffer(offer)
	ack := ask(server, request)
	fmt.Println(ack.MessageType(), ack.YourIPAddr, ack.IPAddressLeaseTime(0))
	fmt.Println(book.Get(netip.MustParseAddr("192.0.2.10")).Status)
	// Output:
	// OFFER 192.0.2.10 [192.0.2.1]
	// ACK 192.0.2.10 1h0m0s
	// active
}

// ask does what a dhcp4.Server does with a datagram that came by eth0, whose address is 192.0.2.1.
func ask(h dhcp4.Handler, m *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	in, err := dhcp4.FromV4(m)
	if err != nil {
		panic(err)
	}
	reply, err := h.ServeDHCP(context.Background(), &dhcp4.Request{
		Message: in, Received: time.Now(), Link: dhcp4.Link{Name: "eth0"}, Local: netip.MustParseAddr("192.0.2.1"),
	})
	if err != nil || reply == nil {
		panic(fmt.Sprint("no answer: ", err))
	}
	out, err := reply.ToV4()
	if err != nil {
		panic(err)
	}
	return out
}

func ExampleSettings_Over() {
	global := dora.Settings{DefaultLease: time.Hour, Authoritative: dora.On}
	subnet := dora.Settings{DefaultLease: time.Minute}.Over(global)
	fmt.Println(subnet.DefaultLease, subnet.Authoritative == dora.On)
	// Output: 1m0s true
}
