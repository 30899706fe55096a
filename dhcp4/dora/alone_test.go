package dora

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// brittle is a Store that fails at will.
type brittle struct {
	lease.Store
	broken atomic.Bool
	writes atomic.Int64
}

var errDisk = errors.New("disk full")

func (b *brittle) Load(ctx context.Context) (iter.Seq2[lease.Lease, error], []lease.Peer, error) {
	return b.Store.Load(ctx)
}

func (b *brittle) Apply(ctx context.Context, batch lease.Batch) error {
	b.writes.Add(1)
	if b.broken.Load() {
		return errDisk
	}
	return b.Store.Apply(ctx, batch)
}

// pass lets virtual time go by, and all that is due in it happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// running opens a world whose Alone runs until the test ends.
func running(t *testing.T, w *world) *world {
	w.open()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.alone.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
	synctest.Wait()
	w.now = time.Now()
	return w
}

func TestLeasesEnd(t *testing.T) { synctest.Test(t, testLeasesEnd) }

func testLeasesEnd(t *testing.T) {
	w := running(t, newWorld(t, "10.0.10.10", "10.0.10.12"))
	status := func(a string) lease.Status { return w.book.Get(addr(a)).Status }
	w.dora(msg{mac: number(1)})                                        // for 600 s
	w.dora(msg{mac: number(2), want: 300 * time.Second})               // ends first: Run must be woken
	w.send(msg{kind: dhcpDecline, mac: number(2), wish: "10.0.10.11"}) // then out of use for a day
	w.dora(msg{mac: number(3), want: 300 * time.Second})

	pass(300*time.Second - time.Nanosecond)
	if got := status("10.0.10.12"); got != lease.Active {
		t.Errorf("before its end a lease is %v", got)
	}
	pass(time.Nanosecond)
	if got := status("10.0.10.12"); got != lease.Free {
		t.Errorf("at its end a lease is %v", got)
	}
	if got := status("10.0.10.10"); got != lease.Active {
		t.Errorf("another lease is %v", got)
	}
	pass(300 * time.Second)
	l := w.book.Get(addr("10.0.10.10"))
	if l.Status != lease.Free || l.Client != (msg{mac: number(1)}).client() || !l.Since.Equal(time.Now()) {
		t.Errorf("afterwards: %+v", l)
	}
	if got := status("10.0.10.11"); got != lease.Abandoned {
		t.Errorf("the declined address is %v", got)
	}
	pass(DefaultAbandonTime)
	if got := status("10.0.10.11"); got != lease.Free {
		t.Errorf("a day later the declined address is %v", got)
	}
	w.now = time.Now()
	w.expect("the old client comes back", msg{kind: dhcpDiscover, mac: number(1)}, "DHCPOFFER 10.0.10.10 10m0s")
}

func TestRenewedLeaseDoesNotEnd(t *testing.T) { synctest.Test(t, testRenewedLeaseDoesNotEnd) }

func testRenewedLeaseDoesNotEnd(t *testing.T) {
	w := running(t, newWorld(t, "10.0.10.10", "10.0.10.12"))
	a := w.dora(msg{})
	for range 10 {
		pass(300 * time.Second)
		w.now = time.Now()
		w.expect("renewal", msg{kind: dhcpRequest, ciaddr: a.String(), unicast: true}, "DHCPACK 10.0.10.10 10m0s")
	}
	if l := w.book.Get(a); l.Status != lease.Active || !l.Since.Before(l.LastTransaction) {
		t.Errorf("%+v", l)
	}
}

func TestStoreFails(t *testing.T) { synctest.Test(t, testStoreFails) }

func testStoreFails(t *testing.T) {
	store := &brittle{Store: lease.NewMemory()}
	w := newWorld(t, "10.0.10.10", "10.0.10.12")
	w.store = store
	running(t, w)
	a := w.dora(msg{mac: number(1)})

	store.broken.Store(true)
	reply, err := w.try(msg{kind: dhcpRequest, mac: number(2), wish: "10.0.10.11", server: "10.0.10.251"})
	if reply != nil || !errors.Is(err, errDisk) {
		t.Errorf("%s, %v", say(reply), err)
	}
	if _, err := w.try(msg{kind: dhcpDecline, mac: number(1), wish: a.String()}); !errors.Is(err, errDisk) {
		t.Errorf("decline: %v", err)
	}
	pass(700 * time.Second) // the lease ends, but that cannot be written
	if got := w.book.Get(a).Status; got != lease.Active {
		t.Errorf("the lease is %v, which nobody wrote", got)
	}
	if n := store.writes.Load(); n > 200 {
		t.Errorf("%d attempts to write in 100 s", n)
	}
	store.broken.Store(false)
	pass(retryPause)
	if got := w.book.Get(a).Status; got != lease.Free {
		t.Errorf("with room again the lease is %v", got)
	}
	w.now = time.Now()
	w.dora(msg{mac: number(2)})
}

