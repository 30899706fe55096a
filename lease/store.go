package lease

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"time"
)

// Errors of a Store and a Book, for errors.Is.
var (
	// ErrConflict says that a Change was decided on a Lease which is no longer the one on record. Nothing of the
	// batch was written. Decide again.
	ErrConflict = errors.New("lease: changed meanwhile")
	// ErrClosed says that the Store is closed.
	ErrClosed = errors.New("lease: store is closed")
	// ErrCorrupt says that a part of a store cannot be read.
	ErrCorrupt = errors.New("lease: store is damaged")
)

// Change is one step of one address: the Lease it was decided on, and what it becomes. An address that is not on
// record has Old equal to Virgin(addr), or to the zero Lease.
type Change struct{ Old, New Lease }

// Peer is what a failover relationship must remember over a restart: both states, when they began, and the MCLT that
// the primary gave (the `failover peer "x" state` stanza of dhcpd.leases(5)). States carry the numbers of draft 12.24.
type Peer struct {
	Name         string
	State        uint8
	Since        time.Time
	Partner      uint8
	PartnerSince time.Time
	MCLT         time.Duration // zero where this server is the primary
}

// Batch is a set of changes that become durable together or not at all.
type Batch struct {
	Changes []Change // at most one for an address
	Peers   []Peer
}

// Empty reports whether there is nothing in b.
func (b Batch) Empty() bool { return len(b.Changes) == 0 && len(b.Peers) == 0 }

// Store keeps Leases and Peers where a crash cannot reach them. Its methods may be called from several goroutines.
type Store interface {
	// Load gives every Lease on record, each address once, in no order, and every Peer. It is called once, before
	// the first Apply. Where reading fails half way the last pair has the error, and no Lease: who has not seen all
	// leases must not serve.
	Load(ctx context.Context) (iter.Seq2[Lease, error], []Peer, error)
	// Apply makes the whole batch durable and returns, or returns an error and nothing of the batch is on record
	// or ever will be. Each Change.Old must be what is on record, else ErrConflict. After an error that is not
	// ErrConflict the Store may be tried again. It keeps nothing of the slices in b.
	Apply(ctx context.Context, b Batch) error
	// Close waits for what is under way and releases the Store. Apply fails with ErrClosed afterwards.
	Close() error
}

// Submitter is a Store that need not be waited for.
type Submitter interface {
	Store
	// Submit is Apply, but that done is called with its result: once, by any goroutine, and perhaps before Submit returns.
	// done must not wait for the Store. What b points to must stay as it is until then.
	Submit(b Batch, done func(error))
	// Hold says that more is about to be submitted, so that writing is better put off until Release, which follows at
	// once: many may hold at a time.
	Hold()
	Release()
	// Self returns the Store that Submit is of. A Store that embeds this one, and has an Apply of its own, is another, and
	// nothing is submitted past it.
	Self() any
}

// normal returns l with the zero Lease replaced by the virgin one of address a.
func normal(a netip.Addr, l Lease) Lease {
	if l == (Lease{}) {
		return Virgin(a)
	}
	return l
}

// Validate returns an error that names the first thing in b no Store can keep: an address that is not IPv4, a status
// outside the seven, one address twice, a time with fractions of a second, or a Change whose Old is of another address.
func (b Batch) Validate() error {
	ascending := true
	for i := range b.Changes {
		c := &b.Changes[i]
		ascending = ascending && (i == 0 || b.Changes[i-1].New.Addr.Less(c.New.Addr))
		switch {
		case !c.New.Addr.Is4():
			return fmt.Errorf("lease: change %d: address %v is not IPv4", i, c.New.Addr)
		case normal(c.New.Addr, c.Old).Addr != c.New.Addr:
			return fmt.Errorf("lease: change %d: from address %v to %v", i, c.Old.Addr, c.New.Addr)
		case !c.New.Status.Valid():
			return fmt.Errorf("lease: change %d: %v: no such status: %v", i, c.New.Addr, c.New.Status)
		}
		for _, t := range []time.Time{c.New.Since, c.New.Expiry, c.New.LastTransaction, c.New.SentPotentialExpiry,
			c.New.AckedPotentialExpiry, c.New.ReceivedPotentialExpiry} {
			if t != Second(t) || t.Unix() > 0xffffffff || (!t.IsZero() && t.Unix() <= 0) {
				return fmt.Errorf("lease: change %d: %v: time %v is not whole seconds UTC of 1970 to 2106", i, c.New.Addr, t)
			}
		}
	}
	if ascending {
		return nil
	}
	seen := make(map[netip.Addr]bool, len(b.Changes))
	for i := range b.Changes {
		a := b.Changes[i].New.Addr
		if seen[a] {
			return fmt.Errorf("lease: change %d: %v is changed twice in one batch", i, a)
		}
		seen[a] = true
	}
	return nil
}
