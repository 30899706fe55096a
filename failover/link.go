package failover

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"go.uber.org/zap/zapcore"
)

const (
	minReconnect  = 1 * time.Second  // between the first attempts to connect
	reconnectTime = 5 * time.Second  // between later ones; ISC dhcpd's
	refusedTime   = 30 * time.Second // after one that must fail until somebody changes a configuration
	handshakeTime = 15 * time.Second // for CONNECT and CONNECTACK
	maxHandshakes = 64               // at a time: more than a flood brings within the round trip of the partner's own
	maxUnwritten  = 4 << 20          // octets for a partner that does not read, past which no more are added: two windows of the largest
	closeTime     = 1 * time.Second  // for what is still unwritten when a connection is given up
	maxSpare      = 1 << 16          // octets of a buffer that is kept for the next write
)

// link is one connection on which the handshake has succeeded.
type link struct {
	conn    net.Conn
	seal    *seal
	session Session
	once    sync.Once
	closed  chan struct{}

	mu        sync.Mutex
	unwritten []byte        // whole messages
	more      chan struct{} // has room for one: there is something unwritten
}

func newLink(c *channel, s Session) *link {
	return &link{conn: c.conn, seal: c.seal, session: s, closed: make(chan struct{}), more: make(chan struct{}, 1)}
}

// errStalled says that the partner takes no octets.
var errStalled = errors.New("peer does not read")

// errCrowded says that a connection was given up for newer ones before its handshake was done.
var errCrowded = errors.New("too many connections at a time")

// send queues messages to be written, all or none. It does not wait. After an error the link is of no use any more.
func (l *link) send(frames []*Frame) error {
	if len(frames) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.unwritten) > maxUnwritten {
		return errStalled
	}
	b := l.unwritten
	for _, f := range frames {
		var err error
		if b, err = l.seal.appendFrame(b, f); err != nil {
			return err
		}
	}
	l.unwritten = b
	select {
	case l.more <- struct{}{}:
	default:
	}
	return nil
}

// take returns what is unwritten, and has that written into spare next.
func (l *link) take(spare []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.unwritten
	l.unwritten = spare[:0]
	return b
}

// close ends the link; what was sent before is still written if the partner takes it soon.
func (l *link) close() {
	l.once.Do(func() {
		close(l.closed)
		l.hurry() // a write that is under way
	})
}

// hurry bounds how long a closed link still writes.
func (l *link) hurry() {
	if l.isClosed() {
		_ = l.conn.SetWriteDeadline(time.Now().Add(closeTime)) // if that fails, so does the write
	}
}

func (l *link) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// write writes what is sent until the link is closed, and closes the connection.
func (l *link) write(patience time.Duration) {
	defer l.conn.Close()
	var spare []byte
	for {
		select {
		case <-l.more:
		case <-l.closed:
		}
		last := l.isClosed() // nothing is sent after that
		b := l.take(spare)
		if spare = nil; cap(b) <= maxSpare {
			spare = b // which is written before the next take
		}
		if len(b) > 0 {
			if l.conn.SetWriteDeadline(time.Now().Add(patience)) != nil {
				return
			}
			l.hurry()
			if _, err := l.conn.Write(b); err != nil {
				return // the reader sees the end of the connection
			}
		}
		if last {
			return
		}
	}
}

// accept takes the partner's connections until ctx is done.
func (e *Endpoint) accept(ctx context.Context) {
	for ctx.Err() == nil {
		ln, err := e.transport.Listen(ctx)
		if err != nil {
			e.log.Error("failover peer " + e.cfg.Name + ": cannot listen: " + err.Error())
			wait(ctx, reconnectTime)
			continue
		}
		stop := context.AfterFunc(ctx, func() { ln.Close() })
		serve(ctx, ln, &e.tasks, func(err error) {
			e.log.Error("failover peer " + e.cfg.Name + ": cannot accept: " + err.Error())
		}, func(attempt context.Context, conn net.Conn) { _ = e.greet(ctx, attempt, conn) }) // greet has logged it
		stop()
		ln.Close()
	}
}

