package failover

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// free makes the addresses available whose leases have ended while the partner is down, when nobody can hold them by a
// promise of the partner's any more (draft 9.4.2). It returns when the next will be, or the zero time.
func (m *Machine) free(now time.Time) (next time.Time) {
	if m.mclt() == 0 {
		return next // the primary never told: nobody knows what it may have promised
	}
	for _, a := range slices.SortedFunc(maps.Keys(m.queue.entries), netip.Addr.Compare) {
		l := m.get(a)
		if !l.Status.Ending() {
			continue
		}
		at := promised(l, m.downSince(), m.mclt())
		switch {
		case at.Before(now):
			m.set(m.ours(now, l))
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	if next.IsZero() {
		return next
	}
	return next.Add(time.Second) // strictly later
}

// ours is a lease that has ended in every respect, in this server's own available status.
func (m *Machine) ours(now time.Time, l lease.Lease) lease.Lease {
	l.Status, l.Since, l.Unacked = m.cfg.Role.own(), now, true
	l.Expiry = earlier(l.Expiry, now)
	l.SentPotentialExpiry, l.AckedPotentialExpiry, l.ReceivedPotentialExpiry = now, time.Time{}, time.Time{}
	l.Flags &^= lease.BOOTP
	return l
}

// promised is the latest end that the partner can have promised for l, without a word to us, before it went down at
// since or before.
func promised(l lease.Lease, since time.Time, mclt time.Duration) time.Time {
	return later(l.LatestPromise(), since).Add(mclt)
}

// downSince is from when the partner is taken to be down. After a restart of our own it may have been up meanwhile,
// unseen: then it is from the restart on. Both are kept in whole seconds, and what it promised in that second counts.
func (m *Machine) downSince() time.Time { return later(m.peer.Since, m.started).Add(time.Second) }
