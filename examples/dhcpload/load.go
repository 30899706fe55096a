package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

const (
	// maxBatch is how many datagrams are read or written at once.
	maxBatch = 64
	// maxAnswer is room for the longest answer, in octets.
	maxAnswer = 1500
	// maxAsks is how often a client asks for its address at the end, before it is taken for forgotten, and verifyWindow
	// how many do so at once.
	maxAsks      = 5
	verifyWindow = 128
	// paceEvery is how often exchanges are begun in an open loop, and waits that are over are looked for.
	paceEvery = time.Millisecond
)

// phase is what a client is waiting for.
type phase uint8

const (
	idle phase = iota
	selecting
	requesting
	renewing
	rebooting
)

// client is one of the clients. Its number is its index.
type client struct {
	began  time.Time // the exchange under way
	asked  time.Time // its last message
	addr   uint32    // it holds, or is about to
	server uint32    // that it chose
	had    uint32    // it held before this exchange
	round  uint8     // of its last message, in the first octet of xid
	phase  phase
	asks   uint8 // how often it has asked for its address after a reboot
}

// wait is a message that is not answered yet.
type wait struct {
	client int32
	round  uint8
	until  time.Time
}

// generator is a load as it goes on. One goroutine reads answers, another looks at the clock; each holds mu while it
// decides and sends.
type generator struct {
	cfg       config
	conn      dhcp4.Conn
	templates [kinds]template
	relays    [][4]byte

	mu      sync.Mutex
	start   time.Time
	clients []client
	fresh   int          // the first client that has never asked
	resting queue[int32] // clients without a lease whose exchange came to nothing
	bound   queue[int32] // clients with a lease, and no exchange under way
	waits   queue[wait]  // in the order in which they end
	flying  int          // exchanges under way
	out     []dhcp4.Datagram
	held    *holders
	trace   *trace
	ended   bool // no more exchanges are begun
	lost    error
	result  result
}

// load makes the load that cfg describes over conn, which it closes, and returns what came of it.
func load(ctx context.Context, cfg config, conn dhcp4.Conn, progress io.Writer) (*result, error) {
	g, err := newGenerator(cfg, conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	read := make(chan error, 1)
	go func() { read <- g.read() }()
	g.begin()
	g.pace(ctx, progress)
	if cfg.Verify && ctx.Err() == nil {
		g.verify(ctx)
	}
	err = errors.Join(conn.CloseRead(), <-read, conn.Close(), g.lost, g.trace.flush())
	return &g.result, err
}

func newGenerator(cfg config, conn dhcp4.Conn) (*generator, error) {
	ts, err := newTemplates(cfg)
	if err != nil {
		return nil, err
	}
	g := &generator{
		cfg: cfg, conn: conn, templates: ts, held: newHolders(cfg.First), trace: newTrace(cfg.Trace),
		clients: make([]client, cfg.Clients), out: make([]dhcp4.Datagram, 0, maxBatch),
	}
	for _, a := range cfg.Relays {
		g.relays = append(g.relays, a.As4())
	}
	return g, nil
}

// begin begins the first exchanges.
func (g *generator) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.start = time.Now()
	g.refill(g.start)
	g.flush()
}

// read takes in answers until the Conn is closed for reading.
func (g *generator) read() error {
	ds := make([]dhcp4.Datagram, maxBatch)
	for i := range ds {
		ds[i].Data = make([]byte, 0, maxAnswer)
	}
	for {
		n, err := g.conn.ReadBatch(ds)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		now := time.Now()
		g.mu.Lock()
		if err != nil {
			g.lost = err // a relay's port unreachable comes this way, and is no reason to stop
		}
		for i := range ds[:n] {
			if a, ok := parseAnswer(ds[i].Data); ok {
				g.heard(now, a)
			} else {
				g.result.Strange++
			}
		}
		if g.cfg.Rate == 0 {
			g.refill(now)
		}
		g.flush()
		g.mu.Unlock()
	}
}

