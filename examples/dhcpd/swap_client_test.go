//go:build linux

package main_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// A swapCrowd are clients that live by RFC 2131 while servers come and go, and what they have to complain of.
type swapCrowd struct {
	probe   *probe
	clients []*swapClient
	delay   time.Duration // max-response-delay: what a client may wait besides its own pause
	done    sync.WaitGroup

	mu     sync.Mutex
	acks   map[string]int // by the node that answered
	naks   int
	lost   int // leases that ran out, or addresses that were changed
	wait   swapWait
	faults []string
}

// A swapWait is how long a client was without the answer that it asked for, and the longest pause between two of its
// own messages meanwhile.
type swapWait struct {
	client      *swapClient
	what        string
	took, pause time.Duration
}

// A swapClient is one of a crowd: a resident, which keeps its address as long as it lives, or a visitor, which comes and
// goes.
type swapClient struct {
	*player
	crowd *swapCrowd
	rand  *rand.Rand
	stay  int // renewals until a visitor goes; 0 for a resident

	// Of the lease, by the client's clock: it counts from when the client sent its request (RFC 2131 4.4.1).
	t1, t2, ends time.Time

	// Guarded by crowd.mu, for those who look.
	home    netip.Addr // the address it had last
	has     bool       // an address
	since   time.Time  // of the message that has had no answer yet; zero if all is well
	renewed time.Time  // when the last ACK came
}

// Pauses between a client's messages. RFC 2131 wants at least 60 seconds between two renewals, which would be longer
// than a lease is here: its other rule, half of what remains, holds down to this.
const (
	swapLeastPause    = time.Second / 2
	swapDiscoverPause = 4 * time.Second  // RFC 2131 4.1, doubled each time
	swapMostPause     = 64 * time.Second // until here
)

// swapCrowd makes residents and visitors in a probe. What they do at random is a matter of the seed.
func (p *probe) swapCrowd(residents, visitors int, delay time.Duration, seed uint64) *swapCrowd {
	w := &swapCrowd{probe: p, delay: delay, acks: make(map[string]int)}
	for i, mac := range macs(residents+visitors, 1, "") {
		c := &swapClient{player: p.player(mac), crowd: w, rand: rand.New(rand.NewPCG(seed, uint64(i)))}
		switch i % 4 { // and no identifier for every other
		case 1:
			c.id = append([]byte{1}, mac...)
		case 3: // what a lease file has to quote
			c.id = fmt.Appendf(nil, "\x00\xff\"\\\n{};# %d", i)
		}
		c.host = fmt.Sprintf("guest-%d", i)
		if i >= residents {
			c.stay = 1 + i%2
		}
		w.clients = append(w.clients, c)
	}
	return w
}

// start brings the crowd to life, one after the other within the given time. It lives until ctx is done.
func (w *swapCrowd) start(ctx context.Context, within time.Duration) {
	for i, c := range w.clients {
		after := within * time.Duration(i) / time.Duration(len(w.clients))
		w.done.Go(func() {
			if c.pass(ctx, time.Now().Add(after)) {
				c.live(ctx)
			}
		})
	}
}

// residents are the clients that stay.
func (w *swapCrowd) residents() []*swapClient {
	return slices.DeleteFunc(slices.Clone(w.clients), func(c *swapClient) bool { return c.stay > 0 })
}

// pass lets time pass until t, and reports whether ctx is not done by then.
func (c *swapClient) pass(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// live is the life of a client.
func (c *swapClient) live(ctx context.Context) {
	for renewals := 0; ctx.Err() == nil; {
		switch {
		case !c.bound:
			renewals = 0
			c.acquire(ctx)
		case c.stay > 0 && renewals >= c.stay:
			if !c.visit(ctx) {
				return
			}
		case !c.pass(ctx, c.t1):
			return
		default:
			c.renew(ctx)
			renewals++
		}
	}
}

// visit ends a visit, and waits until the client comes again. Half of the visitors give their address back, the others
// just go.
func (c *swapClient) visit(ctx context.Context) bool {
	c.show(func() { c.has = false })
	if c.rand.IntN(2) == 0 {
		if err := c.release(); err != nil {
			c.crowd.fault("%v cannot send: %v", c.mac, err)
		}
	} else {
		c.hold(netip.Addr{})
	}
	return c.pass(ctx, time.Now().Add(time.Second+c.some(4*time.Second)))
}

// acquire is INIT, SELECTING and REQUESTING, until the client has an address or ctx is done.
func (c *swapClient) acquire(ctx context.Context) {
	began, longest := time.Now(), time.Duration(0)
	c.show(func() { c.since = began })
	for pause := swapDiscoverPause; ctx.Err() == nil; pause = min(2*pause, swapMostPause) {
		secs := withSecs(uint16(time.Since(began) / time.Second))
		this := pause + c.some(time.Second) - time.Second/2
		longest = max(longest, this)
		offer, _ := c.exchange(ctx, this, netip.Addr{}, dhcpv4.MessageTypeDiscover, secs)
		if offer.DHCPv4 == nil {
			continue
		}
		addr, _ := netip.AddrFromSlice(offer.YourIPAddr.To4())
		server, _ := netip.AddrFromSlice(offer.ServerIdentifier().To4())
		a, sent := c.exchange(ctx, this, netip.Addr{}, dhcpv4.MessageTypeRequest, secs, withRequested(addr), withServer(server))
		if a.DHCPv4 != nil && c.take(a, sent, began, longest, "DISCOVER") {
			return
		}
	}
}

// renew is RENEWING and REBINDING, until the client has more time, or has lost its address, or ctx is done.
func (c *swapClient) renew(ctx context.Context) {
	began, longest := time.Now(), time.Duration(0)
	c.show(func() { c.since = began })
	for ctx.Err() == nil {
		now, to, until, what := time.Now(), c.server, c.t2, "RENEW"
		if !now.Before(c.t2) {
			to, until, what = netip.Addr{}, c.ends, "REBIND"
		}
		if !now.Before(c.ends) {
			c.crowd.fault("%v has waited for %.1f s, and its lease of %v has run out", c.mac, now.Sub(began).Seconds(), c.addr)
			c.crowd.lose()
			c.hold(netip.Addr{})
			c.show(func() { c.has = false })
			return
		}
		left := until.Sub(now)
		pause := min(max(left/2, swapLeastPause), left)
		longest = max(longest, pause)
		a, sent := c.exchange(ctx, pause, to, dhcpv4.MessageTypeRequest, withCurrent(c.addr))
		if a.DHCPv4 != nil {
			c.take(a, sent, began, longest, what)
			return
		}
	}
}

// exchange sends a message, waits as long as it may for an answer that decides, and returns it and when the message was
// sent. There may be none.
func (c *swapClient) exchange(ctx context.Context, d time.Duration, to netip.Addr, t dhcpv4.MessageType, ms ...dhcpv4.Modifier) (got answer, sent time.Time) {
	inner, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	m, err := c.message(t, ms...)
	sent = time.Now()
	if err == nil {
		err = c.ask(inner, m, to, func(a answer) bool {
			switch a.MessageType() {
			case dhcpv4.MessageTypeOffer:
				got = a
				return t == dhcpv4.MessageTypeDiscover
			case dhcpv4.MessageTypeAck, dhcpv4.MessageTypeNak:
				got = a
				return t == dhcpv4.MessageTypeRequest
			}
			return false
		})
	}
	if err != nil {
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			c.crowd.fault("%v cannot send: %v", c.mac, err)
			c.pass(inner, sent.Add(d)) // and tries again as if it could
		}
		return answer{}, sent
	}
	return got, sent
}

