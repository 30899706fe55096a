package failover

import (
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// maxTime is the latest potential expiry that is sent for a lease with an end; ISC dhcpd takes 0x7fffffff for "never".
const maxTime = 0x7ffffffe

// LatestExpiry is the latest end that client c may be told for l at now, want being what it would be told by a server
// without a partner: MCLT past what the partner is known to know of this binding (draft 7.1.5), and never more than
// want.
func LatestExpiry(now, want time.Time, l lease.Lease, c lease.Client, mclt time.Duration) time.Time {
	held := l.Client.Is(c) && (l.Status == lease.Active || l.Status.Ending() && l.Rewind == lease.Active)
	known := now
	if held {
		known = later(now, l.KnownExpiry())
	}
	return earlier(want, known.Add(mclt))
}

// latest is LatestExpiry, or all that is wanted where the partner is down and Config.FullLeases lets it.
func (c Config) latest(s service, now, want time.Time, l lease.Lease, client lease.Client, mclt time.Duration) time.Time {
	if s == survivor && c.FullLeases {
		return want
	}
	return LatestExpiry(now, want, l, client, mclt)
}

// potentialExpiry is what the partner is told when a client is told until: the end the client would like at its next
// renewal, which comes at half of what it has (draft 5.2.1; the rounding is ISC dhcpd's).
func potentialExpiry(now, want, until time.Time) time.Time {
	if want.Unix() >= lease.Never.Unix() {
		return lease.Never
	}
	half := max(until.Sub(now), 0) / (2 * time.Second) * time.Second
	return earlier(lease.Second(want.Add(half)), lease.FromUnix(maxTime))
}

// roundUp returns the first whole second that is not before t.
func roundUp(t time.Time) time.Time {
	if s := lease.Second(t); s.Before(t) {
		return s.Add(time.Second)
	}
	return lease.Second(t)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// ended is l in a status in which nothing is promised any more, as of now. The partner is told, as ISC dhcpd tells it of a
// lease that ended by time, up to when it was allowed to think that there is one: it may have promised as much to the
// client, and lost its record since. If it was never told of the lease at all, that is nothing.
func ended(l lease.Lease, status lease.Status, now time.Time) lease.Lease {
	sent := now
	if l.PartnerStatus() == lease.Active {
		sent = later(now, l.LatestPromise())
	}
	l.Status = status
	l.Since = now
	l.Expiry = earlier(l.Expiry, now)
	l.SentPotentialExpiry = sent
	l.Unacked = true
	return l
}
