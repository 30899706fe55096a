package failover

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// The Endpoint puts the effects of many Steps into one collector, which it uses again: that must come to what the Steps
// say one by one.
func TestEffectsOfARound(t *testing.T) {
	var twins [2]*node
	for i := range twins {
		_, twins[i], _ = normal(t, 300)
	}
	all := newCollector()
	for round, grants := range []int{3, 40, 0, fewChanges + 1, 5, maxStaged + 1} {
		var want Effects
		var wantRefused, refused []string
		for i := range grants {
			e := twins[0].machine.Step(twins[0].now(), grantEvent(twins[0], round*2*maxStaged+i))
			wantRefused = append(wantRefused, fmt.Sprint(e.Refused))
			for _, ch := range e.Save.Changes {
				i := slices.IndexFunc(want.Save.Changes, func(c lease.Change) bool { return c.New.Addr == ch.New.Addr })
				if i < 0 {
					want.Save.Changes = append(want.Save.Changes, ch)
				} else {
					want.Save.Changes[i].New = ch.New
				}
			}
			want.Send = append(want.Send, e.Send...)
		}
		all.reset()
		for i := range grants {
			refused = append(refused, fmt.Sprint(twins[1].machine.step(twins[1].now(), grantEvent(twins[1], round*2*maxStaged+i), all)))
		}
		if n := len(all.Save.Changes); n != min(grants, 25) {
			t.Errorf("round %d: %d changes, want %d (%v)", round, n, min(grants, 25), refused[:min(3, len(refused))])
		}
		if !slices.Equal(refused, wantRefused) {
			t.Errorf("round %d: refused %v, want %v", round, refused, wantRefused)
		}
		if !slices.Equal(all.Save.Changes, want.Save.Changes) {
			t.Errorf("round %d: %d changes differ from %d", round, len(all.Save.Changes), len(want.Save.Changes))
		}
		if !bytes.Equal(octetsOf(t, all.Send), octetsOf(t, want.Send)) {
			t.Errorf("round %d: %d messages differ from %d", round, len(all.Send), len(want.Send))
		}
		for i, b := range []lease.Batch{want.Save, all.Save} {
			if err := twins[i].book.Apply(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			twins[i].machine.Settle(nil)
		}
	}
}

// grantEvent asks for a grant of one of a few addresses, most times by the client that holds it if somebody does.
func grantEvent(n *node, i int) Event {
	a := n.cfg.Pools[0].Ranges()[0].Last
	for range i % 25 {
		a = a.Prev()
	}
	old := n.machine.get(a)
	l := old
	l.Status, l.Client, l.LastTransaction = lease.Active, mac(byte(i%25+i%31/30)), n.now().Add(time.Duration(i)*time.Second)
	l.Expiry, l.SentPotentialExpiry = n.now().Add(time.Minute), n.now().Add(time.Hour)
	return Changed{lease.Change{Old: old, New: l}}
}

func octetsOf(t *testing.T, frames []*Frame) []byte {
	t.Helper()
	var b []byte
	for _, f := range frames {
		var err error
		if b, err = f.AppendBinary(b); err != nil {
			t.Fatal(err)
		}
	}
	return b
}
