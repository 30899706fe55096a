//go:build linux

package main_test

import (
	"testing"
	"time"
)

// Two Tandems that wait a little for each other's word give a new client the whole lease time at once; when the partner
// is gone they give mclt, without a wait. Both lease files know of every promise.
func TestFullLeaseAtFirstContact(t *testing.T) {
	tandems(t)
	t.Parallel()
	p := linkPair(t, 1, nil, one)
	for _, s := range []*server{p.primary, p.secondary} {
		s.args = []string{"-failover-ack-wait", "500ms"} // a lab may be slow
	}
	p.meet(t)
	station := p.probe("c1")
	first := append(station.crowd(macs(4, 1, nodePrimary)), station.crowd(macs(4, 1000, nodeSecondary))...)
	from := make(map[string]int)
	for _, c := range first {
		a, err := c.acquire(within(t, clientPeriod))
		if err != nil {
			t.Fatal(err)
		}
		from[a.server()]++
		if got := a.IPAddressLeaseTime(0); got != linkLease {
			t.Errorf("the first lease from %s is %v long, want %v", a.server(), got, linkLease)
		}
		p.bound(t, p.byNode(a.server()), c.addr, c.mac.String(), time.Now(), linkLease, linkLease)
	}
	if from[nodePrimary] != 4 || from[nodeSecondary] != 4 {
		t.Errorf("the leases came from %v, want 4 from each", from)
	}
	p.agree(t, agreePeriod)
	p.secondary.kill()
	p.primary.waitState(t, 2*normalPeriod, "communications-interrupted")
	for _, c := range station.crowd(macs(2, 2000, "")) {
		a, err := c.acquire(within(t, clientPeriod))
		if err != nil {
			t.Fatal(err)
		}
		if got := a.IPAddressLeaseTime(0); got != linkMCLT {
			t.Errorf("alone: the first lease is %v long, want %v", got, linkMCLT)
		}
	}
	p.secondary.start()
	p.normal(t, 3*normalPeriod)
	p.agree(t, agreePeriod)
}
