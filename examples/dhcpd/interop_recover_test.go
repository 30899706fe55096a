//go:build linux

package main_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// eachVictim runs a scenario for each pairing and for each of the two servers.
func eachVictim(t *testing.T, scenario func(t *testing.T, p pairing, victim func(*mixed) *mate)) {
	t.Helper()
	eachPairing(t, func(t *testing.T, p pairing) {
		for name, victim := range map[string]func(*mixed) *mate{
			"tandem": func(m *mixed) *mate { return m.tandem },
			"isc":    func(m *mixed) *mate { return m.isc },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				scenario(t, p, victim)
			})
		}
	})
}

// One of the pair loses its lease file, learns all of it from the other, and waits for MCLT before it serves.
func TestInteropLostLeaseFile(t *testing.T) {
	eachVictim(t, func(t *testing.T, p pairing, choose func(*mixed) *mate) {
		m := mixedPair(t, p, brief, 1)
		m.begin(t)
		victim, station := choose(m), m.probe("c1")
		survivor := m.partner(victim)
		w := station.tenants(t, station.crowd(macs(12, 1, "")))
		w.settled(t)
		m.agreeNow(t, agreePeriod)

		victim.kill()
		survivor.waitState(t, normalPeriod, "communications-interrupted")
		victim.write("db/dhcpd.leases", "")
		from, began := victim.log.len(), time.Now()
		victim.start(t)
		victim.waitLog(t, 2*normalPeriod, from, "I move from .* to recover-wait")
		for _, c := range station.crowd(macs(4, 1000, "")) {
			w.add(c, 0)
		}
		w.settled(t) // by the other, old and new
		m.normal(t, m.mclt+2*normalPeriod)
		if took := time.Since(began); took < m.mclt-time.Second {
			t.Errorf("normal after %v: promises of up to %v may be unknown", took, m.mclt)
		}
		victim.wentThrough(t, from, "recover-wait", "recover-done", "normal")
		victim.silentUntilNormal(t, from)
		w.end(t)
		m.told.checkGivenOnce(t, len(w.clients))
		m.told.checkNoNak(t)
		m.finish(t)
	})
}

// silentUntilNormal fails the test if the server offers or gives an address between line number from of its log and when
// it is normal.
func (s *mate) silentUntilNormal(t testing.TB, from int) {
	t.Helper()
	for _, line := range s.log.since(from) {
		if strings.Contains(line, "DHCPOFFER on") || strings.Contains(line, "DHCPACK on") {
			t.Errorf("%s of %s answers before it is normal: %s", s.name, s.node, line)
		}
		if m := moved.FindStringSubmatch(line); m != nil && m[2] == "normal" {
			return
		}
	}
}

// One of the pair is dead and an operator says so to the other, which gives the dead one's addresses to clients only when
// that can have no more promises out. Then the dead one returns.
func TestInteropPartnerDown(t *testing.T) {
	eachVictim(t, func(t *testing.T, p pairing, choose func(*mixed) *mate) {
		f := brief
		f.pool = 16
		m := mixedPair(t, p, f, 1)
		m.begin(t)
		victim, station := choose(m), m.probe("c1")
		survivor := m.partner(victim)
		w := station.tenants(t, station.crowd(macs(4, 1, "")))
		w.settled(t)
		m.agreeNow(t, agreePeriod)

		from := victim.log.len()
		victim.kill()
		survivor.waitState(t, normalPeriod, "communications-interrupted")
		before := survivor.leases(t)
		ordered := m.partnerDown(t, survivor)
		share := map[string]string{nodePrimary: "free", nodeSecondary: "backup"}[victim.node]
		var mu sync.Mutex
		theirs := 0
		late := station.crowd(macs(10, 1000, ""))
		t.Run("the partner's addresses are given after MCLT, not before", func(t *testing.T) {
			ctx := within(t, time.Minute)
			if err := everyone(late, func(c *player) error {
				if _, err := c.acquire(ctx); err != nil {
					return err
				}
				addr := c.addr
				w.add(c, 0)
				// A clock of whole seconds may be up to one ahead of the order.
				if early := ordered.Add(m.mclt - time.Second); before.record(addr).state == share {
					mu.Lock()
					theirs++
					mu.Unlock()
					if time.Now().Before(early) {
						return fmt.Errorf("was given %v of the partner %v after the order", addr, time.Since(ordered))
					}
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
			if theirs == 0 {
				t.Error("nobody was given an address of the partner's share")
			}
		})
		victim.start(t)
		m.normal(t, m.mclt+3*normalPeriod)
		victim.wentThrough(t, from, "recover", "recover-done", "normal")
		victim.silentUntilNormal(t, from)
		w.end(t)
		m.told.checkGivenOnce(t, len(w.clients))
		m.told.checkNoNak(t)
		m.finish(t)
	})
}

// The link is cut while one of the pair recovers, and once more while it waits.
func TestInteropCutInRecovery(t *testing.T) {
	eachVictim(t, func(t *testing.T, p pairing, choose func(*mixed) *mate) {
		f := brief
		f.pool, f.mclt = 200, 50*time.Second // the update takes its time, and is over before the wait
		m := mixedPair(t, p, f, 1)
		m.begin(t)
		victim := choose(m)
		survivor := m.partner(victim)
		old := m.probe("c1").crowd(macs(40, 1, ""))
		acquireAll(t, old)
		m.agreeNow(t, agreePeriod)
		cut := m.cutter(t, victim.node)

		victim.kill()
		survivor.waitState(t, normalPeriod, "communications-interrupted")
		victim.write("db/dhcpd.leases", "")
		from := victim.log.len()
		victim.start(t)
		victim.waitLog(t, 2*normalPeriod, from, "(?i)(requesting|sent).*(update|UPDREQALL)|Update request all")
		cut()
		done := victim.log.len()
		t.Logf("cut in states %v and %v; the update was done before the cut: %v", m.now(victim), m.now(survivor),
			anyMatch(victim.log.since(from)[:done-from], "(?i)update (done|completed)|recover-wait"))
		pass(t.Context(), m.delay+2*time.Second) // both notice
		m.plug(victim.node)
		victim.waitLog(t, time.Minute, from, "I move from .* to recover-wait")
		cut()
		pass(t.Context(), m.delay+2*time.Second)
		m.plug(victim.node)
		m.normal(t, time.Minute)
		victim.wentThrough(t, from, "recover-wait", "recover-done", "normal")
		renewAll(t, alive(old))
		m.told.checkNoNak(t)
		m.finish(t)
	})
}

// alive are the clients whose lease is not over.
func alive(clients []*player) []*player {
	var all []*player
	for _, c := range clients {
		if p, ok := c.probe.lab.told.promises()[c]; ok && p.end.After(time.Now()) {
			all = append(all, c)
		}
	}
	return all
}

// now returns the state of a server by its log.
func (m *mixed) now(s *mate) string {
	all := s.states(s.run)
	if len(all) == 0 {
		return "unknown"
	}
	return all[len(all)-1]
}

// Both are in PARTNER-DOWN, each with half of the clients, and give the same addresses; then they meet again.
func TestInteropConflict(t *testing.T) {
	eachPairing(t, func(t *testing.T, p pairing) {
		for _, c := range []struct {
			name  string
			again bool // the link is cut again while they settle it
		}{{"once", false}, {"cut-again", true}} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				conflict(t, p, c.again)
			})
		}
	})
}

