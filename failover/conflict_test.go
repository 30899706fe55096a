package failover

import (
	"errors"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

func TestConflictsAreListed(t *testing.T) {
	w, p, s := normal(t, 20)
	l, err := p.grant(mac(1), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.cut(errors.New("split"))
	// The client renews with one and gives back at the other. By their clocks that came later; but who trusts two clocks?
	w.now = w.now.Add(time.Minute)
	if _, err := p.grant(mac(1), time.Hour); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Minute)
	old := s.book.Get(l.Addr)
	gone := old
	gone.Status, gone.LastTransaction = lease.Released, w.now
	if err := s.step(Changed{lease.Change{Old: old, New: gone}}); err != nil {
		t.Fatal(err)
	}
	w.connect()
	w.settle()
	w.agree()
	seen := 0
	for _, n := range w.nodes {
		for _, c := range n.conflicts {
			seen++
			if c.Addr != l.Addr || c.Doubled() {
				t.Errorf("%s: %+v", n.name, c)
			}
			if partners := c.Theirs.Status == lease.Active; c.Accepted != partners {
				t.Errorf("%s: %v here, %v at the peer: accepted %v", n.name, c.Ours.Status, c.Theirs.Status, c.Accepted)
			}
		}
	}
	if seen == 0 {
		t.Error("nobody tells of the conflict")
	}
	if got := p.book.Get(l.Addr); got.Status != lease.Active || got.Client != l.Client {
		t.Errorf("the address is %v of %v, want that the lease stands", got.Status, got.Client)
	}
	// In the daily round there are none.
	for _, n := range w.nodes {
		n.conflicts = nil
		for i := range byte(5) {
			if _, err := n.grant(mac(10+i), time.Hour); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.pass(3 * time.Hour)
	for _, n := range w.nodes {
		if len(n.conflicts) > 0 {
			t.Errorf("%s: %+v", n.name, n.conflicts)
		}
	}
}
