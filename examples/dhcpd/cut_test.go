//go:build linux

package main_test

import (
	"fmt"
	"testing"
	"time"
)

// The servers lose sight of each other, and both go on serving.
func TestSeedPairCut(t *testing.T) {
	long(t)
	for _, c := range []struct {
		name  string
		cut   func(*pair)
		after int // clients that come on each side after the cut is noticed
	}{
		{"the switch is split between them, each with half of the clients", func(p *pair) { p.split() }, 40},
		// Then each client is offered an address of either share, and takes one: twice as many are held for a while.
		{"only they are cut off, all clients reach both", func(p *pair) { p.isolate() }, 25},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := seedPair(t, 2)
			p.start(t)
			survivesACut(t, p, c.cut, c.after)
		})
	}
}

func survivesACut(t *testing.T, p *pair, cut func(*pair), after int) {
	// Clients of either hash on each side. On a split switch, those of the other side's hash are served as soon as
	// they have waited for more than 3 seconds, or the cut is noticed.
	var crowds [3][2][]*player // before the cut, before it is noticed, and after: of each side
	stations := [2]*probe{p.probe("c1"), p.probe("c2")}
	for side, station := range stations {
		for i, n := range []int{20, 40, after} {
			crowds[i][side] = station.crowd(macs(n, 10000*side+1000*i, ""))
		}
	}
	total := 2 * (20 + 40 + after)
	serve := func(t *testing.T, i int) {
		t.Helper()
		ctx := within(t, time.Minute)
		both := append(append([]*player(nil), crowds[i][0]...), crowds[i][1]...)
		if err := everyone(both, func(c *player) error { _, err := c.acquire(ctx); return err }); err != nil {
			t.Error(err)
		}
	}
	if !t.Run("40 clients have settled", func(t *testing.T) { serve(t, 0); p.agree(t, agreePeriod) }) {
		t.FailNow()
	}
	from := [2]int{p.primary.log.len(), p.secondary.log.len()}
	cut(p)
	t.Run("80 more are served before the cut is noticed", func(t *testing.T) { serve(t, 1) })
	t.Run("both notice when nothing has come for max-response-delay, 60 seconds", func(t *testing.T) {
		for i, s := range []*server{p.primary, p.secondary} {
			s.waitLog(t, 75*time.Second, from[i], "I move from normal to communications-interrupted")
		}
	})
	t.Run(fmt.Sprintf("%d more are served after", 2*after), func(t *testing.T) { serve(t, 2) })
	t.Run(fmt.Sprintf("no address is given twice among %d clients", total), func(t *testing.T) { p.told.checkGivenOnce(t, total) })
	t.Run("after the heal both are normal", func(t *testing.T) {
		p.heal()
		p.normal(t, 4*normalPeriod)
	})
	t.Run("both lease files agree, and know of every promise", func(t *testing.T) { p.agree(t, 2*agreePeriod) })
	t.Run("everybody renews the address it has", func(t *testing.T) {
		for _, crowd := range crowds {
			for _, side := range crowd {
				if err := everyone(side, func(c *player) error {
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
		}
		p.told.checkNoNak(t)
		p.told.checkGivenOnce(t, total)
	})
	p.checkCaptures(t)
}
