package dhcp4test

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// wire carries the TCP connections between two servers, over the LAN on which both are.
type wire struct {
	ends [2]*station

	mu        sync.Mutex
	cut       [2]bool // nothing goes from this end
	listeners [2]*listener
	links     map[*tcp]bool
	tasks     sync.WaitGroup
}

// tcp is one connection.
type tcp struct {
	dead bool // one of its hosts lost its power: nothing goes through any more
	raw  [2]net.Conn
}

func newWire(a, b *station) *wire { return &wire{ends: [2]*station{a, b}, links: make(map[*tcp]bool)} }

// setCut says whether anything goes from an end to the other.
func (w *wire) setCut(from int, cut bool) {
	w.mu.Lock()
	w.cut[from] = cut
	w.mu.Unlock()
	w.stir()
}

// open reports whether octets go from an end to the other now, and returns a channel that is closed when that may change.
func (w *wire) open(from int) (bool, <-chan struct{}) {
	l := w.ends[0].lan
	l.mu.Lock()
	reaches, changed := w.ends[from].reaches(w.ends[1-from]), l.changed
	l.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	return reaches && !w.cut[from], changed
}

// wait waits until octets go from an end to the other.
func (w *wire) wait(ctx context.Context, from int) error {
	for {
		open, changed := w.open(from)
		if open {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// end is the failover.Transport of one of the two.
type end struct {
	wire *wire
	n    int
}

// Listen implements failover.Transport.
func (e end) Listen(context.Context) (net.Listener, error) {
	ln := &listener{conns: make(chan net.Conn, 16), done: make(chan struct{})}
	e.wire.mu.Lock()
	defer e.wire.mu.Unlock()
	e.wire.listeners[e.n] = ln
	return ln, nil
}

// Dial implements failover.Transport.
func (e end) Dial(ctx context.Context) (net.Conn, error) {
	w := e.wire
	for _, from := range []int{e.n, 1 - e.n} { // SYN, and the answer to it
		if w.partnerUp(e.n) {
			if err := w.wait(ctx, from); err != nil {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
			}
		}
	}
	w.mu.Lock()
	ln := w.listeners[1-e.n]
	w.mu.Unlock()
	if ln == nil || !w.partnerUp(e.n) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	mine, theirs := w.connect(e.n)
	select {
	case ln.conns <- theirs:
		return mine, nil
	case <-ln.done:
	default:
	}
	mine.Close()
	theirs.Close()
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

func (w *wire) partnerUp(n int) bool {
	p := w.ends[1-n]
	p.lan.mu.Lock()
	defer p.lan.mu.Unlock()
	return p.up
}

// connect makes a connection, the first end for the one that dials.
func (w *wire) connect(from int) (mine, theirs net.Conn) {
	mine, a := net.Pipe()
	theirs, b := net.Pipe()
	l := &tcp{}
	l.raw[from], l.raw[1-from] = a, b
	w.mu.Lock()
	defer w.mu.Unlock()
	w.links[l] = true
	var both sync.WaitGroup
	for n := range 2 {
		both.Add(1)
		w.tasks.Go(func() { w.pump(l, n); both.Done() })
	}
	w.tasks.Go(func() {
		both.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.links, l)
	})
	return mine, theirs
}

// pump carries octets, and the end of them, from one end to the other, when the wire lets them pass.
func (w *wire) pump(l *tcp, from int) {
	b := make([]byte, 1<<16)
	for {
		n, err := l.raw[from].Read(b)
		w.hold(l, from)
		w.mu.Lock()
		dead := l.dead
		w.mu.Unlock()
		if dead {
			if err != nil {
				return
			}
			continue
		}
		if err == nil {
			_, err = l.raw[1-from].Write(b[:n])
		}
		if err != nil {
			l.raw[1-from].Close()
			l.raw[from].Close()
			return
		}
	}
}

// hold waits until the wire is open or the connection is dead.
func (w *wire) hold(l *tcp, from int) {
	for {
		open, changed := w.open(from)
		w.mu.Lock()
		dead := l.dead || w.cutOff(l)
		w.mu.Unlock()
		if open || dead {
			return
		}
		<-changed
	}
}

// cutOff reports whether the connection was reset. w.mu is held.
func (w *wire) cutOff(l *tcp) bool { return !w.links[l] }

// reset ends all connections, as the system does for a process that is killed: the partner sees the end of them.
func (w *wire) reset() {
	w.mu.Lock()
	for l := range w.links {
		l.raw[0].Close()
		l.raw[1].Close()
		delete(w.links, l)
	}
	w.mu.Unlock()
	w.stir()
}

// freeze has all connections carry nothing any more, as those of a host without power: the partner hears nothing.
func (w *wire) freeze() {
	w.mu.Lock()
	for l := range w.links {
		l.dead = true
	}
	w.mu.Unlock()
	w.stir()
}

// stir wakes the pumps, to look again.
func (w *wire) stir() {
	l := w.ends[0].lan
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stir()
}

// close ends all connections and waits for what carried them.
func (w *wire) close() {
	w.reset()
	w.tasks.Wait()
}

// listener gives what the partner dials.
type listener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, net.ErrClosed
	default:
	}
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		for {
			select {
			case c := <-l.conns:
				c.Close()
			default:
				return
			}
		}
	})
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "tcp" }
func (pipeAddr) String() string  { return "in memory" }
