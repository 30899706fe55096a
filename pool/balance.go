package pool

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// The figures of ISC dhcpd where its configuration has none (dhcpd.conf(5): max-lease-misbalance, max-lease-ownership,
// min-balance, max-balance).
const (
	defaultMisbalance = 15 // percent
	defaultOwnership  = 10 // percent
	defaultMinBalance = time.Minute
	defaultMaxBalance = time.Hour
	// defaultMaxUnused is Tandem's own: some 40 MB of records on each of the partners.
	defaultMaxUnused = 1 << 18
)

// BalanceJitter is up to how much later than Balance.Next ISC dhcpd balances, in whole seconds at random, so that
// partners do not do it in the same instant.
const BalanceJitter = 4 * time.Second

// MaxSurplus is how many leases one call of Pool.Surplus returns at most.
const MaxSurplus = 4096

// Balance is the rule by which partners keep the free addresses of a pool divided between them: draft section 5.4 asks
// for one and leaves it open, this is ISC dhcpd's.
// Each server looks at its own count and only ever gives: the primary makes FREE addresses BACKUP, the secondary
// BACKUP ones FREE. The zero Balance is ISC's defaults.
type Balance struct {
	// MaxMisbalance is the percentage of the free addresses by which half the difference may grow before it is worth
	// a word, and how far towards running out the next balance is planned. 0 is 15; less is none.
	MaxMisbalance int
	// MaxOwnership is the percentage of the free addresses that a server may have more than its half, for addresses
	// whose clients it serves. 0 is 10; less is none.
	MaxOwnership int
	// MinBalance and MaxBalance are the shortest and the longest time from one balance to the next. 0 is a minute and
	// an hour; less is none.
	MinBalance, MaxBalance time.Duration
	// MaxUnused bounds how many addresses a server gives that nobody ever had: none while the partner has that many
	// available. An address that is given is on record, so half of a /8 would be eight million records that no client
	// asked for; and what a partner has is all that it can give new clients of while it cannot reach us. A partner that
	// goes by halves, as ISC dhcpd does, asks for more each time that it balances, and is given what it has used up.
	// 0 is 262,144; less is no bound.
	MaxUnused int
}

// Validate returns an error that names the first field that cannot be meant.
func (b Balance) Validate() error {
	switch d := b.orDefault(); {
	case d.MaxMisbalance > 100:
		return fmt.Errorf("pool: Balance.MaxMisbalance is %d: it is a percentage", b.MaxMisbalance)
	case d.MaxOwnership > 100:
		return fmt.Errorf("pool: Balance.MaxOwnership is %d: it is a percentage", b.MaxOwnership)
	case d.MinBalance > d.MaxBalance:
		return fmt.Errorf("pool: Balance.MinBalance is %v, longer than MaxBalance, %v", d.MinBalance, d.MaxBalance)
	}
	return nil
}

// orDefault returns b with ISC's figures for fields that are 0, and 0 for those below it.
func (b Balance) orDefault() Balance {
	return Balance{
		MaxMisbalance: orDefault(b.MaxMisbalance, defaultMisbalance),
		MaxOwnership:  orDefault(b.MaxOwnership, defaultOwnership),
		MinBalance:    orDefault(b.MinBalance, defaultMinBalance),
		MaxBalance:    orDefault(b.MaxBalance, defaultMaxBalance),
	}
}

func orDefault[T ~int | ~int64](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return max(v, 0)
}

// share returns percent of n, rounded to the next whole number.
func share[T int | int64](n T, percent int) T { return (n*T(percent) + 50) / 100 }

// Figures is what one server finds when it looks at a pool, in addresses. The log line of ISC dhcpd has them under
// the names given here.
type Figures struct {
	Surplus   int // how many to give for both to have as many; below 0: to get (lts)
	Threshold int // Surplus above which the pool is imbalanced (thresh)
	Hold      int // how far from even a server may be in favour of clients of its own (max-own)
	Panic     int // Surplus below which to ask the partner by POOLREQ
}

// Imbalanced reports whether the server has more to give than the threshold, which ISC logs after it has given.
func (f Figures) Imbalanced() bool { return f.Surplus > f.Threshold }

// Short reports whether the server should send POOLREQ. ISC does when the balance timer ran out, and neither on
// entering NORMAL nor on getting a POOLREQ itself.
func (f Figures) Short() bool { return f.Surplus < f.Panic }

