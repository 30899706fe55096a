package dora

import (
	"sync/atomic"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// Stats counts what a Server did since it was made.
type Stats struct {
	Discovers, Requests, Declines, Releases, Informs, Bootps, Unknown uint64 // messages received, by type

	Offers, Acks, Naks, BootReplies uint64 // answers
	Silent                          uint64 // messages without an answer, by intent
	Failed                          uint64 // messages without an answer because the ledger could not be written

	Cached      uint64 // DHCPACKs of a lease as it was (Settings.CacheThreshold)
	Released    uint64 // leases given back by DHCPRELEASE
	Abandoned   uint64 // addresses taken out of use
	Exhausted   uint64 // times that no address was left for a client
	Conflicts   uint64 // messages given up because the lease kept changing meanwhile
	PingsSilent uint64 // pings that nobody answered
	PingsHeard  uint64 // pings that somebody answered
	PingsFailed uint64 // offers without a ping that should have had one: Pinger failed, or Config.MaxPings was reached

	OffersHeld int // addresses kept for clients when last an offer was made, ended or looked at
}

// counters are Stats as they grow.
type counters struct {
	discovers, requests, declines, releases, informs, bootps, unknown atomic.Uint64

	offers, acks, naks, bootReplies, silent, failed   atomic.Uint64
	cached, released, abandoned, exhausted, conflicts atomic.Uint64
	silentPings, answeredPings, failedPings           atomic.Uint64
}

func (c *counters) received(kind dhcp4.MessageType) {
	switch kind {
	case dhcp4.MessageTypeDiscover:
		c.discovers.Add(1)
	case dhcp4.MessageTypeRequest:
		c.requests.Add(1)
	case dhcp4.MessageTypeDecline:
		c.declines.Add(1)
	case dhcp4.MessageTypeRelease:
		c.releases.Add(1)
	case dhcp4.MessageTypeInform:
		c.informs.Add(1)
	case dhcp4.MessageTypeNone:
		c.bootps.Add(1)
	default:
		c.unknown.Add(1)
	}
}

// Stats returns the counts as they are now. Those of one message may not have arrived together.
func (s *Server) Stats() Stats {
	c := &s.counts
	return Stats{
		Discovers: c.discovers.Load(), Requests: c.requests.Load(), Declines: c.declines.Load(),
		Releases: c.releases.Load(), Informs: c.informs.Load(), Bootps: c.bootps.Load(), Unknown: c.unknown.Load(),
		Offers: c.offers.Load(), Acks: c.acks.Load(), Naks: c.naks.Load(), BootReplies: c.bootReplies.Load(),
		Silent: c.silent.Load(), Failed: c.failed.Load(),
		Cached: c.cached.Load(), Released: c.released.Load(), Abandoned: c.abandoned.Load(),
		Exhausted: c.exhausted.Load(), Conflicts: c.conflicts.Load(),
		PingsSilent: c.silentPings.Load(), PingsHeard: c.answeredPings.Load(), PingsFailed: c.failedPings.Load(),
		OffersHeld: s.offers.len(),
	}
}
