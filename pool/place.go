package pool

import (
	"math"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// list names one of the lists of a Pool.
type list uint8

const (
	nowhere     list = iota // reserved, waiting for the partner, or without an end
	neverFree               // FREE and never used: no Expiry
	neverBackup             // BACKUP and never used
	usedFree                // FREE again, by Expiry
	usedBackup              // BACKUP, used once, by Expiry
	ending                  // ACTIVE and ABANDONED, by Expiry
	lists
)

// listsOf returns the two lists of an available status, in the order in which they are used. For any other status
// both are nowhere.
func listsOf(s lease.Status) (never, used list) {
	switch s {
	case lease.Free:
		return neverFree, usedFree
	case lease.Backup:
		return neverBackup, usedBackup
	}
	return nowhere, nowhere
}

// place is where a lease stands: a list, and the key in it. The lower half of a key is always the number of the
// address. The upper half is the Expiry in seconds in a list that is sorted by it, else 0.
type place struct {
	list list
	key  uint64
}

// placeOf returns the one place where l, whose address has the number n, belongs.
func placeOf(n uint32, l lease.Lease) place {
	never, used := listsOf(l.Status)
	switch {
	case l.Status.Available() && l.Flags&lease.Reserved != 0:
		return place{} // its client finds it, nobody else may
	case l.Status.Available() && l.Expiry.IsZero():
		return place{never, uint64(n)}
	case l.Status.Available():
		return place{used, key(n, l.Expiry)}
	case l.Status == lease.Active || l.Status == lease.Abandoned:
		if l.Expiry.IsZero() || l.Expiry.Equal(lease.Never) {
			return place{}
		}
		return place{ending, key(n, l.Expiry)}
	}
	return place{}
}

func key(n uint32, expiry time.Time) uint64 { return uint64(seconds(expiry))<<32 | uint64(n) }

// seconds returns t in the 32 bits it has on the wire. What does not fit, and the ledger does not hold, goes to the
// end it is beyond.
func seconds(t time.Time) uint32 {
	return uint32(min(max(t.Unix(), 0), math.MaxUint32))
}

// index is a set of keys that can be walked in their order: a *set or an *order.
type index interface {
	add(k uint64)
	remove(k uint64)
	next(k uint64) (uint64, bool) // the smallest key that is not below k
	len() int
}
