//go:build linux

package main_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// acquireAll has each client come to an address within a minute.
func acquireAll(t testing.TB, clients []*player) {
	t.Helper()
	ctx := within(t, time.Minute)
	if err := everyone(clients, func(c *player) error { _, err := c.acquire(ctx); return err }); err != nil {
		t.Error(err)
	}
}

// keepAll has each client ask by broadcast for more time: it must be given that, and the address it has.
func keepAll(t testing.TB, clients []*player) {
	t.Helper()
	keepBy(t, clients, (*player).rebind)
}

// renewAll is keepAll by unicast to the server that gave the address.
func renewAll(t testing.TB, clients []*player) {
	t.Helper()
	keepBy(t, clients, (*player).renew)
}

func keepBy(t testing.TB, clients []*player, ask func(*player, context.Context) (answer, error)) {
	t.Helper()
	ctx := within(t, time.Minute)
	if err := everyone(clients, func(c *player) error {
		addr := c.addr
		_, err := ask(c, ctx)
		if err == nil && c.addr != addr {
			err = fmt.Errorf("had %v, has %v", addr, c.addr)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// A tenancy is clients that live on their own, and what they have to complain of.
type tenancy struct {
	ctx  context.Context
	stop context.CancelFunc
	done sync.WaitGroup

	mu      sync.Mutex
	clients []*player
	faults  []string
	acks    int
}

// tenants brings clients to life: each comes to an address, renews it at half of its time, by unicast at first and then
// by broadcast, and complains if it loses it. They live until end or the end of the test.
func (p *probe) tenants(t testing.TB, clients []*player) *tenancy {
	w := new(tenancy)
	w.ctx, w.stop = context.WithCancel(t.Context())
	t.Cleanup(func() { w.stop(); w.done.Wait() })
	for i, c := range clients {
		w.add(c, time.Duration(i)*20*time.Millisecond)
	}
	return w
}

// add brings one more client to life after a delay. If it has an address already it begins by asking for more time.
func (w *tenancy) add(c *player, delay time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clients = append(w.clients, c)
	w.done.Go(func() {
		pass(w.ctx, delay)
		for w.ctx.Err() == nil {
			w.live(w.ctx, c)
		}
	})
}

// pass lets time pass, unless ctx is done.
func pass(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// live is the life of a client from one address to its loss.
func (w *tenancy) live(ctx context.Context, c *player) {
	sent := time.Now()
	begin := c.acquire
	if c.addr.IsValid() {
		begin = c.rebind
	}
	a, err := begin(ctx)
	if err != nil {
		if ctx.Err() == nil {
			w.fault("%v: %v", c.mac, err)
		}
		return
	}
	home := c.addr
	for ctx.Err() == nil {
		w.mu.Lock()
		w.acks++
		w.mu.Unlock()
		end := sent.Add(a.IPAddressLeaseTime(0))
		pass(ctx, time.Until(end)/2)
		again := false
		for a.DHCPv4 = nil; a.DHCPv4 == nil && ctx.Err() == nil; again = true {
			if !time.Now().Before(end) {
				w.fault("%v was not given more time for %v, and its lease has run out", c.mac, home)
				c.hold(netip.Addr{})
				return
			}
			sent = time.Now()
			asking, cancel := context.WithTimeout(ctx, min(time.Until(end), 1500*time.Millisecond))
			got, err := w.ask(asking, c, again)
			cancel()
			switch {
			case errors.Is(err, errNak):
				w.fault("%v had %v and was NAKed: %v", c.mac, home, err)
				return
			case err == nil:
				a = got
			}
		}
	}
}

// ask is one attempt at more time.
func (w *tenancy) ask(ctx context.Context, c *player, broadcast bool) (answer, error) {
	m, err := c.renewal()
	if err != nil {
		return answer{}, err
	}
	to := c.server
	if broadcast {
		to = netip.Addr{}
	}
	return c.verdict(ctx, m, to)
}

func (w *tenancy) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fmt.Sprintf("%s ", time.Now().Format("15:04:05.000"))+fmt.Sprintf(format, args...))
}

// settled waits until each of the clients has an address, and has it for a while.
func (w *tenancy) settled(t testing.TB) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		if n := len(w.clients[0].probe.lab.told.promises()); n < len(w.clients) {
			return fmt.Errorf("%d of %d clients have an address", n, len(w.clients))
		}
		return nil
	})
}

// end ends the lives of the clients and fails the test for what they complain of.
func (w *tenancy) end(t testing.TB) {
	t.Helper()
	w.stop()
	w.done.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, f := range w.faults {
		if i == 10 {
			t.Errorf("and %d more", len(w.faults)-i)
			break
		}
		t.Error(f)
	}
	t.Logf("%d clients were answered %d times", len(w.clients), w.acks)
}
