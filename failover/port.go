package failover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// maxQueued is how many connections of one partner wait to be accepted. Past it a connection is closed.
const maxQueued = 16

// Port is one address and port of this server for relationships with several partners: it listens once, and gives each
// partner's connections to that partner's relationship. Of several relationships with one and the same partner see Mux.
type Port struct {
	local    netip.AddrPort
	stranger func(net.Addr)

	mu      sync.Mutex
	inner   net.Listener // while somebody listens
	members map[netip.Addr]*branch
}

// NewPort returns the Port at local. stranger, if not nil, is told of each connection that is of no partner.
func NewPort(local netip.AddrPort, stranger func(net.Addr)) *Port {
	return &Port{local: local, stranger: stranger, members: make(map[netip.Addr]*branch)}
}

// Transport returns the Transport to the partner that listens there.
func (p *Port) Transport(partner netip.AddrPort) Transport { return ported{p, partner} }

// ported is one partner's part of a Port.
type ported struct {
	*Port
	partner netip.AddrPort
}

// Dial implements Transport.
func (t ported) Dial(ctx context.Context) (net.Conn, error) {
	return TCP{Local: t.local, Partner: t.partner}.Dial(ctx)
}

// Listen implements Transport.
func (t ported) Listen(ctx context.Context) (net.Listener, error) {
	p, from := t.Port, t.partner.Addr()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.members[from] != nil {
		return nil, fmt.Errorf("failover: there are two relationships with %v at %v", from, p.local)
	}
	if p.inner == nil {
		inner, err := new(net.ListenConfig).Listen(ctx, "tcp4", p.local.String())
		if err != nil {
			return nil, fmt.Errorf("failover: %w", err)
		}
		p.inner = inner
		go p.accept(inner)
	}
	b := newBranch()
	b.leave = func() error { return p.leave(from) }
	p.members[from] = b
	return b, nil
}

// leave takes a partner out, and ends the listening with the last.
func (p *Port) leave(partner netip.Addr) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.members, partner)
	if len(p.members) > 0 {
		return nil
	}
	err := p.inner.Close()
	p.inner = nil
	return err
}

// accept hands connections on until the listener is closed.
func (p *Port) accept(inner net.Listener) {
	for {
		conn, err := inner.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of file descriptors, say
			p.mu.Lock()
			for _, b := range p.members {
				b.fail(err)
			}
			p.mu.Unlock()
			time.Sleep(reconnectTime)
			continue
		}
		p.give(conn)
	}
}

// give hands a connection to the relationship with whom it is from, or closes it.
func (p *Port) give(conn net.Conn) {
	var b *branch
	if from, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil {
		p.mu.Lock()
		b = p.members[from.Addr().Unmap()]
		p.mu.Unlock()
	}
	if b == nil {
		conn.Close()
		if p.stranger != nil {
			p.stranger(conn.RemoteAddr())
		}
		return
	}
	b.offer(conn)
}

// branch is the listener of one of several who share another.
type branch struct {
	conns chan net.Conn
	errs  chan error
	leave func() error // nil for one to whom nobody comes

	mu   sync.Mutex // over closing, against offer
	done chan struct{}
	shut bool
}

func newBranch() *branch {
	return &branch{conns: make(chan net.Conn, maxQueued), errs: make(chan error, 1), done: make(chan struct{})}
}

// Accept implements net.Listener.
func (b *branch) Accept() (net.Conn, error) {
	select {
	case c := <-b.conns:
		return c, nil
	case err := <-b.errs:
		return nil, err
	case <-b.done:
		return nil, net.ErrClosed
	}
}

// Addr returns no address: it is the one who listens that has one.
func (b *branch) Addr() net.Addr { return nil }

// Close ends the listener, and what waits to be accepted.
func (b *branch) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shut {
		return nil
	}
	b.shut = true
	close(b.done)
	for {
		select {
		case c := <-b.conns:
			c.Close()
			continue
		default:
		}
		break
	}
	if b.leave == nil {
		return nil
	}
	return b.leave()
}

// offer has the connection accepted, or closes it, if there are too many or nobody accepts any more. It does not wait.
func (b *branch) offer(conn net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.shut {
		select {
		case b.conns <- conn:
			return
		default:
		}
	}
	conn.Close()
}

// fail has Accept return the error, unless one waits already.
func (b *branch) fail(err error) {
	select {
	case b.errs <- err:
	default:
	}
}
