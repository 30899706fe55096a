//go:build linux

package main_test

import (
	"fmt"
	"testing"
	"time"
)

// Two Tandems that wait a little for each other's word give a new client the whole lease time at once; when the partner
// is gone they give mclt, without a wait. Both lease files know of every promise.
func TestFullLeaseAtFirstContact(t *testing.T) {
	long(t)
	tandems(t)
	t.Parallel()
	p := linkPair(t, 1, nil, one)
	for _, s := range []*server{p.primary, p.secondary} {
		s.args = []string{"-failover-ack-wait", "500ms"} // a lab may be slow
	}
	p.meet(t)
	p.secondary.divided(t)
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

// Beside an ISC dhcpd, which puts its acknowledgements off, a new client gets mclt, no later than it would be missed.
func TestAckWaitBesideISC(t *testing.T) {
	long(t)
	isc := swapISC(t)
	tandems(t)
	for _, node := range []string{nodePrimary, nodeSecondary} {
		t.Run("ISC is "+map[string]string{nodePrimary: "primary", nodeSecondary: "secondary"}[node], func(t *testing.T) {
			t.Parallel()
			p := linkPair(t, 1, nil, one)
			theirs := p.byNode(node)
			theirs.file = isc.file
			ours := p.other(theirs)
			ours.args = []string{"-failover-ack-wait", "50ms"}
			p.primary.start()
			p.primary.serving(t)
			p.secondary.start()
			p.normal(t, 30*time.Second)
			ours.divided(t)
			began, waited := time.Now(), time.Duration(0)
			for _, c := range p.probe("c1").crowd(macs(4, 1, ours.node)) {
				a, err := c.acquire(within(t, clientPeriod))
				if err != nil {
					t.Fatal(err)
				}
				if got := a.IPAddressLeaseTime(0); a.server() != ours.node || got != linkMCLT && got != linkLease {
					t.Errorf("%s gives a lease of %v", a.server(), got)
				}
				waited = time.Since(began)
			}
			t.Logf("4 clients in %v", waited.Round(time.Millisecond))
			p.agree(t, agreePeriod)
			if !theirs.proc.running() {
				t.Error("ISC has exited")
			}
		})
	}
}

// divided waits until the secondary has addresses to give: before, the primary answers for both.
func (s *server) divided(t testing.TB) {
	t.Helper()
	eventually(t, agreePeriod, func() error {
		if n := s.leases(t).count(); n["free"] == 0 || n["backup"] == 0 {
			return fmt.Errorf("the pool is not divided: %v", n)
		}
		return nil
	})
}