// pace looks at the clock until the load is over, and nothing is waited for.
func (g *generator) pace(ctx context.Context, progress io.Writer) {
	tick := time.NewTicker(paceEvery)
	defer tick.Stop()
	said, before := g.start, result{}
	for {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		now := time.Now()
		g.mu.Lock()
		if ctx.Err() != nil || g.cfg.For > 0 && now.Sub(g.start) >= g.cfg.For || g.cfg.Count > 0 && g.result.Begun >= g.cfg.Count {
			if !g.ended {
				g.ended, g.result.Took = true, now.Sub(g.start)
				g.result.inTime = g.result.completed()
			}
		}
		g.expire(now)
		g.refill(now)
		g.flush()
		over := g.ended && (g.flying == 0 || ctx.Err() != nil)
		g.result.Twice, g.result.Examples = g.held.twice, g.held.examples
		line := ""
		if !g.cfg.Quiet && now.Sub(said) >= time.Second {
			line = g.result.since(&before, now.Sub(said), now.Sub(g.start), g.flying)
			said, before = now, g.result
		}
		g.mu.Unlock()
		if line != "" {
			fmt.Fprintln(progress, line)
		}
		if over {
			return
		}
	}
}

// refill begins exchanges as far as it is time for them.
func (g *generator) refill(now time.Time) {
	for !g.ended && (g.cfg.Count == 0 || g.result.Begun < g.cfg.Count) {
		if g.cfg.Rate > 0 && g.result.Begun+g.result.NotBegun >= g.cfg.due(now.Sub(g.start)) {
			return
		}
		if g.flying >= g.cfg.Window || !g.next(now) {
			if g.cfg.Rate == 0 {
				return
			}
			g.result.NotBegun++
		}
	}
}

// next begins one exchange. It reports false if all clients are busy.
func (g *generator) next(now time.Time) bool {
	if g.cfg.Renew > 0 && g.bound.len() > 0 && rand.IntN(100) < g.cfg.Renew {
		g.exchange(now, g.bound.pop(), renewing)
		return true
	}
	switch {
	case g.fresh < len(g.clients):
		g.exchange(now, int32(g.fresh), selecting)
		g.fresh++
	case g.resting.len() > 0:
		g.exchange(now, g.resting.pop(), selecting)
	case g.bound.len() > 0 && g.cfg.Renew == 100:
		g.exchange(now, g.bound.pop(), renewing)
	case g.bound.len() > 0:
		g.exchange(now, g.bound.pop(), selecting)
	default:
		return false
	}
	return true
}

// exchange begins one of client i.
func (g *generator) exchange(now time.Time, i int32, p phase) {
	c := &g.clients[i]
	c.began, c.had, c.phase = now, c.addr, p
	g.flying++
	g.result.Begun++
	switch p {
	case renewing:
		g.send(now, i, renew)
	case rebooting:
		g.send(now, i, reboot)
	default:
		g.send(now, i, discover)
	}
}

// send sends a message of client i, soon.
func (g *generator) send(now time.Time, i int32, k kind) {
	c := &g.clients[i]
	c.round++
	c.asked = now
	g.waits.push(wait{i, c.round, now.Add(g.cfg.Timeout)})
	relay := int(i) % len(g.relays)
	xid := uint32(c.round)<<24 | uint32(i)
	for _, server := range g.cfg.Servers {
		if len(g.out) == cap(g.out) {
			g.flush()
		}
		n := len(g.out)
		g.out = g.out[:n+1]
		d := &g.out[n]
		d.Data = g.templates[k].appendTo(d.Data[:0], uint32(g.cfg.First)+uint32(i), xid, g.relays[relay], c.addr, c.server)
		d.Src, d.Dst = netip.AddrPortFrom(g.cfg.Relays[relay], g.cfg.Port), server
		g.result.Sent++
	}
}

// flush sends what is to be sent.
func (g *generator) flush() {
	for ds := g.out; len(ds) > 0; {
		n, err := g.conn.WriteBatch(ds)
		if err == nil {
			break
		}
		g.result.Unsent++
		g.lost = err
		ds = ds[n+1:]
	}
	g.out = g.out[:0]
}

