package lease

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"iter"
	"net/netip"
	"sync"

	"github.com/tandem-dhcp/tandem/lease/internal/paged"
)

// Observer is told of changes after they are durable. See Book.Observe.
type Observer interface {
	// Changed is called once for each change, outside the Book's locks and before the Apply that made it returns.
	// Calls for different addresses may come at the same time from several goroutines.
	Changed(old, new Lease)
}

// BookConfig says how a Book indexes. The zero value puts all addresses into one Scope.
type BookConfig struct {
	// ScopeOf gives the scope an address belongs to. It must be pure, and is called with locks held.
	ScopeOf func(netip.Addr) Scope
}

// Book is the live picture over a Store: each durable Lease, found by address or by client. It is the only way to
// change what the Store holds. A Book keeps its leases packed, some 120 octets each with their indexes.
type Book struct {
	store     Store
	submitter Submitter // the Store, if it is one
	scopeOf   func(netip.Addr) Scope
	seed      maphash.Seed

	mu        sync.RWMutex
	byAddr    paged.Map[*record]
	byClient  map[uint64]*record  // head of a chain by record.next; the hash of a Key
	busy      map[uint32]struct{} // addresses that an Apply is making durable now
	peers     map[string]Peer
	observers []Observer
	spares    []*submission // to be used again
}

// OpenBook loads what the Store holds. The caller closes the Store, after the last Apply. A Store that has a method
// Len() int, how many leases it holds, is loaded faster.
func OpenBook(ctx context.Context, s Store, cfg BookConfig) (*Book, error) {
	b := &Book{
		store:    s,
		scopeOf:  cfg.ScopeOf,
		seed:     maphash.MakeSeed(),
		byClient: make(map[uint64]*record),
		busy:     make(map[uint32]struct{}),
		peers:    make(map[string]Peer),
	}
	if b.scopeOf == nil {
		b.scopeOf = func(netip.Addr) Scope { return 0 }
	}
	if sub, ok := s.(Submitter); ok && sub.Self() == any(s) {
		b.submitter = sub
	}
	if sized, ok := s.(interface{ Len() int }); ok {
		b.byClient = make(map[uint64]*record, sized.Len()) // it comes out as large, but is never copied to grow
	}
	leases, peers, err := s.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("lease: load: %w", err)
	}
	for l, err := range leases {
		if err != nil {
			return nil, fmt.Errorf("lease: load: %w", err)
		}
		if !l.Addr.Is4() || !l.Status.Valid() {
			return nil, fmt.Errorf("lease: load: %w: %v in status %v", ErrCorrupt, l.Addr, l.Status)
		}
		b.put(l)
	}
	for _, p := range peers {
		b.peers[p.Name] = p
	}
	return b, nil
}

