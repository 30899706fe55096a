package failover

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// Transport makes the connections between two endpoints. TCP is the one of the protocol; TLS and Mux are made of others.
// If it has a method Validate() error, NewEndpoint returns what that returns.
type Transport interface {
	// Listen returns a listener whose Accept gives connections of the partner and of nobody else. It is called again when
	// the listener is closed without the Endpoint's doing.
	Listen(ctx context.Context) (net.Listener, error)
	// Dial returns a connection to the partner.
	Dial(ctx context.Context) (net.Conn, error)
}

// TCP is the Transport of the draft: both sides listen at their address and dial the partner's, from that same
// address, because a partner knows a connection by where it comes from.
type TCP struct {
	Local, Partner netip.AddrPort
	// Listener, if not nil, is used instead of a new one at Local, whose port is then not looked at.
	Listener net.Listener
	// Stranger, if not nil, is told of each connection that was dropped because it came from elsewhere.
	Stranger func(net.Addr)
}

// Listen implements Transport.
func (t TCP) Listen(ctx context.Context) (net.Listener, error) {
	l := t.Listener
	if l == nil {
		var err error
		if l, err = new(net.ListenConfig).Listen(ctx, "tcp4", t.Local.String()); err != nil {
			return nil, fmt.Errorf("failover: %w", err)
		}
	}
	return partnerListener{l, t}, nil
}

// Dial implements Transport.
func (t TCP) Dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: t.Local.Addr().AsSlice()}}
	c, err := d.DialContext(ctx, "tcp4", t.Partner.String())
	if err != nil {
		return nil, fmt.Errorf("failover: %w", err)
	}
	return c, nil
}

type partnerListener struct {
	net.Listener
	tcp TCP
}

func (l partnerListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if from, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil && from.Addr().Unmap() == l.tcp.Partner.Addr() {
			return c, nil
		}
		c.Close()
		if l.tcp.Stranger != nil {
			l.tcp.Stranger(c.RemoteAddr())
		}
	}
}
