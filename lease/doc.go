// Package lease is the ledger: what a DHCP server knows of each address, in a form that a crash cannot take away.
//
// A [Lease] is all that is known of one address, a [Store] keeps Leases durably, and a [Book] is the live picture
// over a Store: what is in a Book is durable, and what is not durable is never in a Book. A server decides on what
// [Book.Get] and [Book.ByClient] say and then calls [Book.Apply] with a [Change] that names the Lease it decided on;
// if that is no longer the one on record the change is refused with [ErrConflict], so that two decisions can never
// both win one address. [Book.Submit] is Apply for who must not wait; many such changes share one write of the Store.
//
// The names are those of draft-ietf-dhc-failover-12; the words of dhcpd.leases(5) stand beside them. The package
// knows no DHCP packets. Everything in it may be used from several goroutines.
package lease