// serve accepts connections until ctx is done or ln is closed, and has each greeted by a task of its own, a bounded
// number at a time: when there are more the oldest is given up, see callers.
func serve(ctx context.Context, ln net.Listener, tasks *sync.WaitGroup, failed func(error),
	greet func(attempt context.Context, conn net.Conn)) {
	var waiting callers
	for {
		conn, err := ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return
		}
		if err != nil { // out of file descriptors, say
			failed(err)
			wait(ctx, reconnectTime)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		attempt, cancel := context.WithCancelCause(ctx)
		c := &caller{hangUp: func() { cancel(errCrowded) }}
		waiting.enter(c)
		tasks.Go(func() {
			greet(attempt, conn)
			waiting.leave(c)
			cancel(nil)
		})
	}
}

// dial connects to the partner whenever there is no connection: soon at first, since two servers that start at once
// both come too early, and then at longer intervals; at much longer ones where the two do not trust each other.
func (e *Endpoint) dial(ctx context.Context) {
	pause := minReconnect
	for ctx.Err() == nil {
		switch {
		case e.claimed():
			pause = minReconnect
		case e.distrusted.Swap(false):
			pause = refusedTime
		default:
			attempt, cancel := context.WithTimeout(ctx, handshakeTime)
			conn, err := e.transport.Dial(attempt)
			cancel()
			if err != nil {
				e.log.Debug("failover peer " + e.cfg.Name + ": cannot connect: " + err.Error())
			} else if hopeless(e.greet(ctx, ctx, conn)) {
				pause = refusedTime
			}
		}
		wait(ctx, pause)
		pause = min(2*pause, reconnectTime)
	}
}

// hopeless reports whether err is such that another attempt will end like this one, until somebody changes the
// configuration of one of the two.
func hopeless(err error) bool {
	for _, passes := range []error{RejectInvalidPartner, RejectDuplicateConnection, RejectTimeMismatch} {
		if errors.Is(err, passes) {
			return false // said without a digest, by a Mux before its relationship listens, say
		}
	}
	if _, ok := digestReason(err); ok {
		return true
	}
	for _, target := range []error{errSpeaksTLS, RejectTLSRequired, RejectTLSUnconfigured, RejectTLSUnsupported} {
		if errors.Is(err, target) {
			return true
		}
	}
	var plain tls.RecordHeaderError
	var unverified *tls.CertificateVerificationError
	var alert tls.AlertError
	return errors.As(err, &plain) || errors.As(err, &unverified) || errors.As(err, &alert)
}

// greet does the handshake on a new connection, while attempt lasts, and hands it to the loop, or closes it and returns
// why.
func (e *Endpoint) greet(ctx, attempt context.Context, conn net.Conn) error {
	stop := context.AfterFunc(attempt, func() { conn.Close() })
	l, c, err := e.handshake(attempt, conn)
	if !stop() {
		if err == nil {
			e.release()
		}
		err = context.Cause(attempt)
	}
	if err != nil {
		conn.Close()
		level := zapcore.WarnLevel
		if errors.Is(err, RejectDuplicateConnection) || errors.Is(err, errCrowded) || ctx.Err() != nil {
			level = zapcore.DebugLevel
		}
		e.log.Log(e.complaints.level(time.Now(), level), "failover peer "+e.cfg.Name+": "+err.Error())
		return err
	}
	e.tasks.Go(func() { l.write(e.cfg.ReceiveTimer) })
	e.tasks.Go(func() { e.read(ctx, l, c) })
	return nil
}

