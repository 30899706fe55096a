package failovertest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
)

// Figures of the connection, as Endpoint has them.
const (
	dialTime      = 5 * time.Second
	handshakeTime = 15 * time.Second
	maxUnwritten  = 64 // messages that a stalled connection takes
)

var (
	errReset     = errors.New("connection reset")
	errEnd       = errors.New("peer closed the connection")
	errStalled   = errors.New("peer does not read")
	errGarbled   = errors.New("message is not the peer's")
	errHandshake = errors.New("handshake timeout")
)

// wire is the network between the two servers.
type wire struct {
	m       *Model
	delay   time.Duration // up to this much a message takes
	stalled [2]bool       // nothing goes to this server
	garble  [2]uint32     // how the next message to this server is damaged; 0: it is not
	conns   []*conn       // that have an open end
	seq     int
}

// conn is one connection, ends[i] being the one at server i.
type conn struct {
	number int
	ends   [2]end
}

// end is what a server has of a connection. What is sent to it arrives in order.
type end struct {
	server  *server
	boot    int // of the server, when the connection was made
	state   phase
	queue   [][]byte // on their way here; nil says that the other end is closed
	ready   time.Duration
	pumping bool
}

type phase uint8

const (
	greeting phase = iota
	up
	gone
)

func (w *wire) open(dialler int) {
	w.seq++
	c := &conn{number: w.seq}
	for i, s := range w.m.servers {
		c.ends[i] = end{server: s, boot: s.boots}
	}
	w.conns = append(w.conns, c)
	w.m.tracef("connection %d, dialled by %s", c.number, w.m.servers[dialler].name)
	w.m.after(handshakeTime, func() {
		for i := range c.ends {
			if c.ends[i].state == greeting {
				c.close(i, errHandshake)
			}
		}
	})
	p := w.m.servers[failover.Primary]
	f := p.cfg.ConnectFrame(p.clock())
	p.pose(f)
	c.send(int(failover.Primary), []*failover.Frame{f})
}

// pose lets a message name the vendor that the server passes for.
func (s *server) pose(f *failover.Frame) {
	if !s.m.cfg.ISC.is(s.cfg.Role) {
		return
	}
	switch b := f.Body.(type) {
	case *failover.Connect:
		b.VendorClass = "isc-4.4.3-P1"
	case *failover.ConnectAck:
		b.VendorClass = "isc-4.4.3-P1"
	}
}

// send sends messages from end i.
func (c *conn) send(i int, frames []*failover.Frame) {
	e, other := &c.ends[i], &c.ends[1-i]
	m := e.server.m
	for _, f := range frames {
		b, err := f.AppendBinary(nil)
		if err != nil {
			m.fail("I10", m.addrOf(f), "%s sends what cannot be sent: %v: %v", e.server.name, f, err)
			return
		}
		m.noted('>', i, b)
		m.tracef("%s > %v", e.server.name, f)
		m.report.Messages++
		if _, ok := f.Body.(*failover.Contact); !ok {
			m.conversation++
		}
		other.queue = append(other.queue, b)
	}
	if len(other.queue) > maxUnwritten+c.ends[i].server.m.window {
		e.server.drop(c, errStalled)
		return
	}
	c.pump(1 - i)
}

// pump delivers what is on its way to end i.
func (c *conn) pump(i int) {
	e := &c.ends[i]
	m := e.server.m
	if e.pumping || len(e.queue) == 0 || m.wire.stalled[i] {
		return
	}
	e.pumping = true
	d := m.upTo(m.wire.delay)
	if e.ready > m.now { // a burst arrives together, more or less
		d = m.upTo(time.Millisecond)
	}
	e.ready = m.now + d + time.Millisecond
	m.after(d, func() {
		e.pumping = false
		if m.wire.stalled[i] || len(e.queue) == 0 {
			return
		}
		b := e.queue[0]
		e.queue = e.queue[1:]
		c.deliver(i, b)
		c.pump(i)
	})
}

