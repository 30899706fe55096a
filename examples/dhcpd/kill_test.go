//go:build linux

package main_test

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// One of the pair is killed while clients come and renew.
func TestSeedPairSurvivesAKill(t *testing.T) {
	long(t)
	for _, node := range []string{nodePrimary, nodeSecondary} {
		t.Run(map[string]string{nodePrimary: "primary", nodeSecondary: "secondary"}[node], func(t *testing.T) {
			t.Parallel()
			p := seedPair(t, 1)
			p.start(t)
			survivesAKill(t, p, p.byNode(node))
		})
	}
}

func survivesAKill(t *testing.T, p *pair, victim *server) {
	survivor := p.other(victim)
	station := p.probe("c1")
	settled, arriving, late := station.crowd(macs(40, 1, "")), station.crowd(macs(30, 1000, "")), station.crowd(macs(20, 2000, ""))
	acquire := func(ctx context.Context) func(c *player) error {
		return func(c *player) error { _, err := c.acquire(ctx); return err }
	}
	if !t.Run("40 clients have settled", func(t *testing.T) {
		if err := everyone(settled, acquire(within(t, time.Minute))); err != nil {
			t.Fatal(err)
		}
		p.agree(t, agreePeriod)
	}) {
		t.FailNow()
	}
	from := survivor.log.len()
	t.Run("the server is killed while 30 more arrive; all of them are served", func(t *testing.T) {
		ctx := within(t, time.Minute)
		// The kill falls when the first of the victim's own clients has been told, the others are under way.
		first := make(chan struct{}, len(arriving))
		done := make(chan error, 1)
		go func() {
			done <- everyone(arriving, func(c *player) error {
				a, err := c.acquire(ctx)
				if err == nil && a.server() == victim.node {
					first <- struct{}{}
				}
				return err
			})
		}()
		select {
		case <-first:
			victim.kill()
		case <-ctx.Done():
			t.Fatalf("%s has served nobody", victim.node)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Run("the other moves to communications-interrupted", func(t *testing.T) {
		survivor.waitLog(t, normalPeriod, from, "I move from normal to communications-interrupted")
	})
	t.Run("and serves 20 new clients, of either hash, from its own share", func(t *testing.T) {
		free := map[string]string{nodePrimary: "free", nodeSecondary: "backup"}[survivor.node]
		before := survivor.leases(t)
		if err := everyone(late, func(c *player) error {
			a, err := c.acquire(within(t, time.Minute))
			switch {
			case err != nil:
				return err
			case a.server() != survivor.node:
				return fmt.Errorf("%v, but that server is dead", a)
			case a.IPAddressLeaseTime(0) > seedMCLT:
				return fmt.Errorf("%v, and the partner has not acknowledged", a)
			case before.record(c.addr).state != free:
				return fmt.Errorf("%v, which was %s", a, before.record(c.addr).state)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
	t.Run("and renews all that the dead one gave", func(t *testing.T) {
		if err := everyone(settled, func(c *player) error {
			addr := c.addr
			a, err := c.rebind(within(t, time.Minute))
			if err == nil && (c.addr != addr || a.server() != survivor.node) {
				err = fmt.Errorf("%v had %v", a, addr)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	})
	t.Run("the killed one restarts from its lease file, and both are normal again", func(t *testing.T) {
		victim.start()
		p.normal(t, 3*normalPeriod)
	})
	t.Run("both lease files agree, and know of every promise", func(t *testing.T) { p.agree(t, agreePeriod) })
	t.Run("everybody has kept the address, and renews it", func(t *testing.T) {
		p.told.checkNoNak(t)
		p.told.checkGivenOnce(t, len(settled)+len(arriving)+len(late))
		for _, crowd := range [][]*player{settled, arriving, late} {
			if err := everyone(crowd, func(c *player) error {
				addr := c.addr
				_, err := c.rebind(within(t, time.Minute))
				if err == nil && c.addr != addr {
					err = fmt.Errorf("had %v, has %v", addr, c.addr)
				}
				return err
			}); err != nil {
				t.Error(err)
			}
		}
	})
	p.checkCaptures(t)
}