// handshake does CONNECT and CONNECTACK. If it succeeds the one place for a connection is claimed.
func (e *Endpoint) handshake(ctx context.Context, conn net.Conn) (*link, *channel, error) {
	if err := conn.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return nil, nil, err
	}
	cfg := e.cfg
	if err := startTLS(ctx, conn); err != nil {
		return nil, nil, errors.Join(err, refusePlain(e.now(), cfg.Name, err))
	}
	cfg.MaxUnacked += int(e.lenient.Load())
	c := newChannel(conn, newSeal(cfg))
	greet := e.answer
	if cfg.Role == Primary {
		greet = e.call
	}
	s, err := greet(cfg, c)
	if err != nil {
		return nil, nil, err
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		e.release()
		return nil, nil, err
	}
	patience := cfg.probeTimeout(s)
	s.Watched = patience > 0 && watch(conn, patience)
	return newLink(c, s), c, nil
}

// call is the primary's side of a handshake.
func (e *Endpoint) call(cfg Config, c *channel) (Session, error) {
	connect := cfg.ConnectFrame(e.now())
	connect.XID = c.seal.xidOfConnect()
	if err := c.write(connect); err != nil {
		return Session{}, fmt.Errorf("CONNECT: %w", err)
	}
	f, err := c.first()
	if f == nil {
		return Session{}, quiet(fmt.Errorf("CONNECTACK: %w", err))
	}
	var s Session
	var bye *Frame
	if err == nil && c.seal != nil && f.XID != connect.XID {
		err = fmt.Errorf("%w: xid %d, want %d: an answer of before", RejectDigestMismatch, f.XID, connect.XID)
	}
	if err != nil {
		bye, err = distrustConnectAck(e.now(), f, err)
	} else {
		s, bye, err = cfg.TakeConnectAck(e.now(), f, e.claim)
	}
	if bye != nil {
		err = errors.Join(err, c.write(bye))
	}
	return s, err
}

// answer is the secondary's side of a handshake.
func (e *Endpoint) answer(cfg Config, c *channel) (Session, error) {
	f, err := c.first()
	if f == nil {
		if errors.Is(err, errSpeaksTLS) {
			err = errors.Join(err, c.write(refuseTLS(e.now())))
		}
		return Session{}, quiet(fmt.Errorf("CONNECT: %w", err))
	}
	now, claim := e.now(), e.claim
	if err == nil && c.seal != nil && !skewed(now, f.Time) && !e.connects.newer(f.Time) {
		if !e.claimed() {
			err = fmt.Errorf("%w: this CONNECT, or a later one, has been here before", RejectTimeMismatch)
		}
		claim = func() bool { return false }
	}
	var s Session
	var ack *Frame
	if err != nil {
		ack, err = distrustConnect(now, f, err)
	} else {
		ack, s, err = cfg.AnswerConnect(now, f, claim)
	}
	if ack == nil {
		return s, err
	}
	wrong := c.write(ack)
	if err == nil && wrong != nil {
		e.release()
		return s, fmt.Errorf("CONNECTACK: %w", wrong)
	}
	return s, errors.Join(err, wrong)
}

// quiet takes a connection that the partner closes without a word for a second one: that is how ISC dhcpd refuses it.
func quiet(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("%w: %w", RejectDuplicateConnection, err)
	}
	return err
}

// read feeds the loop with what comes on a link, to the end of it.
func (e *Endpoint) read(ctx context.Context, l *link, c *channel) {
	err := e.post(ctx, e.inbox, item{event: Connected{l.session}, link: l})
	for err == nil {
		var f *Frame
		if f, err = c.read(); err == nil {
			err = e.post(ctx, e.inbox, item{event: Received{f}, link: l})
		} else if errors.Is(err, ErrUnknownType) {
			e.log.Warn("failover peer " + e.cfg.Name + ": " + err.Error())
			err = nil
		}
	}
	if err == io.EOF {
		err = errors.New("peer closed the connection")
	}
	if e.post(ctx, e.inbox, item{event: Disconnected{err}, link: l}) != nil {
		l.close() // nobody will
		e.release()
	}
}

func (e *Endpoint) claim() bool   { return e.taken.CompareAndSwap(false, true) }
func (e *Endpoint) claimed() bool { return e.taken.Load() }
func (e *Endpoint) release()      { e.taken.Store(false) }

// wait waits for the duration or the end of ctx.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
