package dora

import (
	"net/netip"
	"sync"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

const (
	// offerHold is how long an address is kept for the client it was offered to.
	offerHold = 60 * time.Second
	// maxOffers bounds the offers that are remembered. Past it the oldest is forgotten, and its client may find the
	// address gone when it asks for it.
	maxOffers = 1 << 16
	// maxSpare is how many offers that ended are kept to be used again.
	maxSpare = 1024
)

// holder says who has something.
type holder uint8

const (
	nobody  holder = iota
	client         // the client in question
	another        // another client
)

// offer is an address that was, or is about to be, offered to a client. Offers are no promise: they live in memory.
type offer struct {
	key        lease.Key
	addr       netip.Addr
	until      time.Time
	vacant     bool // nobody answered a ping of the address
	prev, next *offer
}

// offers are the addresses held for clients, each client at most one in a scope, each address for at most one client.
// Its methods may be called from several goroutines.
type offers struct {
	mu       sync.Mutex
	byClient map[lease.Key]*offer
	byAddr   map[netip.Addr]*offer
	ring     offer    // ring.next is the one that ends first
	spare    []*offer // to be used again
	most     int
}

func newOffers(most int) *offers {
	o := &offers{byClient: make(map[lease.Key]*offer), byAddr: make(map[netip.Addr]*offer), most: most}
	o.ring.prev, o.ring.next = &o.ring, &o.ring
	return o
}

// hold keeps a for the client until offerHold from now. It returns false, and changes nothing, if a is kept for another
// client, or another address for this one.
func (o *offers) hold(now time.Time, k lease.Key, a netip.Addr) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire(now)
	mine := o.byClient[k]
	if mine == nil {
		if o.byAddr[a] != nil {
			return false
		}
		if len(o.byAddr) >= o.most {
			o.remove(o.ring.next)
		}
		mine = o.take()
		mine.key, mine.addr = k, a
		o.byClient[k], o.byAddr[a] = mine, mine
	} else if mine.addr != a {
		return false
	} else {
		mine.prev.next, mine.next.prev = mine.next, mine.prev
	}
	mine.until = now.Add(offerHold)
	mine.prev, mine.next = o.ring.prev, &o.ring
	mine.prev.next, o.ring.prev = mine, mine
	return true
}

// of returns the address that is kept for the client, and whether it is known to be vacant. The address is invalid if
// there is none.
func (o *offers) of(now time.Time, k lease.Key) (a netip.Addr, vacant bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire(now)
	if mine := o.byClient[k]; mine != nil {
		return mine.addr, mine.vacant
	}
	return netip.Addr{}, false
}

// holder returns for whom a is kept, as seen by the client.
func (o *offers) holder(now time.Time, k lease.Key, a netip.Addr) holder {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire(now)
	switch have := o.byAddr[a]; {
	case have == nil:
		return nobody
	case have.key == k:
		return client
	}
	return another
}

// setVacant remembers that a, which is kept for the client, was found vacant.
func (o *offers) setVacant(k lease.Key, a netip.Addr) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if mine := o.byClient[k]; mine != nil && mine.addr == a {
		mine.vacant = true
	}
}

// drop forgets what is kept for the client.
func (o *offers) drop(k lease.Key) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if mine := o.byClient[k]; mine != nil {
		o.remove(mine)
	}
}

// len returns how many offers were kept when last one of the other methods was called.
func (o *offers) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.byAddr)
}

// expire forgets what has ended. The caller holds the lock.
func (o *offers) expire(now time.Time) {
	for o.ring.next != &o.ring && !now.Before(o.ring.next.until) {
		o.remove(o.ring.next)
	}
}

func (o *offers) remove(f *offer) {
	delete(o.byClient, f.key)
	delete(o.byAddr, f.addr)
	f.prev.next, f.next.prev = f.next, f.prev
	*f = offer{}
	if len(o.spare) < maxSpare {
		o.spare = append(o.spare, f)
	}
}

// take returns an empty offer.
func (o *offers) take() *offer {
	if n := len(o.spare); n > 0 {
		f := o.spare[n-1]
		o.spare = o.spare[:n-1]
		return f
	}
	return new(offer)
}