// take is what a client makes of an ACK or a NAK. It reports whether the client has an address now.
func (c *swapClient) take(a answer, sent, began time.Time, pause time.Duration, what string) bool {
	w, now := c.crowd, time.Now()
	if a.MessageType() == dhcpv4.MessageTypeNak {
		w.fault("%v was NAKed by %s: %s", c.mac, a.server(), a.Message())
		c.show(func() { w.naks++; c.has = false })
		return false
	}
	d := a.IPAddressLeaseTime(0)
	// RFC 2131 4.4.5: T1 and T2 with some fuzz, lest all who came at once come at once again.
	c.t1 = sent.Add(d/2 - c.some(d/16+1))
	c.t2, c.ends = sent.Add(d*7/8), sent.Add(d)
	if home, _ := w.holds(c); c.stay == 0 && home.IsValid() && home != c.addr {
		w.fault("%v had %v, and was given %v by %s", c.mac, home, c.addr, a.server())
		w.lose()
	}
	took := now.Sub(began)
	if took > w.delay+pause {
		w.fault("%v has waited for %v from its first %s on: more than %v and its own pause of %v", c.mac, took, what, w.delay, pause)
	}
	c.show(func() {
		c.home, c.has, c.since, c.renewed = c.addr, true, time.Time{}, now
		w.acks[a.server()]++
		if took > w.wait.took {
			w.wait = swapWait{c, what, took, pause}
		}
	})
	return true
}

// some returns a random part of a time.
func (c *swapClient) some(d time.Duration) time.Duration {
	return time.Duration(c.rand.Int64N(int64(d)))
}

// show changes what others may look at.
func (c *swapClient) show(f func()) {
	c.crowd.mu.Lock()
	defer c.crowd.mu.Unlock()
	f()
}

// holds returns the address that a client had last, and whether it has it.
func (w *swapCrowd) holds(c *swapClient) (netip.Addr, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return c.home, c.has
}

func (w *swapCrowd) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

func (w *swapCrowd) lose() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost++
}

// A swapCount is how a crowd does at a time.
type swapCount struct {
	bound, residents, guests int
	waiting                  int           // for longer than an answer takes
	longest                  time.Duration // of those who wait now
	acks                     map[string]int
	naks, lost               int
	renewed                  time.Time // since then each resident has been renewed
	worst                    swapWait  // of those who do not wait any more, since the last call with reset
}

// count looks at the crowd.
func (w *swapCrowd) count(now time.Time, reset bool) swapCount {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := swapCount{acks: make(map[string]int), naks: w.naks, lost: w.lost, renewed: now, worst: w.wait}
	for node, acks := range w.acks {
		n.acks[node] = acks
	}
	for _, c := range w.clients {
		switch {
		case c.stay == 0:
			n.residents++
			if c.has {
				n.bound++
			}
			if c.renewed.Before(n.renewed) {
				n.renewed = c.renewed
			}
		case c.has:
			n.guests++
		}
		if d := now.Sub(c.since); !c.since.IsZero() && d > 100*time.Millisecond {
			n.waiting++
			n.longest = max(n.longest, d)
		}
	}
	if reset {
		w.wait = swapWait{}
	}
	return n
}

// err returns what went wrong for the crowd.
func (w *swapCrowd) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.faults) == 0 {
		return nil
	}
	return fmt.Errorf("%d complaints, such as\n  %s", len(w.faults), strings.Join(w.faults[:min(len(w.faults), 10)], "\n  "))
}
