package leasetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tandem-dhcp/tandem/lease"
)

// TestStore tests what lease.Store promises of any Store, and what lease.Submitter promises of one that is. open returns a
// new and empty Store; TestStore closes it.
func TestStore(t *testing.T, open func(t *testing.T) lease.Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s lease.Store)
	}{
		{"a new store is empty", testEmpty},
		{"what is applied is on record", testApply},
		{"the zero lease is the virgin one", testZeroOld},
		{"a lease can become virgin again", testVirgin},
		{"a change decided on an old lease conflicts", testConflict},
		{"one conflict keeps the whole batch off", testAllOrNothing},
		{"what no store can keep is refused", testInvalid},
		{"an empty batch is no change", testEmptyBatch},
		{"a context that has ended keeps the batch off", testContext},
		{"a context that ends meanwhile leaves all or nothing", testContextRace},
		{"one of many wins each round", testRace},
		{"changes of different addresses do not disturb each other", testParallel},
		{"any lease can be kept", testRandom},
		{"a closed store says so", testClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			defer s.Close()
			test.run(t, s)
		})
		t.Run(test.name+", submitted", func(t *testing.T) {
			s, ok := open(t).(lease.Submitter)
			if !ok {
				return // it promises nothing of that
			}
			defer s.Close()
			test.run(t, submitting{s})
		})
	}
}

// submitting is a Store whose batches are submitted.
type submitting struct{ lease.Submitter }

// Apply implements lease.Store.
func (s submitting) Apply(ctx context.Context, b lease.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	result := make(chan error, 2) // room for one too many, which the next batch would take for its own
	s.Hold()
	s.Submit(b, func(err error) { result <- err })
	s.Release()
	err := <-result
	if len(result) > 0 {
		return errors.New("leasetest: done is called twice")
	}
	return err
}

// Opener opens one and the same Store, again and again. The one before is closed when it is called.
type Opener func(t *testing.T) lease.Store

// TestDurable is TestStore for a Store that outlives its process, and tests that it does. create makes a new and empty
// place for a Store.
func TestDurable(t *testing.T, create func(t *testing.T) Opener) {
	TestStore(t, func(t *testing.T) lease.Store { return create(t)(t) })
	for _, test := range []struct {
		name string
		run  func(t *testing.T, open Opener)
	}{
		{"leases and peers are there after each opening", testReopen},
		{"what conflicted is not there after opening", testReopenConflict},
		{"what many wrote at once is there after opening", testReopenParallel},
		{"compare and set goes on after opening", testReopenCAS},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, create(t)) })
	}
}

func apply(t *testing.T, s lease.Store, changes ...lease.Change) {
	t.Helper()
	if err := s.Apply(t.Context(), lease.Batch{Changes: changes}); err != nil {
		t.Fatalf("Apply: %v", err)
	}
}

// holds reports an error unless l is what is on record. It asks by writing the same once more, which is all that the
// interface has for the purpose.
func holds(t *testing.T, s lease.Store, l lease.Lease) {
	t.Helper()
	if err := s.Apply(t.Context(), lease.Batch{Changes: []lease.Change{{Old: l, New: l}}}); err != nil {
		t.Errorf("%v is not on record as\n%#v\n%v", l.Addr, l, err)
	}
}

func conflicts(t *testing.T, s lease.Store, changes ...lease.Change) {
	t.Helper()
	if err := s.Apply(t.Context(), lease.Batch{Changes: changes}); !errors.Is(err, lease.ErrConflict) {
		t.Errorf("Apply: got %v, want ErrConflict", err)
	}
}

