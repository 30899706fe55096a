package dhcp4test

import (
	"context"
	"sync"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// guarded is a Lease that one goroutine sets and others look at.
type guarded struct {
	mu sync.Mutex
	l  Lease
}

func (g *guarded) get() Lease {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.l
}

func (g *guarded) set(l Lease) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.l = l
}

// Live has the client do what one does that is switched on and stays on: acquire an address, renew it with its server
// from T1 on and with any from T2 on, begin anew when it is lost. It returns at once; Rest, or the end of the test, ends
// it.
func (c *Client) Live() {
	c.at.lan.t.Helper()
	if c.end != nil {
		c.at.lan.t.Fatalf("dhcp4test: client %v lives already", c)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.end, c.done = cancel, make(chan struct{})
	go func() {
		defer close(c.done)
		for ctx.Err() == nil {
			c.day(ctx)
		}
	}()
}

// Rest ends Live. The client keeps its address.
func (c *Client) Rest() {
	if c.end == nil {
		return
	}
	c.end()
	<-c.done
	c.end = nil
}

// day is one round of a client's life.
func (c *Client) day(ctx context.Context) {
	l, ok := c.Lease()
	switch now := time.Now(); {
	case !ok:
		if l.Addr.IsValid() {
			c.drop() // its time is over
		}
		if _, err := c.acquire(ctx); err != nil {
			pause(ctx, time.Second)
		}
	case now.Before(l.Renewal):
		pause(ctx, l.Renewal.Sub(now))
	case now.Before(l.Rebinding):
		c.prolong(ctx, l, l.Rebinding.Sub(now), false)
	default:
		c.prolong(ctx, l, l.Expiry.Sub(now), true)
	}
}

// prolong tries for so long to renew. RFC 2131 4.4.5: half of what is left between two tries, but not less than a minute.
func (c *Client) prolong(ctx context.Context, l Lease, left time.Duration, anybody bool) {
	m := c.Message(dhcp4.MessageTypeRequest)
	m.ClientIPAddr = l.Addr
	to := l.Server
	if anybody {
		to = limitedBroadcast
	}
	wait := min(max(left/2, leastRenewal), left)
	_, _ = c.request(ctx, m, to, max(wait, 2*time.Second), wait) // the next round sees what has become of it
}

// pause waits for the duration or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
