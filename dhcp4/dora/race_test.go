package dora

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
)

// holders watches what clients were told. At no moment may two hold one address.
type holders struct {
	mu sync.Mutex
	by map[netip.Addr]string
}

func (h *holders) take(t *testing.T, a netip.Addr, who string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if have := h.by[a]; have != "" && have != who {
		t.Errorf("%v is acknowledged to %s while %s holds it", a, who, have)
	}
	h.by[a] = who
}

func (h *holders) leave(a netip.Addr, who string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.by[a] == who {
		delete(h.by, a)
	}
}

// Hundreds of clients that discover, request, steal, release and decline, in a pool too small for them.
func TestManyClientsAtOnce(t *testing.T) {
	const clients, rounds = 300, 40
	w := newWorld(t, "10.0.10.10", "10.0.10.120")
	w.open()
	held := &holders{by: make(map[netip.Addr]string)}
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			c := &wildClient{t: t, w: w, held: held, mac: number(n), rand: rand.New(rand.NewPCG(1, uint64(n)))}
			for range rounds {
				c.step()
			}
		})
	}
	wg.Wait()
	if err := lease.Check(w.book.All()); err != nil {
		t.Error(err)
	}
	for l := range w.book.All() {
		if who := held.by[l.Addr]; who != "" && (l.Status != lease.Active || l.Client != (msg{mac: who}).client()) {
			t.Errorf("%s holds %v, which is %v of %v", who, l.Addr, l.Status, l.Client)
		}
	}
	s := w.server.Stats()
	if s.Acks == 0 || s.Naks == 0 || s.Released == 0 || s.Abandoned == 0 || s.Exhausted == 0 {
		t.Errorf("the test has not seen everything: %+v", s)
	}
}

// wildClient is a client that behaves well most of the time.
type wildClient struct {
	t    *testing.T
	w    *world
	held *holders
	mac  string
	rand *rand.Rand
	addr netip.Addr // what it holds
}

func (c *wildClient) send(m msg) *dhcp4.Message {
	m.mac = c.mac
	reply, err := c.w.server.ServeDHCP(context.Background(), m.request(c.t, start))
	if err != nil {
		c.t.Errorf("%v: %v", m.kind, err)
	}
	return reply
}

func (c *wildClient) ask(m msg) {
	m.kind = dhcpRequest
	switch reply := c.send(m); {
	case reply == nil:
	case reply.MessageType() == dhcp4.MessageTypeAck:
		if c.addr.IsValid() && c.addr != reply.YourIPAddr {
			c.held.leave(c.addr, c.mac)
		}
		c.addr = reply.YourIPAddr
		c.held.take(c.t, c.addr, c.mac)
	case reply.MessageType() == dhcp4.MessageTypeNak && m.ciaddr == c.addr.String():
		c.t.Errorf("%s is refused %v, which it holds", c.mac, c.addr)
	}
}

func (c *wildClient) step() {
	some := netip.AddrFrom4([4]byte{10, 0, 10, byte(10 + c.rand.IntN(111))}).String()
	switch p := c.rand.IntN(100); {
	case !c.addr.IsValid() && p < 80:
		if offer := c.send(msg{kind: dhcpDiscover}); offer != nil {
			c.ask(msg{wish: offer.YourIPAddr.String(), server: serverAddr.String()})
		}
	case !c.addr.IsValid(): // of another client, or of nobody
		c.ask(msg{wish: some})
	case p < 50:
		c.ask(msg{ciaddr: c.addr.String()})
	case p < 90:
		a := c.addr
		c.addr = netip.Addr{}
		c.held.leave(a, c.mac)
		c.send(msg{kind: dhcpRelease, ciaddr: a.String(), unicast: true})
	case p < 92:
		a := c.addr
		c.addr = netip.Addr{}
		c.held.leave(a, c.mac)
		c.send(msg{kind: dhcpDecline, wish: a.String()})
	case some != c.addr.String(): // as if it held another's
		c.send(msg{kind: dhcpRelease, ciaddr: some, unicast: true})
		c.send(msg{kind: dhcpDecline, wish: some})
	}
}

// However many of a client's messages are answered at once, it is offered one address, and nobody else is offered that.
func TestOneClientAtOnce(t *testing.T) {
	const clients, copies = 50, 8
	w := newWorld(t, "10.0.10.10", "10.0.10.200").open()
	offers := make([][copies]netip.Addr, clients)
	var wg sync.WaitGroup
	for n := range clients {
		for i := range copies {
			wg.Go(func() {
				m, err := w.server.ServeDHCP(context.Background(), msg{kind: dhcpDiscover, mac: number(n)}.request(t, start))
				if err != nil || m == nil {
					t.Errorf("client %d: %s, %v", n, say(m), err)
					return
				}
				offers[n][i] = m.YourIPAddr
			})
		}
	}
	wg.Wait()
	seen := make(map[netip.Addr]int)
	for n := range clients {
		for _, a := range offers[n] {
			if a != offers[n][0] {
				t.Errorf("client %d is offered %v", n, offers[n])
				break
			}
		}
		if other, ok := seen[offers[n][0]]; ok {
			t.Errorf("clients %d and %d are offered %v", n, other, offers[n][0])
		}
		seen[offers[n][0]] = n
	}
	if got := w.server.Stats().OffersHeld; got != clients {
		t.Errorf("%d offers", got)
	}
}

// Leases end while clients renew them: a renewal that was acknowledged is never undone.
func TestRenewalsAgainstExpiry(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.73").open()
	const clients = 64
	for n := range clients {
		w.dora(msg{mac: number(n)})
	}
	late := start.Add(600 * time.Second)
	var wg sync.WaitGroup
	acked := make([]netip.Addr, clients)
	wg.Go(func() {
		if err := w.alone.expire(context.Background(), late); err != nil {
			t.Error(err)
		}
	})
	for n := range clients {
		wg.Go(func() {
			a := addr("10.0.10.10")
			for range n {
				a = a.Next()
			}
			m, err := w.server.ServeDHCP(context.Background(), msg{kind: dhcpRequest, mac: number(n), ciaddr: a.String()}.request(t, late))
			if err != nil {
				t.Error(err)
			}
			if m != nil && m.MessageType() == dhcp4.MessageTypeAck {
				acked[n] = a
			}
		})
	}
	wg.Wait()
	for n, a := range acked {
		if !a.IsValid() {
			continue
		}
		if l := w.book.Get(a); l.Status != lease.Active || l.Client != (msg{mac: number(n)}).client() {
			t.Errorf("%v was acknowledged, and is %v", a, l.Status)
		}
	}
}