// Give returns the figures of a pool with so many FREE and BACKUP addresses, reserved ones not counted, as the
// primary or the secondary sees them.
func (b Balance) Give(free, backup int, primary bool) Figures {
	b = b.orDefault()
	own, partners := backup, free
	if primary {
		own, partners = free, backup
	}
	total := free + backup
	f := Figures{
		Surplus:   (own - partners) / 2, // toward 0 on both sides, so an odd one stays where it is
		Threshold: share(total, b.MaxMisbalance),
		Hold:      share(total, b.MaxOwnership),
	}
	f.Panic = -2 * f.Threshold
	if f.Panic == 0 {
		f.Panic = -1 // ISC: so that one address is not asked for
	}
	return f
}

// Next returns when a pool is to be balanced again. free and backup are Pool.Age of lease.Free and lease.Backup; last
// is when it was balanced last, zero for never. It takes as long for a pool to run out, the rule guesses, as its
// oldest free address has been free, and it is worth a look when that time has gone by MaxMisbalance percent; twice
// that for the server's own addresses, whose lack the partner would be asked for.
//
// The time is worked out after each balance and each change of a FREE or BACKUP lease, the caller adds up to
// BalanceJitter, and moves what is planned to an earlier time only, never to a later one.
func (b Balance) Next(now, last time.Time, free, backup time.Duration, primary bool) time.Time {
	b = b.orDefault()
	f := share(int64(free/time.Second), b.MaxMisbalance)
	s := share(int64(backup/time.Second), b.MaxMisbalance)
	if primary {
		f *= 2
	} else {
		s *= 2
	}
	wait := b.MaxBalance
	if secs := min(f, s); secs < int64(wait/time.Second) {
		wait = time.Duration(secs) * time.Second
	}
	next := now.Add(wait)
	if earliest := last.Add(b.MinBalance); !last.IsZero() && next.Before(earliest) {
		return earliest
	}
	return next
}

// Affinity is ISC dhcpd's rule for the end of a lease. It reports whether the primary makes l BACKUP at once when it turns FREE, because its client is served by the
// secondary and that has not got more than it may hold. free and backup are the counts before; l has still its
// client. Reserved and BOOTP leases stay.
func (b Balance) Affinity(free, backup int, l lease.Lease, wantedByPartner func(lease.Client) bool) bool {
	if l.Flags&(lease.Reserved|lease.BOOTP) != 0 || l.Client.IsZero() || !wantedByPartner(l.Client) {
		return false
	}
	f := b.Give(free, backup, true)
	return f.Surplus > -f.Hold
}

// Surplus returns the leases that this server gives to its partner to balance the pool: FREE ones of a primary,
// BACKUP ones of a secondary. The first are those whose last client the partner serves, longest free first, until the
// partner has Hold more than half. Then come, in the order of Oldest, addresses never used until both have as many, or
// used ones until this server has Hold more than half; of those never used no more than Balance.MaxUnused allows.
// wantedByPartner is HBA.WantedByPartner; nil is no client.
//
// It changes nothing: the caller makes the leases durable in their new status and so tells the Pool. There are
// MaxSurplus at most. If there are that many, the caller calls again when those are given. An address that Pick gave
// and nobody has leased yet can be among them. The call looks at each used address that is free.
func (p *Pool) Surplus(b Balance, primary bool, wantedByPartner func(lease.Client) bool) []lease.Lease {
	own := lease.Backup
	if primary {
		own = lease.Free
	}
	wanted := func(l lease.Lease) bool {
		return wantedByPartner != nil && !l.Client.IsZero() && wantedByPartner(l.Client)
	}
	c := p.Counts()
	f := b.Give(c.Free, c.Backup, primary)
	never, used := listsOf(own)
	var give []lease.Lease
	given := make(map[netip.Addr]bool)
	// more takes the leases of a list that are worth it until the surplus is down to least or give is full.
	more := func(from list, least int, worth func(lease.Lease) bool) {
		for l := range p.walk(from) {
			if f.Surplus-len(give) <= least || len(give) == MaxSurplus {
				return
			}
			if worth(l) && !given[l.Addr] {
				given[l.Addr] = true
				give = append(give, l)
			}
		}
	}
	anyone := func(lease.Lease) bool { return true }
	more(used, -f.Hold, wanted) // those never used have no client, so nobody is known to want them
	most := b.MaxUnused
	if most == 0 {
		most = defaultMaxUnused
	}
	if primary {
		most -= c.Backup
	} else {
		most -= c.Free
	}
	if b.MaxUnused < 0 {
		most = f.Surplus
	}
	more(never, max(0, f.Surplus-max(0, most)), anyone)
	more(used, f.Hold, anyone)
	return give
}
