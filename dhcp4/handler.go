package dhcp4

import (
	"context"
	"net/netip"
	"time"
)

// Link is the interface a datagram came by, or leaves by. The zero Link is unknown: the routing table decides.
type Link struct {
	Index int    // as net.Interface.Index
	Name  string // as net.Interface.Name
}

// Request is a message with all that is known of its arrival. It, and every view of its octets, ends when ServeDHCP
// returns: a handler that needs more keeps a Clone.
type Request struct {
	*Message
	Received time.Time      // when the datagram was read
	Link     Link           // by which interface
	Local    netip.Addr     // that interface's first IPv4 address, invalid if it has none: a candidate server identifier
	Src, Dst netip.AddrPort // of the datagram

	// Reply is scratch for the answer, so that a server at work allocates nothing:
	//
	//	return req.NewReply(&req.Reply, dhcp4.MessageTypeOffer), nil
	Reply Message
}

// Handler answers DHCP messages. It may be called by several goroutines at once.
type Handler interface {
	// ServeDHCP returns the one answer to req; nil and no error is silence, an answer too. An error is logged by the
	// server and not told to the client. The answer may be &req.Reply; it is encoded before req is used again.
	ServeDHCP(ctx context.Context, req *Request) (*Message, error)
}

// HandlerFunc is a function that is a Handler.
type HandlerFunc func(ctx context.Context, req *Request) (*Message, error)

// ServeDHCP calls f.
func (f HandlerFunc) ServeDHCP(ctx context.Context, req *Request) (*Message, error) {
	return f(ctx, req)
}

// Middleware wraps a Handler in another, which may answer in its place, or change request and answer.
type Middleware func(Handler) Handler

// Chain wraps h in the middlewares, the first outermost: it is the first to see a request and the last to see the answer.
func Chain(h Handler, m ...Middleware) Handler {
	for i := len(m) - 1; i >= 0; i-- {
		h = m[i](h)
	}
	return h
}