func conflict(t *testing.T, p pairing, again bool) {
	f := brief
	f.mclt, f.pool, f.lease = 15*time.Second, 30, 90*time.Second // for MCLT they have what they are given in the cut
	m := mixedPair(t, p, f, 2)
	m.begin(t)
	left, right := m.probe("c1"), m.probe("c2") // on the primary's half of the switch, and on the secondary's
	old := left.crowd(macs(4, 1, ""))
	acquireAll(t, old)
	m.agreeNow(t, agreePeriod)
	renewAll(t, old) // for the whole time, which outlasts the cut
	m.agreeNow(t, agreePeriod)
	cut := m.cutter(t, m.tandem.node)

	m.split()
	for _, s := range m.mates() {
		s.waitState(t, m.delay+normalPeriod, "communications-interrupted")
	}
	for _, s := range m.mates() {
		m.partnerDown(t, s)
	}
	pass(t.Context(), m.mclt+time.Second)
	// 26 addresses are free for either. Each side gives 20 of them.
	sides := [2][]*player{left.crowd(macs(20, 1000, "")), right.crowd(macs(20, 2000, ""))}
	t.Run("each side serves as if it were alone", func(t *testing.T) {
		for _, side := range sides {
			acquireAll(t, side)
		}
		keepAll(t, old[:2])
		if err := old[3].release(); err != nil { // to the server that gave it, if that is on this half
			t.Error(err)
		}
	})
	if twice := m.told.pardon(); len(twice) == 0 {
		t.Error("no address was given to two clients: there is no conflict")
	} else {
		t.Logf("%d addresses are held twice", len(twice))
	}
	from := [2]int{m.isc.log.len(), m.tandem.log.len()}
	m.heal()
	for i, s := range []*mate{m.isc, m.tandem} {
		s.waitLog(t, 2*normalPeriod, from[i], "I move from .* to potential-conflict")
	}
	if again {
		cut()
		t.Logf("cut in states %v and %v", m.isc.states(from[0]), m.tandem.states(from[1]))
		pass(t.Context(), m.delay+2*time.Second)
		m.plug(m.tandem.node)
	}
	m.normal(t, 2*m.delay+2*normalPeriod)
	t.Run("the lease files agree", func(t *testing.T) {
		eventually(t, agreePeriod, func() error { return differ(m.primary.leases(t), m.secondary.leases(t)) })
	})
	t.Run("whoever is on record keeps the address, the others are NAKed and come to one", func(t *testing.T) {
		for _, c := range append(append(old[:3:3], sides[0]...), sides[1]...) {
			m.told.forget(c)
		}
		var asked atomic.Int32
		for _, side := range sides {
			if err := everyone(side, func(c *player) error {
				addr := c.addr
				r := m.primary.leases(t).record(addr)
				if r.state != "active" || time.Until(r.ends) < 3*time.Second {
					return nil // its time is over, or soon will be
				}
				asked.Add(1)
				mine := r.hw == c.mac.String()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				_, err := c.reboot(ctx, addr) // not by rebind: two answer ARP for an address that is held twice
				switch {
				case mine && (err != nil || c.addr != addr):
					return fmt.Errorf("had %v on record, now %v: %v", addr, c.addr, err)
				case !mine && !errors.Is(err, errNak):
					return fmt.Errorf("had %v, which is on record for %s: %v, want a NAK", addr, r.hw, err)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		}
		if asked.Load() == 0 {
			t.Error("every lease was over before anybody could ask")
		}
		renewAll(t, old[:2])
	})
	m.finish(t)
}

// pardon takes the faults off the record, and returns them.
func (l *told) pardon() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.faults
	l.faults = nil
	return was
}