// load returns what the Store gives, and fails if it gives an address twice or a virgin lease.
func load(t *testing.T, s lease.Store) (map[netip.Addr]lease.Lease, map[string]lease.Peer) {
	t.Helper()
	seq, list, err := s.Load(t.Context())
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	leases, peers := map[netip.Addr]lease.Lease{}, map[string]lease.Peer{}
	for l, err := range seq {
		if err != nil {
			t.Fatalf("Load: %v", err)
		}
		if _, ok := leases[l.Addr]; ok {
			t.Errorf("Load gives %v twice", l.Addr)
		}
		if l.IsVirgin() {
			t.Errorf("Load gives the virgin %v", l.Addr)
		}
		leases[l.Addr] = l
	}
	for _, p := range list {
		if _, ok := peers[p.Name]; ok {
			t.Errorf("Load gives peer %q twice", p.Name)
		}
		peers[p.Name] = p
	}
	return leases, peers
}

func testEmpty(t *testing.T, s lease.Store) {
	leases, peers := load(t, s)
	if len(leases) > 0 || len(peers) > 0 {
		t.Errorf("got %v and %v, want nothing", leases, peers)
	}
}

func testApply(t *testing.T, s lease.Store) {
	first, second := Leased(Addr(1), 1), Leased(Addr(1), 2)
	apply(t, s, lease.Change{Old: lease.Virgin(Addr(1)), New: first})
	holds(t, s, first)
	apply(t, s, lease.Change{Old: first, New: second})
	holds(t, s, second)
}

func testZeroOld(t *testing.T, s lease.Store) {
	l := Leased(Addr(1), 1)
	apply(t, s, lease.Change{New: l})
	holds(t, s, l)
	conflicts(t, s, lease.Change{New: Leased(Addr(1), 2)})
	holds(t, s, lease.Virgin(Addr(2)))
}

func testVirgin(t *testing.T, s lease.Store) {
	l := Leased(Addr(1), 1)
	apply(t, s, lease.Change{New: l})
	apply(t, s, lease.Change{Old: l, New: lease.Virgin(Addr(1))})
	conflicts(t, s, lease.Change{Old: l, New: l})
	apply(t, s, lease.Change{New: l})
	holds(t, s, l)
}

func testConflict(t *testing.T, s lease.Store) {
	first, second := Leased(Addr(1), 1), Leased(Addr(1), 2)
	conflicts(t, s, lease.Change{Old: first, New: second})
	apply(t, s, lease.Change{New: first})
	conflicts(t, s, lease.Change{New: second})
	conflicts(t, s, lease.Change{Old: second, New: second})
	other := first
	other.HostName = "other"
	conflicts(t, s, lease.Change{Old: other, New: second})
	holds(t, s, first)
}

func testAllOrNothing(t *testing.T, s lease.Store) {
	one, two, three := Leased(Addr(1), 1), Leased(Addr(2), 1), Leased(Addr(3), 1)
	apply(t, s, lease.Change{New: one}, lease.Change{New: two})
	next := []lease.Lease{Leased(Addr(1), 2), Leased(Addr(2), 2), three}
	conflicts(t, s, lease.Change{Old: one, New: next[0]}, lease.Change{New: three}, lease.Change{Old: next[1], New: next[1]})
	for _, l := range []lease.Lease{one, two, lease.Virgin(Addr(3))} {
		holds(t, s, l)
	}
	apply(t, s, lease.Change{Old: one, New: next[0]}, lease.Change{New: three}, lease.Change{Old: two, New: next[1]})
	for _, l := range next {
		holds(t, s, l)
	}
}

func testInvalid(t *testing.T, s lease.Store) {
	l := Leased(Addr(1), 1)
	bad := l
	bad.Status = 9
	for _, b := range []lease.Batch{
		{Changes: []lease.Change{{New: bad}}},
		{Changes: []lease.Change{{New: l}, {New: l}}},
		{Changes: []lease.Change{{New: Leased(Addr(2), 1)}, {New: bad}}},
	} {
		if err := s.Apply(t.Context(), b); err == nil || errors.Is(err, lease.ErrConflict) {
			t.Errorf("Apply: got %v, want the error of Validate, %v", err, b.Validate())
		}
	}
	holds(t, s, lease.Virgin(Addr(1)))
	holds(t, s, lease.Virgin(Addr(2)))
}