// deliver brings a message, or the end of the connection, to end i.
func (c *conn) deliver(i int, b []byte) {
	e := &c.ends[i]
	switch {
	case b == nil:
		if e.state != gone {
			c.lost(i, errEnd)
		}
		return
	case e.state == gone || !e.server.alive || e.boot != e.server.boots:
		e.state = gone
		if e.server.alive && c.ends[1-i].state != gone {
			// There is nobody at this end: a reset goes back.
			c.ends[1-i].queue = append(c.ends[1-i].queue, nil)
			c.pump(1 - i)
		}
		return
	}
	f := new(failover.Frame)
	if how := e.server.m.wire.garble[i]; how != 0 {
		e.server.m.wire.garble[i] = 0
		c.damaged(i, b, how)
		return
	}
	if err := f.UnmarshalBinary(b); err != nil {
		e.server.m.fail("I10", e.server.m.addrOf(f), "%s cannot read %x: %v", e.server.name, b, err)
		return
	}
	if e.state == up {
		e.server.post(item{event: failover.Received{Frame: f}, conn: c})
		return
	}
	c.greet(i, f)
}

// greet is the handshake at end i.
func (c *conn) greet(i int, f *failover.Frame) {
	e := &c.ends[i]
	s := e.server
	claim := func() bool {
		if s.claimed {
			return false
		}
		s.claimed = true
		return true
	}
	var answer *failover.Frame
	var session failover.Session
	var err error
	if s.cfg.Role == failover.Primary {
		session, answer, err = s.cfg.TakeConnectAck(s.clock(), f, claim)
	} else {
		answer, session, err = s.cfg.AnswerConnect(s.clock(), f, claim)
	}
	if answer != nil {
		s.pose(answer)
		c.send(i, []*failover.Frame{answer})
	}
	if err != nil {
		s.m.tracef("%s refuses connection %d: %v", s.name, c.number, err)
		c.close(i, err)
		return
	}
	e.state = up
	s.post(item{event: failover.Connected{Session: session}, conn: c})
}

// close closes end i; the other hears of it after all that was sent before.
func (c *conn) close(i int, cause error) {
	e := &c.ends[i]
	if e.state == gone {
		return
	}
	e.server.m.tracef("%s closes connection %d: %v", e.server.name, c.number, cause)
	e.state, e.queue = gone, nil
	if c.ends[1-i].state != gone {
		c.ends[1-i].queue = append(c.ends[1-i].queue, nil)
		c.pump(1 - i)
	}
	c.forget()
}

// lost tells the server at end i that the connection is gone.
func (c *conn) lost(i int, cause error) {
	e := &c.ends[i]
	was := e.state
	e.state, e.queue = gone, nil
	if was == up && e.server.alive && e.boot == e.server.boots {
		e.server.post(item{event: failover.Disconnected{Cause: cause}, conn: c})
	}
	c.forget()
}

func (c *conn) forget() {
	if c.ends[0].state != gone || c.ends[1].state != gone {
		return
	}
	w := &c.ends[0].server.m.wire
	for i, have := range w.conns {
		if have == c {
			w.conns = append(w.conns[:i], w.conns[i+1:]...)
			return
		}
	}
}

// damaged is what a message arrives as when something on the way has changed it. Whatever the octets say, reading them
// must not hurt (I11), and the connection ends: because they cannot be read, or because their digest or TLS tells.
func (c *conn) damaged(i int, b []byte, how uint32) {
	e := &c.ends[i]
	m := e.server.m
	b = bytes.Clone(b)
	rng := rand.New(rand.NewPCG(uint64(how), 3))
	for range 1 + rng.IntN(8) {
		b[rng.IntN(len(b))] = byte(rng.Uint32())
	}
	if rng.IntN(3) == 0 {
		b = b[:rng.IntN(len(b))]
	}
	f := new(failover.Frame)
	err := f.UnmarshalBinary(b)
	if err == nil {
		if _, err := f.AppendBinary(nil); err != nil {
			m.tracef("%s reads what it could not write: %v", e.server.name, err)
		}
		err = errGarbled
	}
	m.tracef("%s gets a damaged message: %v", e.server.name, err)
	if c.ends[1-i].state != gone {
		c.ends[1-i].queue = append(c.ends[1-i].queue, nil)
		c.pump(1 - i)
	}
	c.lost(i, err)
}

// reset breaks all connections, at both ends at once or only at one, in which case the other finds out by silence; what
// is on its way is lost.
func (w *wire) reset(only int) {
	for _, c := range append([]*conn(nil), w.conns...) {
		for i := range c.ends {
			if c.ends[i].state != gone && only != i {
				c.lost(i, errReset)
			}
		}
	}
}

// stall holds up what goes to server i, or lets it go on.
func (w *wire) stall(i int, on bool) {
	w.stalled[i] = on
	if on {
		return
	}
	for _, c := range append([]*conn(nil), w.conns...) {
		c.pump(i)
	}
}
