package pool

import (
	"iter"
	"net/netip"
	"sync"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// maxRefusals is how many addresses of those never used, and again of those used before, one Pick asks its caller
// about. It bounds a Pick where most addresses are being offered to others.
const maxRefusals = 256

// View is the leases as they are, of which *lease.Book is one. Get returns lease.Virgin(a) for an address that is not
// on record. It must be safe for concurrent use, and must show a change before Pool.Changed is told of it. It is
// called with a lock of the Pool held, so it must not call the Pool.
type View interface {
	Get(netip.Addr) lease.Lease
}

// reserved is the index in Pool.counts of addresses that are set aside for a client.
const reserved lease.Status = 0

// Counts is how many addresses of a pool are in which status. The sum is Pool.Size.
type Counts struct {
	Free      int // addresses never on record are FREE
	Active    int
	Expired   int
	Released  int
	Abandoned int
	Reset     int
	Backup    int
	Reserved  int // FREE or BACKUP, but reserved for a client: neither in Free nor in Backup
}

// Pool is some ranges of addresses and an index of them. It is made by New, follows its View by being told of each
// change (it is a lease.Observer), and is safe for concurrent use.
type Pool struct {
	name     string
	space    space
	excluded *set // of numbers in space; not changed after New
	leases   View

	mu     sync.Mutex
	counts [lease.Backup + 1]int // by classOf
	lists  [lists]index          // none for nowhere
	cursor [lists]uint64         // the key at which Pick starts to look
}

// Pool is told of changes by a Book.
var _ lease.Observer = (*Pool)(nil)

// New returns a Pool in which every address is FREE and was never used. If there are leases on record, tell it of
// them by Changed, as lease.Book.Observe does. The error is that of Config.Validate.
func New(cfg Config, leases View) (*Pool, error) {
	s, err := newSpace(cfg)
	if err != nil {
		return nil, err
	}
	p := &Pool{name: cfg.Name, space: s, excluded: emptySet(s.size), leases: leases}
	p.lists = [lists]index{
		neverFree:   fullSet(s.size),
		neverBackup: emptySet(s.size),
		usedFree:    new(order),
		usedBackup:  new(order),
		ending:      new(order),
	}
	for _, a := range cfg.Excluded {
		if n, ok := s.find(a); ok {
			p.excluded.add(uint64(n))
			p.lists[neverFree].remove(uint64(n))
		}
	}
	p.counts[lease.Free] = p.Size()
	return p, nil
}

// Name returns Config.Name.
func (p *Pool) Name() string { return p.name }

// Ranges returns the ranges in the order of addresses. Excluded addresses are not left out. The caller owns the slice.
func (p *Pool) Ranges() []Range {
	ranges := make([]Range, len(p.space.runs))
	for i, r := range p.space.runs {
		ranges[i] = r.Range()
	}
	return ranges
}

// Size is how many addresses the pool has, Excluded ones not counted.
func (p *Pool) Size() int { return int(p.space.size) - p.excluded.len() }

// Contains reports whether a is an address of the pool. An Excluded one is not.
func (p *Pool) Contains(a netip.Addr) bool {
	_, ok := p.find(a)
	return ok
}

// Addrs gives the addresses of the pool in their order.
func (p *Pool) Addrs() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for n := range p.space.size {
			if !p.excluded.has(uint64(n)) && !yield(p.space.at(n)) {
				return
			}
		}
	}
}

// find returns the number of a. The second result is false if a is not an address of the pool.
func (p *Pool) find(a netip.Addr) (uint32, bool) {
	n, ok := p.space.find(a)
	return n, ok && !p.excluded.has(uint64(n))
}

// Changed tells the Pool that a lease was old and became new, after the View shows that. Each change must be told
// once; the order of those that are told at the same time does not matter, not even for one address. A change of an
// address that is not in the pool is ignored. The zero Lease counts as the virgin one.
func (p *Pool) Changed(old, new lease.Lease) {
	n, ok := p.find(new.Addr)
	if !ok {
		return
	}
	if old == (lease.Lease{}) {
		old = lease.Virgin(new.Addr)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[classOf(old)]--
	p.counts[classOf(new)]++
	_, is := p.look(n)
	p.move(placeOf(n, old), is)
}

// classOf returns the index of l in Pool.counts: its status, 0 if it is set aside for a client, or if its status is
// none of the seven, which no View has.
func classOf(l lease.Lease) lease.Status {
	if l.Status.Available() && l.Flags&lease.Reserved != 0 || !l.Status.Valid() {
		return reserved
	}
	return l.Status
}

// look returns the lease of the address n as the View has it, and the place it belongs to by that. Only the View says
// where: changes of one address may be told in another order than they happened in, and whichever is told last finds
// the View at the last of them. So what is in the lists is right as soon as all changes have been told. The caller
// holds the lock until it has acted on the answer, or an older look could undo a newer one.
func (p *Pool) look(n uint32) (lease.Lease, place) {
	l := p.leases.Get(p.space.at(n))
	return l, placeOf(n, l)
}

// move takes an address from one place, if it is there, to another. The caller holds the lock.
func (p *Pool) move(from, to place) {
	if from != to && from.list != nowhere {
		p.lists[from.list].remove(from.key)
	}
	if to.list != nowhere {
		p.lists[to.list].add(to.key)
	}
}

// Counts returns how many addresses are in which status by the changes that have been told.
func (p *Pool) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Counts{
		Free:      p.counts[lease.Free],
		Active:    p.counts[lease.Active],
		Expired:   p.counts[lease.Expired],
		Released:  p.counts[lease.Released],
		Abandoned: p.counts[lease.Abandoned],
		Reset:     p.counts[lease.Reset],
		Backup:    p.counts[lease.Backup],
		Reserved:  p.counts[reserved],
	}
}