func testEmptyBatch(t *testing.T, s lease.Store) {
	if err := s.Apply(t.Context(), lease.Batch{}); err != nil {
		t.Errorf("Apply: %v", err)
	}
}

func testContext(t *testing.T, s lease.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Apply(ctx, lease.Batch{Changes: []lease.Change{{New: Leased(Addr(1), 1)}}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Apply: got %v, want context.Canceled", err)
	}
	holds(t, s, lease.Virgin(Addr(1)))
}

func testContextRace(t *testing.T, s lease.Store) {
	have := lease.Virgin(Addr(1))
	for i := range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		want := Leased(Addr(1), i)
		go cancel()
		err := s.Apply(ctx, lease.Batch{Changes: []lease.Change{{Old: have, New: want}}})
		if err == nil {
			have = want
		} else if !errors.Is(err, context.Canceled) {
			t.Fatalf("Apply: %v", err)
		}
		cancel()
		holds(t, s, have)
	}
}

// racers is how many goroutines the tests of concurrency use.
const racers = 16

func testRace(t *testing.T, s lease.Store) {
	have := lease.Virgin(Addr(1))
	for round := range 20 {
		var winner atomic.Pointer[lease.Lease]
		var wins atomic.Int32
		var all sync.WaitGroup
		for i := range racers {
			all.Go(func() {
				l := Leased(Addr(1), 1+round*racers+i)
				switch err := s.Apply(t.Context(), lease.Batch{Changes: []lease.Change{{Old: have, New: l}}}); {
				case err == nil:
					wins.Add(1)
					winner.Store(&l)
				case !errors.Is(err, lease.ErrConflict):
					t.Errorf("Apply: %v", err)
				}
			})
		}
		all.Wait()
		if wins.Load() != 1 {
			t.Fatalf("%d of %d changes of one lease were accepted, want 1", wins.Load(), racers)
		}
		have = *winner.Load()
		holds(t, s, have)
	}
}

// writeParallel has many goroutines write leases, each its own, and returns the last of each.
func writeParallel(t *testing.T, s lease.Store, rounds int) map[netip.Addr]lease.Lease {
	t.Helper()
	last := make([]lease.Lease, 2*racers)
	var all sync.WaitGroup
	for i := range racers {
		all.Go(func() {
			a, b := Addr(2*i), Addr(2*i+1)
			for n := range rounds {
				old := last[2*i : 2*i+2]
				now := []lease.Lease{Leased(a, n), Leased(b, n)}
				batch := lease.Batch{
					Changes: []lease.Change{{Old: old[0], New: now[0]}, {Old: old[1], New: now[1]}},
					Peers:   []lease.Peer{{Name: fmt.Sprint(i), State: uint8(n % 10)}},
				}
				if err := s.Apply(t.Context(), batch); err != nil {
					t.Errorf("Apply: %v", err)
					return
				}
				copy(old, now)
			}
		})
	}
	all.Wait()
	m := make(map[netip.Addr]lease.Lease)
	for _, l := range last {
		m[l.Addr] = l
	}
	return m
}

func testParallel(t *testing.T, s lease.Store) {
	for _, l := range writeParallel(t, s, 50) {
		holds(t, s, l)
	}
}

func testRandom(t *testing.T, s lease.Store) {
	r := rand.New(rand.NewPCG(1, 1))
	have := map[netip.Addr]lease.Lease{}
	for range 500 {
		applyRandom(t, r, s, have)
	}
	for _, l := range have {
		holds(t, s, l)
	}
}

// applyRandom applies a random batch, and records it in have.
func applyRandom(t *testing.T, r *rand.Rand, s lease.Store, have map[netip.Addr]lease.Lease) {
	t.Helper()
	var changes []lease.Change
	for _, n := range r.Perm(40)[:1+r.IntN(4)] {
		a := Addr(n)
		changes = append(changes, lease.Change{Old: have[a], New: Random(r, a)})
	}
	apply(t, s, changes...)
	for _, c := range changes {
		have[c.New.Addr] = c.New
	}
}

