package dhcp4_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// A server on a port of the loopback interface, which needs no root, and a client that asks it. A rate limit and a log
// are wrapped around the handler.
func ExampleServer() {
	limit, err := dhcp4.RateLimit{Every: time.Second}.Middleware()
	if err != nil {
		fmt.Println(err)
		return
	}
	log := dhcp4.Observe(func(_ context.Context, e dhcp4.Exchange) {
		if e.Reply == nil { // silence, or an error
			fmt.Println(e.Request.MessageType(), "->", e.Err)
			return
		}
		fmt.Println(e.Request.MessageType(), "->", e.Reply.MessageType(), e.Reply.YourIPAddr)
	})
	offer := dhcp4.HandlerFunc(func(_ context.Context, req *dhcp4.Request) (*dhcp4.Message, error) {
		reply := req.NewReply(&req.Reply, dhcp4.MessageTypeOffer)
		reply.YourIPAddr = netip.MustParseAddr("10.0.0.42")
		return reply, nil
	})
	server := dhcp4.Server{
		Handler: dhcp4.Chain(offer, log, limit),
		// Not where RFC 2131 sends it, for the client is on no port of DHCP's.
		Destination: func(_, _ *dhcp4.Message, src netip.AddrPort) dhcp4.Destination {
			return dhcp4.Destination{Addr: src}
		},
	}

	conn, err := dhcp4.ListenUDP(dhcp4.UDPConfig{Addr: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, conn) }()

	ask(conn.LocalAddr())

	stop()
	fmt.Println("served with error", <-done)
	fmt.Println("sent", server.Stats().Sent)
	// Output:
	// DHCPDISCOVER -> DHCPOFFER 10.0.0.42
	// answered
	// served with error <nil>
	// sent 1
}

// ask sends a DHCPDISCOVER and waits for the answer.
func ask(server netip.AddrPort) {
	client, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	m := dhcp4.Message{OpCode: dhcp4.OpcodeBootRequest, HWType: dhcp4.HWTypeEthernet, ClientHWAddr: []byte{2, 0, 0, 0, 0, 42}}
	m.SetMessageType(dhcp4.MessageTypeDiscover)
	question, err := m.MarshalBinary()
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := client.Write(question); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := client.Read(make([]byte, 1500)); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("answered")
}