// A server that had a partner and now has none takes up what waits for it.
func TestFormerPartner(t *testing.T) { synctest.Test(t, testFormerPartner) }

func testFormerPartner(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.13").open()
	c := msg{mac: number(1)}.client()
	expired := active("10.0.10.10", c)
	expired.Status, expired.Unacked, expired.AckedPotentialExpiry = lease.Expired, true, start
	elsewhere := backup("10.99.0.1", c)
	w.put(expired, backup("10.0.10.11", lease.Client{}), elsewhere)
	running(t, w)
	for _, a := range []string{"10.0.10.10", "10.0.10.11"} {
		if l := w.book.Get(addr(a)); l.Status != lease.Free || l.Unacked || !l.AckedPotentialExpiry.IsZero() {
			t.Errorf("%+v", l)
		}
	}
	if got := w.book.Get(elsewhere.Addr); got != elsewhere {
		t.Errorf("an address of another's pool: %+v", got)
	}
	w.expect("its client", msg{kind: dhcpDiscover, mac: number(1)}, "DHCPOFFER 10.0.10.10 10m0s")
}

func TestManyLeasesEndAtOnce(t *testing.T) { synctest.Test(t, testManyLeasesEndAtOnce) }

func testManyLeasesEndAtOnce(t *testing.T) {
	store := &brittle{Store: lease.NewMemory()}
	w := newWorld(t, "10.0.10.10", "10.0.10.249")
	w.store = store
	running(t, w)
	for n := range 240 {
		w.dora(msg{mac: number(n)})
	}
	before := store.writes.Load()
	pass(600 * time.Second)
	for l := range w.book.All() {
		if l.Status != lease.Free {
			t.Fatalf("%+v", l)
		}
	}
	if n := store.writes.Load() - before; n != 1 {
		t.Errorf("%d writes", n)
	}
}

// slowDisk is a Store that keeps one batch after the other, each as long as a disk would take.
type slowDisk struct {
	lease.Store
	place   chan struct{} // has room for one
	largest int
	writes  int
}

const diskTime = 3 * time.Millisecond

func (s *slowDisk) Apply(ctx context.Context, batch lease.Batch) error {
	s.place <- struct{}{}
	defer func() { <-s.place }()
	s.largest = max(s.largest, len(batch.Changes))
	s.writes++
	<-time.After(diskTime)
	return s.Store.Apply(ctx, batch)
}

// While many leases end at one moment a client waits for one small write of theirs, not for all.
func TestManyEndsLeaveRoom(t *testing.T) { synctest.Test(t, testManyEndsLeaveRoom) }

func testManyEndsLeaveRoom(t *testing.T) {
	const many = 10 * maxDue
	disk := &slowDisk{Store: lease.NewMemory(), place: make(chan struct{}, 1)}
	var all lease.Batch
	for n := range many {
		a := addr("10.0.0.0").As4()
		a[2], a[3] = byte(n>>8)+1, byte(n)
		l := active(netip.AddrFrom4(a).String(), msg{mac: number(n + 10)}.client())
		l.Expiry = lease.Second(time.Now().Add(time.Minute))
		all.Changes = append(all.Changes, lease.Change{Old: lease.Virgin(l.Addr), New: l})
	}
	if err := disk.Apply(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	disk.largest, disk.writes = 0, 0
	book, err := lease.OpenBook(t.Context(), disk, lease.BookConfig{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := pool.New(pool.Config{Ranges: []pool.Range{{First: addr("10.0.0.10"), Last: addr("10.0.20.255")}}}, book)
	if err != nil {
		t.Fatal(err)
	}
	book.Observe(p)
	alone := NewAlone(book, nil, p)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- alone.Run(ctx) }()
	defer func() {
		cancel()
		<-done
	}()
	left := func() (n int) {
		for l := range book.All() {
			if l.Status == lease.Active {
				n++
			}
		}
		return n
	}
	if left() != many {
		t.Fatalf("%d leases", left())
	}
	pass(time.Until(all.Changes[0].New.Expiry) + diskTime/2) // in the midst of the first write
	free, mine := lease.Virgin(addr("10.0.0.20")), active("10.0.0.20", msg{mac: number(1)}.client())
	began := time.Now()
	mine.Expiry = lease.Second(began.Add(time.Hour))
	if err := alone.Commit(t.Context(), lease.Change{Old: free, New: mine}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 2*diskTime {
		t.Errorf("a client waited for %v", took)
	}
	if n := left(); n < many/2 {
		t.Errorf("only %d leases were left to end when it was served", n)
	}
	const writes = many / maxDue
	pass(time.Until(all.Changes[0].New.Expiry.Add(writes * diskTime * 3 / 2)))
	if left() == 1 {
		t.Error("the disk was never left to others")
	}
	pass(time.Second)
	if n := left(); n != 1 || disk.largest > maxDue || disk.writes < writes {
		t.Errorf("%d leases are left, %d ended at once, %d writes", n, disk.largest, disk.writes)
	}
}
