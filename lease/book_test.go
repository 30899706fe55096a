package lease

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

var t0 = time.Unix(1795349310, 0).UTC()

func ip(i int) netip.Addr { return addr(0x0a000a00 + uint32(i)) }

func someone(i int) Client {
	return Client{HW: MakeHWAddr(1, []byte{2, 0, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})}
}

func held(i int, c Client) Lease {
	return Lease{
		Addr: ip(i), Status: Active, Client: c, Since: t0, Expiry: t0.Add(time.Hour), LastTransaction: t0,
		SentPotentialExpiry: t0.Add(2 * time.Hour), Unacked: true,
	}
}

func open(t *testing.T, s Store) *Book {
	t.Helper()
	b, err := OpenBook(t.Context(), s, BookConfig{ScopeOf: func(a netip.Addr) Scope { return Scope(number(a) >> 8) }})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func apply(b *Book, changes ...Change) error {
	return b.Apply(context.Background(), Batch{Changes: changes})
}

func TestBookRefusesStaleDecisions(t *testing.T) {
	b := open(t, NewMemory())
	a := held(1, someone(1))
	if err := apply(b, Change{Virgin(ip(1)), a}); err != nil {
		t.Fatal(err)
	}
	if err := apply(b, Change{Virgin(ip(1)), held(1, someone(2))}); !errors.Is(err, ErrConflict) {
		t.Errorf("a second grant of a free address gives %v, want ErrConflict", err)
	}
	later := a
	later.Expiry = later.Expiry.Add(time.Hour)
	if err := apply(b, Change{a, later}, Change{a2(b), held(2, someone(3))}); err != nil {
		t.Fatal(err)
	}
	if err := apply(b, Change{Lease{}, held(3, someone(4))}, Change{a, a}); !errors.Is(err, ErrConflict) {
		t.Errorf("a batch with one stale change gives %v, want ErrConflict", err)
	}
	if got := b.Get(ip(3)); !got.IsVirgin() {
		t.Errorf("half of a refused batch is on record: %+v", got)
	}
	if err := apply(b, Change{Virgin(ip(4)), Lease{Addr: ip(4), Status: 9}}); err == nil {
		t.Error("a status that does not exist was accepted")
	}
}

func a2(b *Book) Lease { return b.Get(ip(2)) }

func TestBookFindsClients(t *testing.T) {
	b := open(t, NewMemory())
	withID := someone(1)
	withID.ID = "\x01one"
	for _, l := range []Lease{held(1, someone(1)), held(2, withID), held(257, someone(1)), held(3, someone(1))} {
		if err := apply(b, Change{New: l}); err != nil {
			t.Fatal(err)
		}
	}
	find := func(s Scope, c Client) (got []netip.Addr) {
		for l := range b.ByClient(s, c) {
			got = append(got, l.Addr)
		}
		return got
	}
	scope := Scope(number(ip(1)) >> 8)
	if got := find(scope, someone(1)); !slices.Equal(got, []netip.Addr{ip(3), ip(1)}) {
		t.Errorf("by hardware address: %v", got)
	}
	if got := find(scope, withID); !slices.Equal(got, []netip.Addr{ip(2)}) {
		t.Errorf("by identifier: %v", got)
	}
	if got := find(scope+1, someone(1)); !slices.Equal(got, []netip.Addr{ip(257)}) {
		t.Errorf("in the other scope: %v", got)
	}
	if got := find(scope, Client{}); got != nil {
		t.Errorf("nobody has %v", got)
	}
	// The address goes to another client, and then is as if it had never been used.
	if err := apply(b, Change{b.Get(ip(3)), held(3, someone(2))}); err != nil {
		t.Fatal(err)
	}
	if got := find(scope, someone(1)); !slices.Equal(got, []netip.Addr{ip(1)}) {
		t.Errorf("after one went: %v", got)
	}
	if err := apply(b, Change{b.Get(ip(1)), Virgin(ip(1))}); err != nil {
		t.Fatal(err)
	}
	if got := find(scope, someone(1)); got != nil || b.Len() != 3 {
		t.Errorf("after both went: %v, %d on record", got, b.Len())
	}
}

// TestBookAgainstMap compares a Book with a plain map under random changes.
func TestBookAgainstMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	store := NewMemory()
	b := open(t, store)
	model := make(map[netip.Addr]Lease)
	for range 5000 {
		i := rng.IntN(300)
		old, ok := model[ip(i)]
		if !ok {
			old = Virgin(ip(i))
		}
		l := held(i, someone(rng.IntN(40)))
		l.Status = Status(1 + rng.IntN(7))
		if rng.IntN(3) == 0 {
			l.Client.ID = fmt.Sprint("id", rng.IntN(20))
			l.HostName, l.RelayInfo = "host", "\x01\x02ab"
		}
		if rng.IntN(5) == 0 {
			l = Virgin(ip(i))
		}
		if err := apply(b, Change{old, l}); err != nil {
			t.Fatal(err)
		}
		if l.IsVirgin() {
			delete(model, ip(i))
		} else {
			model[ip(i)] = l
		}
		c := l.Client
		got := make(map[netip.Addr]bool)
		s := Scope(number(ip(i)) >> 8)
		for l := range b.ByClient(s, c) {
			if l != model[l.Addr] {
				t.Fatalf("%v: %+v, want %+v", l.Addr, l, model[l.Addr])
			}
			got[l.Addr] = true
		}
		for a, l := range model {
			if want := l.Client.Is(c) && Scope(number(a)>>8) == s; want != got[a] {
				t.Fatalf("%v is found for %v: %v, want %v", a, c, got[a], want)
			}
		}
	}
	for _, book := range []*Book{b, open(t, store)} {
		n := 0
		for l := range book.All() {
			if l != model[l.Addr] {
				t.Errorf("%v: %+v, want %+v", l.Addr, l, model[l.Addr])
			}
			n++
		}
		if n != len(model) || book.Len() != n {
			t.Errorf("%d leases, want %d", n, len(model))
		}
	}
}

