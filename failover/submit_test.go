package failover

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// wish is the change that gives the n-th free address of s to a client.
func (s *server) wish(t *testing.T, n byte) lease.Change {
	t.Helper()
	now := lease.Second(time.Now())
	old, ok := s.pool.Pick(s.cfg.Role.own(), func(l lease.Lease) bool { return s.Mine(now, l) && l.Addr.As4()[3]%8 == n })
	if !ok {
		t.Fatal("no free leases")
	}
	l := old
	l.Status, l.Client, l.LastTransaction = lease.Active, mac(n), now
	l.Expiry, l.SentPotentialExpiry = now.Add(time.Minute), now.Add(time.Hour)
	return lease.Change{Old: old, New: l}
}

func TestSubmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(wire)
		p := startServer(t, w, Primary, &flaky{Memory: lease.NewMemory()})
		s := startServer(t, w, Secondary, &flaky{Memory: lease.NewMemory()})
		time.Sleep(20 * time.Second)
		p.want(t, Normal)
		results := make(chan error, 10)
		done := func(err error) { results <- err }

		wishes := []lease.Change{p.wish(t, 1), p.wish(t, 2), p.wish(t, 3)}
		p.Hold()
		for _, c := range wishes {
			if !p.Submit(c, done) {
				t.Fatal("nothing can be submitted")
			}
		}
		synctest.Wait()
		if len(results) > 0 {
			t.Errorf("%d are decided while more is to come", len(results))
		}
		p.Release()
		for range wishes {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		for _, c := range wishes {
			if l := p.book.Get(c.New.Addr); l.Status != lease.Active || l.Client != c.New.Client {
				t.Errorf("%v is %v of %v", l.Addr, l.Status, l.Client)
			}
		}
		heard()
		if l := s.book.Get(wishes[0].New.Addr); l.Status != lease.Active {
			t.Errorf("the peer has %v as %v", l.Addr, l.Status)
		}

		if !p.Submit(wishes[0], done) {
			t.Fatal("nothing can be submitted")
		}
		if err := <-results; !errors.Is(err, lease.ErrConflict) {
			t.Errorf("what was decided on an old lease gives %v", err)
		}

		full := errors.New("disk full")
		p.store.set(full)
		late := p.wish(t, 4)
		if !p.Submit(late, done) {
			t.Fatal("nothing can be submitted")
		}
		if err := <-results; !errors.Is(err, full) {
			t.Errorf("with a full disk: %v", err)
		}
		p.store.set(nil)

		p.Hold()
		if !p.Submit(late, done) {
			t.Fatal("nothing can be submitted")
		}
		p.stop()
		if err := <-results; !errors.Is(err, ErrStopped) {
			t.Errorf("what nobody decided on gives %v", err)
		}
		if p.Submit(late, done) {
			t.Error("a stopped endpoint takes what is submitted")
		}
	})
}
