package failover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Mux lets several relationships between the same two servers, which must both be Tandem nodes with a Mux, use one
// address and port on each side: it accepts for all of them, and hands a connection to the one that its CONNECT names.
//
// The name stands in the first message, which the primary sends. So in each relationship the primary dials and the
// secondary accepts, never the other way round, which is how the draft wants it, though ISC dhcpd does otherwise. A
// server may be primary in some and secondary in others. Each has its own Secret, or none; TLS, if wanted, is below the
// Mux: NewMux(TLS{...}, log).
//
// With an ISC dhcpd, or without a Mux on both sides, each relationship needs a port of its own. For several partners
// at one port there is Port, over which a Mux may be.
type Mux struct {
	transport Transport
	log       *zap.Logger

	complaints complaints

	mu      sync.Mutex
	inner   net.Listener // while a secondary listens
	members map[string]*branch
}

// NewMux returns a Mux of the connections that t makes. A nil log is silent.
func NewMux(t Transport, log *zap.Logger) *Mux {
	if log == nil {
		log = zap.NewNop()
	}
	return &Mux{transport: t, log: log, members: make(map[string]*branch)}
}

// Transport returns the Transport of the relationship of that name, in which this server has that role.
func (m *Mux) Transport(name string, role Role) Transport { return muxed{m, name, role} }

// muxed is one relationship's part of a Mux.
type muxed struct {
	*Mux
	name string
	role Role
}

// Validate returns the error of the Validate of the Transport below, if it has one.
func (t muxed) Validate() error {
	if v, ok := t.transport.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}

// Dial implements Transport: the secondary waits for the primary.
func (t muxed) Dial(ctx context.Context) (net.Conn, error) {
	if t.role == Secondary {
		<-ctx.Done()
		return nil, fmt.Errorf("failover: the primary dials: %w", ctx.Err())
	}
	return t.transport.Dial(ctx)
}

// Listen implements Transport: to the primary comes nobody.
func (t muxed) Listen(ctx context.Context) (net.Listener, error) {
	m := t.Mux
	m.mu.Lock()
	defer m.mu.Unlock()
	l := newBranch()
	if t.role == Primary {
		return l, nil
	}
	if m.members[t.name] != nil {
		return nil, fmt.Errorf("failover: there are two relationships %q", t.name)
	}
	if m.inner == nil {
		inner, err := m.transport.Listen(ctx)
		if err != nil {
			return nil, err
		}
		m.inner = inner
		go m.accept(inner)
	}
	m.members[t.name] = l
	l.leave = func() error { return m.leave(t.name) }
	return l, nil
}

// leave takes a relationship out, and ends the listening with the last.
func (m *Mux) leave(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.members, name)
	if len(m.members) > 0 {
		return nil
	}
	err := m.inner.Close()
	m.inner = nil
	return err
}

// accept hands connections on until the listener is closed.
func (m *Mux) accept(inner net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var tasks sync.WaitGroup
	serve(ctx, inner, &tasks, func(err error) {
		if errors.Is(err, net.ErrClosed) {
			cancel() // the last relationship has ended
			return
		}
		m.log.Error("failover: cannot accept: " + err.Error())
	}, m.greet)
	cancel()
	tasks.Wait()
}

// greet hands one connection on, or closes it.
func (m *Mux) greet(attempt context.Context, conn net.Conn) {
	stop := context.AfterFunc(attempt, func() { conn.Close() })
	l, opened, err := m.attribute(attempt, conn)
	if !stop() {
		err = context.Cause(attempt)
	}
	if err == nil {
		l.offer(opened)
		return
	}
	conn.Close()
	level := zapcore.WarnLevel
	if errors.Is(err, errCrowded) || errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed) {
		level = zapcore.DebugLevel
	}
	m.log.Log(m.complaints.level(time.Now(), level), "failover: connection of no relationship: "+err.Error())
}

// attribute finds out from its first message which relationship a connection is of, and returns it with that message
// still to be read.
func (m *Mux) attribute(ctx context.Context, conn net.Conn) (*branch, net.Conn, error) {
	if err := conn.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return nil, nil, err
	}
	if err := startTLS(ctx, conn); err != nil {
		return nil, nil, errors.Join(err, refusePlain(time.Now(), "", err))
	}
	refuse := func(f *Frame, err error) (*branch, net.Conn, error) {
		b, wrong := f.MarshalBinary()
		if wrong == nil {
			_, wrong = conn.Write(b)
		}
		return nil, nil, errors.Join(err, wrong)
	}
	r := NewReader(conn)
	b, err := r.message()
	if err != nil {
		if isTLS(r.buf[r.from:r.to]) {
			return refuse(refuseTLS(time.Now()), errSpeaksTLS)
		}
		return nil, nil, fmt.Errorf("CONNECT: %w", err)
	}
	var f Frame
	if err := f.UnmarshalBinary(b); err != nil {
		return nil, nil, err
	}
	connect, ok := f.Body.(*Connect)
	if !ok {
		return nil, nil, fmt.Errorf("%w: %v before CONNECT", errProtocol, f.Body.Type())
	}
	m.mu.Lock()
	l := m.members[connect.Name]
	m.mu.Unlock()
	if l == nil {
		text := fmt.Sprintf("unknown failover relationship name %s", connect.Name)
		no := refuseConnect(time.Now(), connect.Name, RejectInvalidPartner, text)
		no.XID = f.XID
		return refuse(no, fmt.Errorf("%w: %s", RejectInvalidPartner, text))
	}
	return l, &reopened{Conn: conn, unread: slices.Clone(r.buf[r.from-len(b) : r.to])}, nil
}

// reopened is a connection of which something had been read.
type reopened struct {
	net.Conn
	unread []byte
}

func (c *reopened) Read(b []byte) (int, error) {
	if len(c.unread) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

// NetConn returns the connection to the partner itself, as *tls.Conn does.
func (c *reopened) NetConn() net.Conn {
	if inner, ok := c.Conn.(interface{ NetConn() net.Conn }); ok {
		return inner.NetConn()
	}
	return c.Conn
}