func testClosed(t *testing.T, s lease.Store) {
	apply(t, s, lease.Change{New: Leased(Addr(1), 1)})
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	err := s.Apply(t.Context(), lease.Batch{Changes: []lease.Change{{New: Leased(Addr(2), 1)}}})
	if !errors.Is(err, lease.ErrClosed) {
		t.Errorf("Apply: got %v, want ErrClosed", err)
	}
	if _, _, err := s.Load(t.Context()); !errors.Is(err, lease.ErrClosed) {
		t.Errorf("Load: got %v, want ErrClosed", err)
	}
}

// closeStore closes a Store that will be opened again.
func closeStore(t *testing.T, s lease.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// sameLeases compares what was loaded with what was written, in which virgin leases may stand.
func sameLeases(t *testing.T, got, want map[netip.Addr]lease.Lease) {
	t.Helper()
	want = maps.Clone(want)
	maps.DeleteFunc(want, func(_ netip.Addr, l lease.Lease) bool { return l.IsVirgin() })
	for _, a := range slices.SortedFunc(maps.Keys(want), netip.Addr.Compare) {
		if got[a] != want[a] {
			t.Errorf("loaded\n%#v\nwant\n%#v", got[a], want[a])
		}
	}
	for a, l := range got {
		if _, ok := want[a]; !ok {
			t.Errorf("loaded\n%#v\nwant nothing", l)
		}
	}
}

func testReopen(t *testing.T, open Opener) {
	r := rand.New(rand.NewPCG(2, 2))
	want, wantPeers := map[netip.Addr]lease.Lease{}, map[string]lease.Peer{}
	for range 5 {
		s := open(t)
		leases, peers := load(t, s)
		sameLeases(t, leases, want)
		if !maps.Equal(peers, wantPeers) {
			t.Errorf("loaded peers\n%+v\nwant\n%+v", peers, wantPeers)
		}
		for i := range 100 {
			applyRandom(t, r, s, want)
			if i%10 == 0 {
				p := RandomPeer(r, text(r, 40))
				if err := s.Apply(t.Context(), lease.Batch{Peers: []lease.Peer{p}}); err != nil {
					t.Fatalf("Apply: %v", err)
				}
				wantPeers[p.Name] = p
			}
		}
		closeStore(t, s)
	}
}

func testReopenConflict(t *testing.T, open Opener) {
	s := open(t)
	one := Leased(Addr(1), 1)
	apply(t, s, lease.Change{New: one})
	conflicts(t, s, lease.Change{New: Leased(Addr(2), 1)}, lease.Change{New: Leased(Addr(1), 2)})
	closeStore(t, s)
	s = open(t)
	defer s.Close()
	leases, _ := load(t, s)
	sameLeases(t, leases, map[netip.Addr]lease.Lease{one.Addr: one})
}

func testReopenParallel(t *testing.T, open Opener) {
	s := open(t)
	want := writeParallel(t, s, 50)
	closeStore(t, s)
	s = open(t)
	defer s.Close()
	leases, peers := load(t, s)
	sameLeases(t, leases, want)
	if len(peers) != racers {
		t.Errorf("loaded %d peers, want %d", len(peers), racers)
	}
}

func testReopenCAS(t *testing.T, open Opener) {
	s := open(t)
	one, gone := Leased(Addr(1), 1), Leased(Addr(2), 1)
	apply(t, s, lease.Change{New: one}, lease.Change{New: gone})
	apply(t, s, lease.Change{Old: gone, New: lease.Virgin(Addr(2))})
	closeStore(t, s)
	s = open(t)
	defer s.Close()
	holds(t, s, one)
	holds(t, s, lease.Virgin(Addr(2)))
	conflicts(t, s, lease.Change{New: one})
	conflicts(t, s, lease.Change{Old: gone, New: gone})
	apply(t, s, lease.Change{Old: one, New: Leased(Addr(1), 2)})
	holds(t, s, Leased(Addr(1), 2))
}