// heard takes in an answer.
func (g *generator) heard(now time.Time, a answer) {
	g.result.Received++
	i := a.xid & (maxClients - 1)
	if int(i) >= len(g.clients) || a.hw != hwAddr(uint32(g.cfg.First)+i) {
		g.result.Strange++
		return
	}
	c := &g.clients[i]
	if c.round != uint8(a.xid>>24) || c.phase == idle {
		g.result.Late++ // or the second server's answer to the same message
		return
	}
	r := &g.result
	switch {
	case a.kind == dhcp4.MessageTypeOffer && c.phase == selecting:
		r.Offer.add(now.Sub(c.asked))
		c.addr, c.server, c.phase = a.addr, a.server, requesting
		g.send(now, int32(i), request)
	case a.kind == dhcp4.MessageTypeAck && c.phase != selecting:
		g.acked(now, int32(i), a)
	case a.kind == dhcp4.MessageTypeNak && c.phase != selecting:
		g.refused(now, int32(i))
	default:
		r.Strange++
	}
}

// acked ends an exchange of client i well.
func (g *generator) acked(now time.Time, i int32, a answer) {
	c, r := &g.clients[i], &g.result
	switch c.phase {
	case requesting:
		r.Ack.add(now.Sub(c.asked))
		r.DORA.add(now.Sub(c.began))
	case renewing:
		r.Renewal.add(now.Sub(c.began))
	case rebooting:
		r.Verified++
		if a.addr != c.addr {
			r.Forgotten++
		}
	}
	g.held.gave(now, i, a.addr, c.had, now.Add(a.lease), a.server)
	c.addr, c.server = a.addr, a.server
	g.over(now, c, gotAck)
	g.bound.push(i)
}

// refused ends an exchange of client i with a DHCPNAK.
func (g *generator) refused(now time.Time, i int32) {
	c, r := &g.clients[i], &g.result
	r.Refused++
	if c.phase == rebooting {
		r.Forgotten++
	}
	for _, addr := range [...]uint32{c.had, c.addr} {
		g.held.took(i, addr)
	}
	c.addr = 0
	g.over(now, c, gotNak)
	g.resting.push(i)
}

// over ends the exchange of c. What is asked at the end to verify leases is not part of the load.
func (g *generator) over(now time.Time, c *client, o outcome) {
	if c.phase != rebooting {
		g.trace.over(now, c, o)
	}
	c.phase = idle
	g.flying--
}

// expire gives up what was waited for long enough. A client that renews keeps its lease; one that looked for another
// than it had keeps that, since nobody has taken it away.
func (g *generator) expire(now time.Time) {
	for g.waits.len() > 0 {
		w := *g.waits.front()
		c := &g.clients[w.client]
		answered := c.phase == idle || c.round != w.round
		if !answered && now.Before(w.until) {
			return
		}
		g.waits.pop()
		if answered {
			continue
		}
		o := noOffer
		switch c.phase {
		case selecting:
			g.result.NoOffer++
		case requesting:
			g.result.NoAck++
			o = noAck
		case renewing:
			g.result.NoRenewal++
			o = noRenewal
		case rebooting:
			if c.asks < maxAsks {
				c.asks++
				g.send(now, w.client, reboot)
				continue
			}
			g.result.Forgotten++
		}
		c.addr = c.had
		g.over(now, c, o)
		if c.addr == 0 {
			g.resting.push(w.client)
		} else {
			g.bound.push(w.client)
		}
	}
}

// verify has each client with a lease that is not over ask for its address again.
func (g *generator) verify(ctx context.Context) {
	tick := time.NewTicker(paceEvery)
	defer tick.Stop()
	for i := int32(0); ; {
		now := time.Now()
		g.mu.Lock()
		g.expire(now)
		for ; i < int32(len(g.clients)) && g.flying < min(g.cfg.Window, verifyWindow); i++ {
			g.clients[i].asks = 1
			if h, ok := g.held.of[g.clients[i].addr]; ok && h.client == i && now.Before(h.until) {
				g.exchange(now, i, rebooting)
				g.result.Begun--
			}
		}
		g.flush()
		over := g.flying == 0 && i == int32(len(g.clients))
		g.result.Twice, g.result.Examples = g.held.twice, g.held.examples
		g.mu.Unlock()
		if over {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
