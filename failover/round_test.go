package failover

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// What the partner tells is written with what a client asks for next, or after a moment; and at once where the partner waits.
func TestWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		p := startServer(t, w, Primary, &flaky{Memory: lease.NewMemory()})
		s := startServer(t, w, Secondary, &flaky{Memory: lease.NewMemory()})
		time.Sleep(6 * time.Second) // of the bubble
		p.want(t, Normal)
		s.want(t, Normal)
		give := func(by *server, n byte) {
			t.Helper()
			if _, err := by.give(t.Context(), mac(n)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		written := func(by *server, want ...int) {
			t.Helper()
			if got := by.store.written(); !slices.Equal(got, want) {
				t.Errorf("%v has written %v, want %v", by.cfg.Role, got, want)
			}
		}
		p.store.written()
		s.store.written()

		give(p, 1)
		written(p, 1)
		written(s) // it has heard, and nobody waits
		give(s, 2)
		written(s, 2)
		written(p)
		heard()
		written(p, 2) // the other's acknowledgement and lease
		heard()
		written(s, 1) // our acknowledgement

		for n := range byte(maxUnhurried + 1) {
			give(p, 10+n)
		}
		if len(s.store.written()) == 0 {
			t.Errorf("%d updates wait for a client", maxUnhurried+1)
		}
		heard()
		heard()
		for l := range p.book.All() {
			if got := s.book.Get(l.Addr); l.Status == lease.Active && (got.Client != l.Client || l.Unacked) {
				t.Errorf("%v is %v of %v there, and unacknowledged: %v", l.Addr, got.Status, got.Client, l.Unacked)
			}
		}
	})
}