// Observe tells o of every Lease on record, as a change from the virgin one, and then of each change. Call it before
// the first Apply: a change that happens during the call may be told twice or out of order.
func (b *Book) Observe(o Observer) {
	b.mu.RLock()
	keys := b.byAddr.Keys()
	b.mu.RUnlock()
	leases := make([]Lease, 0, paged.PageSize)
	last := int64(-1)
	for k := range keys {
		if page := int64(k / paged.PageSize); page != last { // what shares a page is looked up together
			last, leases = page, leases[:0]
			b.mu.RLock()
			for _, r := range b.byAddr.Page(k) {
				if r != nil {
					leases = append(leases, r.unpack())
				}
			}
			b.mu.RUnlock()
			for _, l := range leases {
				o.Changed(Virgin(l.Addr), l)
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.observers = append(b.observers, o)
}

// Get returns what is on record for a, which is Virgin(a) if nothing is.
func (b *Book) Get(a netip.Addr) Lease {
	if !a.Is4() {
		return Virgin(a)
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if r, _ := b.byAddr.Get(number(a)); r != nil {
		return r.unpack()
	}
	return Virgin(a)
}

// ByClient gives the Leases in scope s whose Client is c, in any status, the one that came on record last first.
func (b *Book) ByClient(s Scope, c Client) iter.Seq[Lease] {
	return func(yield func(Lease) bool) {
		if c.IsZero() {
			return
		}
		var few [4]Lease // a client has one address, rarely two
		found := few[:0]
		b.mu.RLock()
		for r := b.byClient[b.hash(c.Key(s))]; r != nil; r = r.next {
			if b.scopeOf(addr(r.addr)) == s && (Client{r.id, r.hw}).Is(c) {
				found = append(found, r.unpack())
			}
		}
		b.mu.RUnlock()
		for _, l := range found {
			if !yield(l) {
				return
			}
		}
	}
}

// Known returns the Lease of a client in scope s that came on record last, in any status, as ByClient would: for octets
// of a message, id being option 61 and hw the type and chaddr. A server takes its strings for the client from it, rather
// than make them anew for each message. The second result is false if there is none.
func (b *Book) Known(s Scope, id, hw []byte) (Lease, bool) {
	key, kind := id, byte(0)
	if len(key) == 0 {
		key, kind = hw, 1
	}
	if len(key) == 0 {
		return Lease{}, false
	}
	var room [maxHashed]byte
	h := maphash.Bytes(b.seed, append(appendScope(room[:0], s, kind), key...))
	b.mu.RLock()
	defer b.mu.RUnlock()
	for r := b.byClient[h]; r != nil; r = r.next {
		is := r.id == string(id)
		if len(id) == 0 {
			is = is && string(r.hw) == string(hw)
		}
		if is && b.scopeOf(addr(r.addr)) == s {
			return r.unpack(), true
		}
	}
	return Lease{}, false
}

// All gives every Lease on record in the order of addresses. It holds no lock while it yields: a Lease that changes
// meanwhile is given as it is when its turn comes.
func (b *Book) All() iter.Seq[Lease] {
	return func(yield func(Lease) bool) {
		b.mu.RLock()
		keys := b.byAddr.Keys()
		b.mu.RUnlock()
		for k := range keys {
			b.mu.RLock()
			r, _ := b.byAddr.Get(k)
			var l Lease
			if r != nil {
				l = r.unpack()
			}
			b.mu.RUnlock()
			if r != nil && !yield(l) {
				return
			}
		}
	}
}

// Len is the number of addresses on record.
func (b *Book) Len() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.byAddr.Len()
}

// Peer returns what is on record for a failover relationship. The second result is false if there is nothing.
func (b *Book) Peer(name string) (Peer, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	p, ok := b.peers[name]
	return p, ok
}

// Apply makes the batch durable and then visible, all of it or nothing. It waits for the Store. ErrConflict says
// that a Change.Old is no longer on record, or that another Apply is changing that address at this moment; nothing
// was written then, and whoever decided decides again. Any other error is the Store's or Batch.Validate's.
func (b *Book) Apply(ctx context.Context, batch Batch) error {
	if err := batch.Validate(); err != nil {
		return err
	}
	if err := b.claim(batch); err != nil {
		return err
	}
	err := b.store.Apply(ctx, batch)
	b.applied(batch, err)
	return err
}

// applied makes visible what the Store says of a batch that was claimed.
func (b *Book) applied(batch Batch, err error) {
	b.mu.Lock()
	for _, c := range batch.Changes {
		delete(b.busy, number(c.New.Addr))
		if err == nil {
			b.put(c.New)
		}
	}
	if err == nil {
		for _, p := range batch.Peers {
			b.peers[p.Name] = p
		}
	}
	observers := b.observers
	b.mu.Unlock()
	if err != nil {
		return
	}
	for _, c := range batch.Changes {
		for _, o := range observers {
			o.Changed(normal(c.New.Addr, c.Old), c.New)
		}
	}
}

// claim marks the addresses of the batch as being changed, or none if one of them is not as its Change says.
func (b *Book) claim(batch Batch) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range batch.Changes {
		n := number(c.New.Addr)
		if _, ok := b.busy[n]; ok {
			return fmt.Errorf("%w: %v is being written", ErrConflict, c.New.Addr)
		}
		have := Virgin(c.New.Addr)
		if r, _ := b.byAddr.Get(n); r != nil {
			have = r.unpack()
		}
		if normal(c.New.Addr, c.Old) != have {
			return fmt.Errorf("%w: %v is %v", ErrConflict, c.New.Addr, have.Status)
		}
	}
	for _, c := range batch.Changes {
		b.busy[number(c.New.Addr)] = struct{}{}
	}
	return nil
}

// put records l and keeps the index of clients right. The caller holds the lock.
func (b *Book) put(l Lease) {
	n := number(l.Addr)
	r, _ := b.byAddr.Get(n)
	if r != nil && (l.IsVirgin() || r.client() != l.Client) {
		b.unlink(r)
	}
	switch {
	case l.IsVirgin():
		b.byAddr.Delete(n)
		return
	case r == nil:
		r = new(record)
		b.byAddr.Put(n, r)
		r.pack(l)
		b.link(r)
	case r.client() != l.Client:
		r.pack(l)
		b.link(r)
	default:
		r.pack(l)
	}
}

func (b *Book) link(r *record) {
	if c := r.client(); !c.IsZero() {
		h := b.hash(c.Key(b.scopeOf(addr(r.addr))))
		r.next = b.byClient[h]
		b.byClient[h] = r
	}
}

func (b *Book) unlink(r *record) {
	c := r.client()
	if c.IsZero() {
		return
	}
	h := b.hash(c.Key(b.scopeOf(addr(r.addr))))
	if b.byClient[h] == r {
		if r.next == nil {
			delete(b.byClient, h)
		} else {
			b.byClient[h] = r.next
		}
	} else {
		for p := b.byClient[h]; p != nil; p = p.next {
			if p.next == r {
				p.next = r.next
				break
			}
		}
	}
	r.next = nil
}

func (b *Book) hash(k Key) uint64 {
	s, kind := k.Client.ID, byte(0)
	if s == "" {
		s, kind = string(k.Client.HW), 1
	}
	var room [maxHashed]byte
	return maphash.Bytes(b.seed, append(appendScope(room[:0], k.Scope, kind), s...))
}

// maxHashed is room for what is hashed of most clients.
const maxHashed = 64

func appendScope(b []byte, s Scope, kind byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(s)), kind)
}
