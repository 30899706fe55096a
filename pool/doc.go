// Package pool is the desk at which an address is chosen: ranges of IPv4 addresses, an index of them by status so that
// choosing costs the same at any size, and the two rules by which failover partners share a pool without talking
// about each address: load balancing by a hash of the client (RFC 3074) and pool balance (draft-ietf-dhc-failover-12
// section 5.4, in the form ISC dhcpd 4.4 gives it).
//
//	p, err := pool.New(pool.Config{
//		Name:   "office",
//		Ranges: []pool.Range{{First: first, Last: last}},
//	}, book)
//	if err != nil {
//		return err
//	}
//	book.Observe(p) // from here on the Pool follows the Book
//
//	l, ok := p.Pick(lease.Free, func(l lease.Lease) bool { return !offered[l.Addr] })
//
// # What it knows
//
// A Pool remembers no lease. It remembers where to look: an address that nobody ever had is implicit, an address that
// has been used and is free again stands in a list by the time it has been free, a leased one in a list by its end.
// Each address is in one list at most. Whatever a list says is looked up in the View (a *lease.Book) before it is
// given to anybody, and if the View says otherwise the address is put where it belongs now. So a Pool may be behind
// for the moment in which a change is being told, but what it gives was so in the View when it gave it.
//
// A list costs 8 to 16 octets for a used or leased address and nothing for those never used: a /8 of which nothing has
// been touched takes as much memory as a pool of two.
//
// # Order of choice
//
// The client's own last address comes first, which is the caller's to look up (lease.Book.ByClient). Pick then gives
// addresses never used, in the order of addresses, and after them the one that has been free longest. That is the
// order of ISC dhcpd's free list, by which balance gives addresses away too (see Pool.Surplus); only that an ISC
// secondary takes those never used from the top of the range down.
//
// # Sharing
//
// A Pool may be used from several goroutines. The functions it is given run without a lock of the Pool's held. HBA,
// Balance and the other types are plain values.
package pool