// next returns the first lease in a list at or after key k, and its key. The View has it there; what it has elsewhere
// is moved on the way, which happens once for a change that has not been told yet.
func (p *Pool) next(in list, k uint64) (l lease.Lease, at uint64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		k, ok = p.lists[in].next(k)
		if !ok {
			return lease.Lease{}, 0, false
		}
		here := place{in, k}
		l, is := p.look(uint32(k))
		if is == here {
			return l, k, true
		}
		p.move(here, is)
		k++
	}
}

// walk gives the leases of a list in their order, each as it is when its turn comes. No lock is held while it yields.
func (p *Pool) walk(in list) iter.Seq[lease.Lease] {
	return func(yield func(lease.Lease) bool) {
		for k := uint64(0); ; {
			l, at, ok := p.next(in, k)
			if !ok || !yield(l) {
				return
			}
			k = at + 1
		}
	}
}

// Pick chooses an address in status from, lease.Free or lease.Backup, for a client that has none: one never used in
// the order of addresses, else the one that has been free longest. Reserved and Excluded addresses are not among
// them. An address that usable refuses is passed over; a nil usable refuses none. The second result is false if there
// is no address, or if usable refused maxRefusals of those never used and of those used before.
//
// Pick takes nothing away: until its lease changes, an address is picked again unless usable refuses it. Each Pick
// starts to look where the one before ended, and comes round at the end, so addresses that are on offer are not asked
// about again by each Pick. usable runs without a lock held. Two Picks at the same time may ask it about the same
// address; to give it to one of them only, let usable take note of what it accepts.
func (p *Pool) Pick(from lease.Status, usable func(lease.Lease) bool) (lease.Lease, bool) {
	never, used := listsOf(from)
	for _, in := range [...]list{never, used} {
		if in == nowhere {
			continue
		}
		if l, ok := p.pick(in, usable); ok {
			return l, true
		}
	}
	return lease.Lease{}, false
}

// pick is Pick on one list.
func (p *Pool) pick(in list, usable func(lease.Lease) bool) (lease.Lease, bool) {
	start := p.start(in)
	k, round := start, false
	for refused := 0; refused < maxRefusals; {
		l, at, ok := p.next(in, k)
		switch {
		case !ok && !round && start > 0:
			k, round = 0, true
			continue
		case !ok, round && at >= start: // that was all
			return lease.Lease{}, false
		}
		if usable == nil || usable(l) {
			p.startAt(in, at)
			return l, true
		}
		refused++
		k = at + 1
	}
	p.startAt(in, k)
	return lease.Lease{}, false
}

func (p *Pool) start(in list) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cursor[in]
}

func (p *Pool) startAt(in list, k uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cursor[in] = k
}

// Oldest gives the leases in status from, lease.Free or lease.Backup, by Expiry, and those of one Expiry by address.
// Those never used have none and come first. It is the order in which balance gives addresses away (ISC dhcpd's free
// list). Each lease is given as it is when its turn comes; one that is used and freed meanwhile may come twice.
func (p *Pool) Oldest(from lease.Status) iter.Seq[lease.Lease] {
	never, used := listsOf(from)
	return func(yield func(lease.Lease) bool) {
		for _, in := range [...]list{never, used} {
			if in == nowhere {
				continue
			}
			for l := range p.walk(in) {
				if !yield(l) {
					return
				}
			}
		}
	}
}

// Age is how long the address that has been free longest in status from has been so: the time since its Expiry, or
// since 1970 if it was never used, as ISC dhcpd has it. It is 0 if there is no address or if that time is to come.
func (p *Pool) Age(now time.Time, from lease.Status) time.Duration {
	for l := range p.Oldest(from) {
		if l.Expiry.IsZero() {
			return now.Sub(time.Unix(0, 0))
		}
		return max(now.Sub(l.Expiry), 0)
	}
	return 0
}

// NextExpiry returns the earliest Expiry of an ACTIVE or ABANDONED lease, which may be past. The second result is
// false if there is none. A lease without an end (no Expiry, or lease.Never) has no part in this.
func (p *Pool) NextExpiry() (time.Time, bool) {
	l, _, ok := p.next(ending, 0)
	return l.Expiry, ok
}

// AppendDue appends to due the ACTIVE and ABANDONED leases whose Expiry is not after now, the earliest first and at most
// limit of them, and returns it. It takes none away: what nobody changes is due again at the next call.
func (p *Pool) AppendDue(due []lease.Lease, now time.Time, limit int) []lease.Lease {
	if limit <= 0 {
		return due
	}
	most := len(due) + limit
	for l := range p.walk(ending) {
		if l.Expiry.After(now) {
			break
		}
		if due = append(due, l); len(due) == most {
			break
		}
	}
	return due
}
