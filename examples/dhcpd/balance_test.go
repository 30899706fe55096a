//go:build linux

package main_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// discoverAll has each client send one DISCOVER and returns, by client, the nodes whose offers came.
func discoverAll(t testing.TB, clients []*player, secs uint16) []map[string]int {
	t.Helper()
	from := make([]map[string]int, len(clients))
	place := make(map[*player]int, len(clients))
	for i, c := range clients {
		from[i], place[c] = make(map[string]int), i
	}
	err := everyone(clients, func(c *player) error {
		offers, err := c.discover(t.Context(), secs, patience)
		for _, o := range offers {
			if o.MessageType() != dhcpv4.MessageTypeOffer {
				return fmt.Errorf("a DISCOVER was answered by %v", o)
			}
			from[place[c]][o.server()]++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return from
}

// Load balancing by the hash of RFC 3074, at the seed's split of 128 and its limit of 3 seconds.
func TestSeedPairSplitsByHash(t *testing.T) {
	long(t)
	t.Parallel()
	p := seedPair(t, 1)
	p.start(t)
	station := p.probe("c1")
	clients := station.crowd(macs(64, 1, ""))
	check := func(t *testing.T, clients []*player, secs uint16, want func(c *player) map[string]int) {
		t.Helper()
		for i, got := range discoverAll(t, clients, secs) {
			c := clients[i]
			stid := []byte(c.mac)
			if len(c.id) > 0 {
				stid = c.id
			}
			if w := want(c); !maps.Equal(got, w) {
				t.Errorf("client %v of bucket %d, secs %d: offers from %v, want %v", c.mac, bucket(stid), secs, got, w)
			}
		}
		station.lost(t)
	}
	byMAC := func(c *player) map[string]int { return map[string]int{inCharge(c.mac): 1} }
	both := func(*player) map[string]int { return map[string]int{nodePrimary: 1, nodeSecondary: 1} }
	for _, secs := range []uint16{0, 3} {
		t.Run(fmt.Sprintf("secs %d: each of 64 clients is answered once, by the server of its hash", secs), func(t *testing.T) {
			check(t, clients, secs, byMAC)
		})
	}
	t.Run("secs 4: both servers answer", func(t *testing.T) { check(t, clients, 4, both) })
	t.Run("a client identifier is hashed in place of the hardware address", func(t *testing.T) {
		others := station.crowd(macs(32, 1000, ""))
		for _, c := range others {
			c.id = append([]byte{1}, c.mac...)
		}
		check(t, others, 0, func(c *player) map[string]int { return map[string]int{inCharge(c.id): 1} })
	})
	// Its cable is pulled, so the other cannot know at once.
	for _, dead := range []*server{p.primary, p.secondary} {
		t.Run("the clients of "+dead.node+", which is silent, are answered by the other as soon as secs is above 3", func(t *testing.T) {
			p.unplug(dead.node)
			defer p.plug(dead.node)
			orphans := station.crowd(macs(8, 2000, dead.node))
			// At 3 the other is silent, until it has noticed that nobody else will answer.
			for i, got := range discoverAll(t, orphans, 3) {
				if len(got) > 0 && !maps.Equal(got, map[string]int{p.other(dead).node: 1}) {
					t.Errorf("client %v, secs 3: offers from %v", orphans[i].mac, got)
				}
			}
			check(t, orphans, 4, func(*player) map[string]int { return map[string]int{p.other(dead).node: 1} })
		})
	}
	t.Run("and none of this has ended the relationship", func(t *testing.T) { p.normal(t, normalPeriod) })
	p.checkCaptures(t)
}
