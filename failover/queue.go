package failover

import (
	"net/netip"

	"github.com/tandem-dhcp/tandem/lease"
)

// updates is what the partner has to be told: one entry for each binding that it has not acknowledged. An address
// that is not in it is clean; at most one update of an address is in flight.
type updates struct {
	entries map[netip.Addr]*update
	fifo    []netip.Addr       // waiting; an address whose entry is not waiting under this number is stale
	sent    map[uint32]*update // in flight, by xid
	next    uint64             // number of the next entry
	spares  []*lease.Lease     // to be used again
}

// maxTold bounds how many Leases are kept to be used again.
const maxTold = 1024

// update is one binding to be told: waiting, in flight, or held back because the partner refused it.
type update struct {
	addr    netip.Addr
	number  uint64 // grows in the order of queueing
	changed uint64 // the last number when the binding changed
	phase   phase
	again   bool         // changed while in flight: tell it once more
	xid     uint32       // of the update in flight
	told    *lease.Lease // what it says; nil if none is in flight, since very many may wait
}

type phase uint8

const (
	waiting  phase = iota
	inFlight       // told, not answered
	held           // refused: the partner knows better, or will be asked again at the next request or NORMAL
)

func newUpdates() updates {
	return updates{entries: make(map[netip.Addr]*update), sent: make(map[uint32]*update)}
}

// add queues an address, or marks it to be told again if an update of it is in flight.
func (q *updates) add(a netip.Addr) {
	u := q.entries[a]
	switch {
	case u == nil:
		u = &update{addr: a}
		q.entries[a] = u
		q.enqueue(u)
	case u.phase == held:
		q.enqueue(u)
	default:
		q.next++
		u.again = u.phase == inFlight
	}
	u.changed = q.next
}

func (q *updates) enqueue(u *update) {
	q.next++
	u.phase, u.number, u.again = waiting, q.next, false
	q.fifo = append(q.fifo, u.addr)
}

// drop forgets an address: the partner knows, or has told us otherwise. An answer to an update in flight will not be
// expected any more.
func (q *updates) drop(a netip.Addr) {
	if u := q.entries[a]; u != nil {
		if u.phase == inFlight {
			delete(q.sent, u.xid)
			q.landed(u)
		}
		delete(q.entries, a)
	}
}

// pop takes the longest waiting entry, or nil.
func (q *updates) pop() *update {
	for len(q.fifo) > 0 {
		u := q.entries[q.fifo[0]]
		q.fifo = q.fifo[1:]
		if u != nil && u.phase == waiting {
			return u
		}
	}
	q.fifo = nil
	return nil
}

// flying records that an update was sent.
func (q *updates) flying(u *update, xid uint32, told lease.Lease) {
	u.phase, u.xid, u.again = inFlight, xid, false
	if n := len(q.spares); n > 0 {
		u.told, q.spares = q.spares[n-1], q.spares[:n-1]
	} else {
		u.told = new(lease.Lease)
	}
	*u.told = told
	q.sent[xid] = u
}

// landed forgets what u said, and returns that.
func (q *updates) landed(u *update) lease.Lease {
	told := *u.told
	*u.told = lease.Lease{} // of its texts
	if len(q.spares) < maxTold {
		q.spares = append(q.spares, u.told)
	}
	u.told = nil
	return told
}

// answered takes the entry in flight under this xid and address out of flight, and returns what it said; or nil if there is
// none. It is the caller's to say what becomes of it.
func (q *updates) answered(xid uint32, a netip.Addr) (u *update, told lease.Lease) {
	u = q.sent[xid]
	if u == nil || u.addr != a {
		return nil, lease.Lease{}
	}
	delete(q.sent, xid)
	u.phase = held
	return u, q.landed(u)
}

// lost puts what was in flight back, before all that waits: the connection is gone, and its xids with it.
func (q *updates) lost() {
	var back []*update
	for _, u := range q.sent {
		back = append(back, u)
	}
	clear(q.sent)
	sortByNumber(back)
	front := make([]netip.Addr, 0, len(back)+len(q.fifo))
	for _, u := range back {
		q.landed(u)
		u.phase, u.again = waiting, false
		front = append(front, u.addr)
	}
	q.fifo = append(front, q.fifo...)
}

// requeue lets what was held back go again.
func (q *updates) requeue() {
	var back []*update
	for _, u := range q.entries {
		if u.phase == held {
			back = append(back, u)
		}
	}
	sortByNumber(back)
	for _, u := range back {
		q.enqueue(u)
	}
}

// idleUpTo reports whether nothing that was queued with this number or a lower one is waiting or in flight.
func (q *updates) idleUpTo(number uint64) bool {
	for _, u := range q.sent {
		if u.number <= number {
			return false
		}
	}
	// The numbers of waiting entries grow along the queue, but for those that lost has put in front.
	for _, a := range q.fifo {
		if u := q.entries[a]; u != nil && u.phase == waiting {
			return u.number > number
		}
	}
	return true
}