// slow is a Store in which an Apply waits until it is let go.
type slow struct {
	*Memory
	entered, leave chan struct{}
}

func (s slow) Apply(ctx context.Context, b Batch) error {
	s.entered <- struct{}{}
	<-s.leave
	return s.Memory.Apply(ctx, b)
}

func TestBookShowsOnlyWhatIsDurable(t *testing.T) {
	s := slow{NewMemory(), make(chan struct{}), make(chan struct{})}
	b := open(t, s)
	done := make(chan error)
	go func() { done <- apply(b, Change{New: held(1, someone(1))}) }()
	<-s.entered
	if got := b.Get(ip(1)); !got.IsVirgin() {
		t.Errorf("seen before it is durable: %+v", got)
	}
	if err := apply(b, Change{New: held(1, someone(2))}); !errors.Is(err, ErrConflict) {
		t.Errorf("a change of an address that is being written gives %v, want ErrConflict", err)
	}
	close(s.leave)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := b.Get(ip(1)); got.Client != someone(1) {
		t.Errorf("after it is durable: %+v", got)
	}
}

// broken is a Store that writes nothing.
type broken struct{ *Memory }

func (broken) Apply(context.Context, Batch) error { return errors.New("no space left on device") }

func TestBookAfterFailedWrite(t *testing.T) {
	m := NewMemory()
	b := open(t, broken{m})
	if err := apply(b, Change{New: held(1, someone(1))}); err == nil || errors.Is(err, ErrConflict) {
		t.Fatalf("got %v, want the store's error", err)
	}
	if !b.Get(ip(1)).IsVirgin() || b.Len() != 0 {
		t.Error("the Book has what the Store has not")
	}
	b.store = m
	if err := apply(b, Change{New: held(1, someone(1))}); err != nil {
		t.Errorf("the address stays claimed after a failed write: %v", err)
	}
}

type tally struct {
	mu sync.Mutex
	n  map[Status]int
}

func (o *tally) Changed(old, new Lease) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.n[old.Status]--
	o.n[new.Status]++
}

func TestObserversSeeEachChangeOnce(t *testing.T) {
	b := open(t, NewMemory())
	if err := apply(b, Change{New: held(0, someone(0))}); err != nil {
		t.Fatal(err)
	}
	o := &tally{n: make(map[Status]int)}
	b.Observe(o)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				a := ip(1 + i%50) // contended: some of these must be refused
				old := b.Get(a)
				l := held(1+i%50, someone(g))
				if old.Status == Active {
					l = old
					l.Status, l.Unacked = Free, false
				}
				if err := apply(b, Change{old, l}); err != nil && !errors.Is(err, ErrConflict) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	want := 0
	for l := range b.All() {
		if l.Status == Active {
			want++
		}
	}
	if o.n[Active] != want {
		t.Errorf("observers count %d active, the Book has %d", o.n[Active], want)
	}
}

func TestCheck(t *testing.T) {
	nobody := held(1, Client{})
	backwards := held(2, someone(2))
	backwards.Expiry = backwards.Since.Add(-time.Second)
	abandoned := held(3, someone(3))
	abandoned.Status = Abandoned
	for name, bad := range map[string][]Lease{
		"active of nobody":       {nobody},
		"ends before it began":   {backwards},
		"abandoned and held":     {abandoned},
		"one address twice":      {held(4, someone(4)), held(4, someone(5))},
		"a status that is none":  {{Addr: ip(5), Status: 8}},
		"an address that is not": {{Status: Free}},
	} {
		if Check(slices.Values(bad)) == nil {
			t.Errorf("%s: no fault found", name)
		}
	}
	if err := Check(slices.Values([]Lease{held(1, someone(1)), Virgin(ip(2))})); err != nil {
		t.Error(err)
	}
}

// TestBookMemory holds the promise that a million leases fit a small machine.
func TestBookMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("counts the memory of 100,000 leases")
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b := open(t, NewMemory())
	const n = 100000
	for i := range n {
		l := held(0, someone(i))
		l.Addr = addr(0x0a000000 + uint32(i))
		b.put(l)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if per := (after.HeapAlloc - before.HeapAlloc) / n; per > 200 {
		t.Errorf("a lease takes %d octets", per)
	} else {
		t.Logf("a lease takes %d octets", per)
	}
	runtime.KeepAlive(b)
}

// halfRead is a Store that can be read in part.
type halfRead struct{ *Memory }

func (s halfRead) Load(ctx context.Context) (iter.Seq2[Lease, error], []Peer, error) {
	return func(yield func(Lease, error) bool) {
		if yield(held(1, someone(1)), nil) {
			yield(Lease{}, ErrCorrupt)
		}
	}, nil, nil
}

func TestBookNeedsAllLeases(t *testing.T) {
	if _, err := OpenBook(t.Context(), halfRead{NewMemory()}, BookConfig{}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a Book that misses leases: %v", err)
	}
}
