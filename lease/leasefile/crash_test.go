package leasefile_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"sync"
	"syscall"
	"testing"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

// writer is a part of the world that writes addresses of its own, and knows what must be on record.
type writer struct {
	rand  *rand.Rand
	addrs []netip.Addr
	have  map[netip.Addr]lease.Lease
	// doubt is a batch of which nobody can know, because the power went before the store could write it or undo it.
	doubt []lease.Change
	n     int // of the next version of a lease
}

// apply applies one random batch, and reports whether the store still works.
func (w *writer) apply(t *testing.T, s *leasefile.Store) bool {
	var changes []lease.Change
	for _, i := range w.rand.Perm(len(w.addrs))[:1+w.rand.IntN(4)] {
		a := w.addrs[i]
		w.n++
		l := leasetest.Leased(a, w.n)
		switch w.rand.IntN(10) {
		case 0:
			l = leasetest.Random(w.rand, a)
		case 1:
			l = lease.Virgin(a)
		}
		changes = append(changes, lease.Change{Old: w.have[a], New: l})
	}
	err := s.Apply(t.Context(), lease.Batch{Changes: changes})
	switch {
	case err == nil:
		w.doubt = nil // the store goes on only after it has undone what failed before
		w.take(changes)
	case errors.Is(err, leasefile.ErrInDoubt):
		w.doubt = changes
	case errors.Is(err, lease.ErrConflict):
		t.Errorf("Apply: %v", err)
	}
	return !dead(err)
}

// dead reports whether an error says that nothing more comes of the disk.
func dead(err error) bool {
	return errors.Is(err, leasetest.ErrPower) || errors.Is(err, leasetest.ErrKilled)
}

func (w *writer) take(changes []lease.Change) {
	for _, c := range changes {
		if c.New.IsVirgin() {
			delete(w.have, c.New.Addr)
		} else {
			w.have[c.New.Addr] = c.New
		}
	}
}

// check compares what is on record with what must be: with the batch in doubt or without it, but not with half of it.
func (w *writer) check(t *testing.T, got map[netip.Addr]lease.Lease) {
	t.Helper()
	mine := map[netip.Addr]lease.Lease{}
	for _, a := range w.addrs {
		if l, ok := got[a]; ok {
			mine[a] = l
		}
	}
	if !maps.Equal(mine, w.have) {
		without := maps.Clone(w.have)
		w.take(w.doubt)
		if w.doubt == nil || !maps.Equal(mine, w.have) {
			for _, a := range w.addrs {
				if l := mine[a]; l != without[a] || l != w.have[a] {
					t.Errorf("%v is on record as %s, which should be %s, or with the batch in doubt %s",
						a, brief(l), brief(without[a]), brief(w.have[a]))
				}
			}
		}
	}
	w.doubt = nil
}

// brief names a version of a lease.
func brief(l lease.Lease) string {
	if l.IsVirgin() || l == (lease.Lease{}) {
		return "virgin"
	}
	return fmt.Sprintf("%v since %d", l.Status, lease.ToUnix(l.Since))
}

// TestCrash runs a store on a disk that fails in each way it knows, through a dozen lives for each seed.
func TestCrash(t *testing.T) {
	seeds := 150
	if testing.Short() {
		seeds = 25
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { testCrash(t, uint64(seed)) })
	}
}

func testCrash(t *testing.T, seed uint64) {
	disk := leasetest.NewDisk(seed)
	r := rand.New(rand.NewPCG(seed, 1))
	writers := make([]*writer, 1+r.IntN(4))
	for i := range writers {
		writers[i] = &writer{rand: rand.New(rand.NewPCG(seed, uint64(2+i))), have: map[netip.Addr]lease.Lease{}}
		for n := range 6 {
			writers[i].addrs = append(writers[i].addrs, leasetest.Addr(10*i+n))
		}
	}
	cfg := leasefile.Config{FS: diskFS{disk}, CompactAt: leasefile.Growth{Factor: 2, Size: 1 + r.Int64N(20000)}}
	cfg.Report = func(err error) { t.Log(err) }
	for range 12 {
		if r.IntN(4) == 0 {
			disk.LosePower(1 + r.IntN(12)) // perhaps while it opens
		}
		s, err := leasefile.Open("dhcpd.leases", cfg)
		if err != nil {
			if !dead(err) {
				t.Fatalf("Open: %v", err)
			}
			disk.Restart()
			continue
		}
		got := map[netip.Addr]lease.Lease{}
		leases, _, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for l, err := range leases {
			if err != nil {
				t.Fatal(err)
			}
			got[l.Addr] = l
		}
		for _, w := range writers {
			if len(got) > 0 || disk.Ops() > 0 {
				w.check(t, got)
			}
		}
		if t.Failed() {
			content, _ := disk.ReadFile("dhcpd.leases")
			old, _ := disk.ReadFile("dhcpd.leases~")
			t.Fatalf("%v the file is:\n%s\n~~~~~\n%s", disk.Names(), content, old)
		}
		live(t, disk, s, r, writers)
	}
}

// live lets the writers write, and then ends the store in one way or another.
func live(t *testing.T, disk *leasetest.Disk, s *leasefile.Store, r *rand.Rand, writers []*writer) {
	rounds := r.IntN(60) * min(r.IntN(3), 1) // often none: what the opening alone has made durable
	switch r.IntN(7) {
	case 0:
		disk.LosePower(1 + r.IntN(100))
	case 1:
		disk.SetRoom(r.Int64N(40000))
	case 2, 3:
		// A spell of bad operations, and good ones after it.
		p, until := r.IntN(100), disk.Ops()+r.IntN(60)
		spell := rand.New(rand.NewPCG(r.Uint64(), 0))
		disk.SetFault(func(op leasetest.Op, name string) error {
			if until--; until < 0 || op == leasetest.OpRead || spell.IntN(100) >= p {
				return nil
			}
			return fmt.Errorf("%s %s: %w", op, name, syscall.EIO)
		})
	}
	var all sync.WaitGroup
	if r.IntN(3) == 0 {
		disk.Kill(1 + r.IntN(40))
	}
	for _, w := range writers {
		all.Go(func() {
			for range rounds {
				if !w.apply(t, s) {
					return
				}
			}
		})
	}
	if r.IntN(3) == 0 {
		all.Go(func() { _ = s.Compact(t.Context()) })
	}
	all.Wait()
	disk.SetRoom(-1)
	switch r.IntN(4) {
	case 0:
		if s.Close() == nil {
			for _, w := range writers {
				w.doubt = nil // Close has undone what failed
			}
		}
		disk.Restart()
	case 1:
		disk.LosePower(0)
		s.Close()
		disk.Restart()
	default:
		disk.Kill(0)
		s.Close()
		disk.Respawn()
	}
}
