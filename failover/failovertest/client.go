package failovertest

import (
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// Patience of a client, in the spirit of RFC 2131 section 4.1 and ISC dhclient.
const (
	firstWait   = 4 * time.Second
	longestWait = 64 * time.Second
	lazyWait    = 10 * time.Minute // of a client that has asked in vain for hours, in worlds that live for weeks
	maxTries    = 4                // of a DHCPREQUEST, before it begins anew
	gatherTime  = 2 * time.Second
	leastRenew  = 5 * time.Second // between two tries to renew; in worlds that live for weeks a minute (RFC 2131 section 4.4.5)
)

// clientState is one of figure 5 of RFC 2131.
type clientState uint8

const (
	off clientState = iota
	selecting
	requesting
	bound
	renewing
	rebinding
	rebooting
)

var clientStates = [...]string{"off", "selecting", "requesting", "bound", "renewing", "rebinding", "rebooting"}

// client is a DHCP client as RFC 2131 has it.
type client struct {
	m     *Model
	id    int
	name  lease.Client
	state clientState
	turn  int // counts what it does: timers of before are void

	xid    int
	tries  int
	began  time.Duration // of this attempt: secs counts from here
	offers []message

	addr   netip.Addr    // that it has, or had last
	server int           // that gave it
	since  time.Duration // when the request was sent
	end    time.Duration // of the lease; past: it holds nothing
	asked  time.Duration // when it sent its last DHCPREQUEST
	tried  time.Duration // when it sent its last DHCPDISCOVER
	missed int           // DHCPDISCOVERs in a row that a server could have served (I12)

	excused bool // the server that gave the lease has lost its ledger since

	// Of strangers.
	twin   bool // another client has the same name: what either holds, no server can tell
	fickle bool // it changes its name
	picky  bool // it declines much
}

func newClient(m *Model, id int) *client {
	hw := []byte{2, 0, 0, byte(m.rng.Uint32()), byte(m.rng.Uint32()), byte(id)}
	c := &client{m: m, id: id, name: lease.Client{HW: lease.MakeHWAddr(1, hw)}, server: -1}
	if m.chance(50) {
		c.name.ID = "\x01" + string(hw)
	}
	return c
}

// holds reports whether the client may use its address.
func (c *client) holds() bool { return c.addr.IsValid() && c.end > c.m.now }

// later lets the client do something unless it does something else before.
func (c *client) later(d time.Duration, do func()) {
	c.turn++
	turn := c.turn
	c.m.after(d, func() {
		if c.turn == turn {
			do()
		}
	})
}

// become changes the state.
func (c *client) become(s clientState) {
	c.state, c.tries, c.offers = s, 0, nil
	c.xid++
}

// forget ends the client's claim on its address.
func (c *client) forget() {
	c.end = 0
	if c.m.holders[c.addr] == c {
		delete(c.m.holders, c.addr)
	}
}

// begin starts a client that has nothing, or remembers only what it had.
func (c *client) begin() {
	if c.m.closed {
		c.state = off
		c.turn++
		return
	}
	c.began = c.m.now
	c.become(selecting)
	c.discover()
}

func (c *client) secs() uint16 { return uint16(min((c.m.now-c.began)/time.Second, 0xffff)) }

// wait is how long a client waits before it tries again.
func (c *client) wait() time.Duration {
	d := min(firstWait<<min(c.tries, 10), longestWait)
	return d - time.Second + c.m.upTo(2*time.Second)
}

func (c *client) discover() {
	if c.m.closed {
		c.state = off
		return
	}
	c.offers = nil
	c.m.checkServed(c)
	msg := message{kind: discover, client: c, xid: c.xid, secs: c.secs(), server: -1}
	if c.addr.IsValid() && c.m.rng.IntN(4) != 0 {
		msg.addr = c.addr
	}
	c.m.lan.broadcast(msg)
	d := c.wait()
	if c.tries++; c.m.long && c.tries > 60 {
		d = lazyWait
	}
	c.later(d, c.discover)
}

// ask sends DHCPREQUEST.
func (c *client) ask() {
	if c.m.closed {
		c.state = off
		return
	}
	msg := message{kind: request, client: c, xid: c.xid, secs: c.secs(), server: -1, addr: c.addr, sentAt: c.m.now}
	now := c.m.now
	c.asked = now
	t2 := c.since + (c.end-c.since)*7/8
	switch c.state {
	case requesting:
		if c.tries == maxTries {
			c.begin()
			return
		}
		o := c.offers[0]
		msg.server, msg.addr = o.server, o.addr
		c.m.lan.broadcast(msg)
		c.later(c.wait(), c.ask)
	case rebooting:
		if c.tries == maxTries {
			// RFC 2131 3.2: it may use its address for what is left of the lease.
			if !c.holds() || c.m.chance(50) {
				c.forget()
				c.begin()
				return
			}
			c.become(bound)
			c.timers()
			return
		}
		c.m.lan.broadcast(msg)
		c.later(c.wait(), c.ask)
	case renewing:
		if now >= t2 {
			c.become(rebinding)
			c.began = now
			c.ask()
			return
		}
		msg.holds = true
		c.m.lan.unicast(c.server, msg)
		c.later(min(max((t2-now)/2, c.patience()), t2-now), c.ask)
	case rebinding:
		if now >= c.end {
			c.forget()
			c.begin()
			return
		}
		msg.holds = true
		c.m.lan.broadcast(msg)
		c.later(min(max((c.end-now)/2, c.patience()), c.end-now), c.ask)
	}
	c.tries++
}

// patience is the least time between two tries to renew.
func (c *client) patience() time.Duration {
	if c.m.long {
		return time.Minute
	}
	return leastRenew
}

// hears takes a message off the LAN.
func (c *client) hears(msg message) {
	if msg.xid != c.xid || c.state == off || c.state == bound {
		return
	}
	switch msg.kind {
	case offered:
		if c.state != selecting {
			return
		}
		c.offers = append(c.offers, msg)
		if len(c.offers) == 1 {
			c.later(c.m.upTo(gatherTime), c.choose)
		}
	case ack:
		if c.state == selecting || c.state != requesting && msg.addr != c.addr {
			return
		}
		c.bind(msg)
	case nak:
		if c.state == selecting || c.state == requesting && msg.server != c.offers[0].server {
			return
		}
		c.m.tracef("client %d is refused %v by %s", c.id, msg.addr, c.m.servers[msg.server].name)
		c.forget()
		c.begin()
	}
}

// choose takes one of the offers.
func (c *client) choose() {
	o := c.offers[c.m.rng.IntN(len(c.offers))]
	c.become(requesting)
	c.offers = []message{o}
	c.ask()
}

// bind takes the address.
func (c *client) bind(msg message) {
	fresh := c.state == requesting
	if c.addr != msg.addr {
		c.forget() // what it had before
	}
	c.addr, c.server = msg.addr, msg.server
	c.since, c.end = msg.sentAt, msg.sentAt+time.Duration(msg.time)*time.Second
	c.m.report.Acks++
	c.missed, c.excused = 0, msg.sentAt < c.m.servers[msg.server].lost
	c.m.noted('b', c.id, []byte(c.addr.String()))
	c.m.tracef("client %d has %v from %s until %.3f", c.id, c.addr, c.m.servers[c.server].name, c.end.Seconds())
	c.m.checkHolder(c)
	c.become(bound)
	if fresh && (c.m.chance(2) || c.picky && c.m.chance(30)) {
		c.m.tracef("client %d declines %v", c.id, c.addr)
		c.m.lan.unicast(c.server, message{kind: decline, client: c, xid: c.xid, server: c.server, addr: c.addr, sentAt: c.m.now})
		c.forget()
		c.later(10*time.Second, c.begin)
		c.addr = netip.Addr{}
		return
	}
	c.timers()
}

// timers plans what comes next in the life of a bound client.
func (c *client) timers() {
	t1 := c.since + (c.end-c.since)/2
	wait := max(t1-c.m.now, time.Second)
	if c.m.closed || c.m.calm || !c.m.chance(12) {
		c.later(wait, func() {
			if c.m.closed {
				c.state = off
				return
			}
			c.become(renewing)
			c.began = c.m.now
			c.ask()
		})
		return
	}
	c.later(c.m.upTo(wait), func() {
		switch c.m.rng.IntN(4) {
		case 0:
			c.m.tracef("client %d releases %v", c.id, c.addr)
			c.m.lan.unicast(c.server, message{kind: release, client: c, xid: c.xid, server: c.server, addr: c.addr, sentAt: c.m.now})
			c.forget()
			c.sleep(c.begin)
		case 1:
			c.m.tracef("client %d forgets %v", c.id, c.addr)
			c.forget()
			c.addr = netip.Addr{}
			c.begin()
		case 2:
			c.m.tracef("client %d begins anew", c.id) // it will ask for the address it had
			c.forget()
			if c.fickle {
				c.rename()
			}
			c.begin()
		default:
			c.m.tracef("client %d is off", c.id)
			c.sleep(c.reboot)
		}
	})
}

// sleep turns the client off for a while, mostly short and sometimes long.
func (c *client) sleep(then func()) {
	c.state = off
	longest := time.Hour
	if c.m.long {
		longest = 5 * 24 * time.Hour
	}
	c.later(c.m.upTo(one(c.m, 10*time.Second, 5*time.Minute, longest)), then)
}

// reboot asks for the address that the client remembers.
func (c *client) reboot() {
	if !c.addr.IsValid() || c.m.closed {
		c.begin()
		return
	}
	c.m.tracef("client %d is on again and remembers %v", c.id, c.addr)
	c.began = c.m.now
	c.become(rebooting)
	c.ask()
}
