package failover

import (
	"context"
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
	handshakeTime = 15 * time.Second // for CONNECT and CONNECTACK
	maxHandshakes = 8                // at a time
	maxUnwritten  = 64               // writes that wait for a partner which does not read
)

// link is one connection on which the handshake has succeeded.
type link struct {
	conn    net.Conn
	session Session
	out     chan []byte // whole messages
	once    sync.Once
	closed  chan struct{}
}

// errStalled says that the partner takes no octets.
var errStalled = errors.New("peer does not read")

// send queues messages to be written. It does not wait.
func (l *link) send(frames []*Frame) error {
	if len(frames) == 0 {
		return nil
	}
	var b []byte
	for _, f := range frames {
		var err error
		if b, err = f.AppendBinary(b); err != nil {
			return err
		}
	}
	select {
	case l.out <- b:
		return nil
	default:
		return errStalled
	}
}

// close ends the link; what was sent before is still written if the partner takes it soon.
func (l *link) close() { l.once.Do(func() { close(l.closed) }) }

// write writes what is sent until the link is closed, and closes the connection.
func (l *link) write(patience time.Duration) {
	defer l.conn.Close()
	put := func(b []byte) error {
		if err := l.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		_, err := l.conn.Write(b)
		return err
	}
	for {
		select {
		case b := <-l.out:
			if put(b) != nil {
				return // the reader sees the end of the connection
			}
		case <-l.closed:
			patience = time.Second
			for {
				select {
				case b := <-l.out:
					if put(b) != nil {
						return
					}
				default:
					return
				}
			}
		}
	}
}

// accept takes the partner's connections until ctx is done.
func (e *Endpoint) accept(ctx context.Context) {
	places := make(chan struct{}, maxHandshakes)
	for ctx.Err() == nil {
		ln, err := e.transport.Listen(ctx)
		if err != nil {
			e.log.Error("failover peer " + e.cfg.Name + ": cannot listen: " + err.Error())
			wait(ctx, reconnectTime)
			continue
		}
		stop := context.AfterFunc(ctx, func() { ln.Close() })
		for {
			conn, err := ln.Accept()
			if err != nil {
				if ctx.Err() == nil {
					e.log.Error("failover peer " + e.cfg.Name + ": cannot accept: " + err.Error())
					wait(ctx, reconnectTime)
				}
				break
			}
			select {
			case places <- struct{}{}:
				e.tasks.Go(func() {
					defer func() { <-places }()
					e.greet(ctx, conn)
				})
			default:
				conn.Close()
			}
		}
		stop()
		ln.Close()
	}
}

// dial connects to the partner whenever there is no connection: soon at first, since two servers that start at once
// both come too early, and then at longer intervals.
func (e *Endpoint) dial(ctx context.Context) {
	pause := minReconnect
	for ctx.Err() == nil {
		if e.claimed() {
			pause = minReconnect
		} else {
			attempt, cancel := context.WithTimeout(ctx, handshakeTime)
			conn, err := e.transport.Dial(attempt)
			cancel()
			if err == nil {
				e.greet(ctx, conn)
			} else {
				e.log.Debug("failover peer " + e.cfg.Name + ": cannot connect: " + err.Error())
			}
		}
		wait(ctx, pause)
		pause = min(2*pause, reconnectTime)
	}
}

// greet does the handshake on a new connection and hands it to the loop, or closes it.
func (e *Endpoint) greet(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	l, r, err := e.handshake(conn)
	if !stop() && err == nil {
		err = ctx.Err()
		e.release()
	}
	if err != nil {
		conn.Close()
		level := zapcore.WarnLevel
		if errors.Is(err, RejectDuplicateConnection) || ctx.Err() != nil {
			level = zapcore.DebugLevel
		}
		e.log.Log(level, "failover peer "+e.cfg.Name+": "+err.Error())
		return
	}
	e.tasks.Go(func() { l.write(e.cfg.ReceiveTimer) })
	e.tasks.Go(func() { e.read(ctx, l, r) })
}

// handshake does CONNECT and CONNECTACK. If it succeeds the one place for a connection is claimed.
func (e *Endpoint) handshake(conn net.Conn) (*link, *Reader, error) {
	if err := conn.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return nil, nil, err
	}
	write := func(f *Frame) error {
		b, err := f.AppendBinary(nil)
		if err == nil {
			_, err = conn.Write(b)
		}
		return err
	}
	r := NewReader(conn)
	cfg := e.cfg
	cfg.MaxUnacked += int(e.lenient.Load())
	var s Session
	if cfg.Role == Primary {
		if err := write(cfg.ConnectFrame(time.Now())); err != nil {
			return nil, nil, fmt.Errorf("CONNECT: %w", err)
		}
		f, err := r.ReadFrame()
		if err != nil {
			return nil, nil, quiet(fmt.Errorf("CONNECTACK: %w", err))
		}
		var bye *Frame
		if s, bye, err = cfg.TakeConnectAck(time.Now(), f, e.claim); err != nil {
			if bye != nil {
				return nil, nil, errors.Join(err, write(bye))
			}
			return nil, nil, err
		}
	} else {
		f, err := r.ReadFrame()
		if err != nil {
			return nil, nil, quiet(fmt.Errorf("CONNECT: %w", err))
		}
		var ack *Frame
		if ack, s, err = cfg.AnswerConnect(time.Now(), f, e.claim); err != nil {
			if ack != nil {
				return nil, nil, errors.Join(err, write(ack))
			}
			return nil, nil, err
		}
		if err := write(ack); err != nil {
			e.release()
			return nil, nil, fmt.Errorf("CONNECTACK: %w", err)
		}
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		e.release()
		return nil, nil, err
	}
	s.Watched = cfg.ProbeTimeout > 0 && watch(conn, cfg.ProbeTimeout)
	return &link{conn: conn, session: s, out: make(chan []byte, maxUnwritten), closed: make(chan struct{})}, r, nil
}

// quiet takes a connection that the partner closes without a word for a second one: that is how ISC dhcpd refuses it.
func quiet(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("%w: %w", RejectDuplicateConnection, err)
	}
	return err
}

// read feeds the loop with what comes on a link, to the end of it.
func (e *Endpoint) read(ctx context.Context, l *link, r *Reader) {
	err := e.post(ctx, item{event: Connected{l.session}, link: l})
	for err == nil {
		var f *Frame
		if f, err = r.ReadFrame(); err == nil {
			err = e.post(ctx, item{event: Received{f}, link: l})
		} else if errors.Is(err, ErrUnknownType) {
			e.log.Warn("failover peer " + e.cfg.Name + ": " + err.Error())
			err = nil
		}
	}
	if err == io.EOF {
		err = errors.New("peer closed the connection")
	}
	if e.post(ctx, item{event: Disconnected{err}, link: l}) != nil {
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
