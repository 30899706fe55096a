package dora

import (
	"context"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// Gate is what a partner lets a server do with the addresses of a pool. A failover endpoint is one; Alone is one for a
// pool without a partner. Its methods may be called from several goroutines. Errors are reasons, and end
// in the log without the name of their package.
type Gate interface {
	// Answers returns nil if this server may answer DHCPDISCOVER, DHCPREQUEST, DHCPRELEASE and DHCPDECLINE at all now.
	Answers() error
	// Serves returns nil if a DHCPDISCOVER of the client with these octets (RFC 3074: option 61, else chaddr), which has
	// been trying for secs seconds, is this server's to answer and not the partner's. It must not keep stid.
	Serves(stid []byte, secs uint16) error
	// Mine reports whether this server may give l to a new client now. It need not look at l.Flags: one that is reserved
	// is given to nobody else.
	Mine(now time.Time, l lease.Lease) bool
	// Limit returns until when client c may be told that it may use l, at most want, which is what the configuration
	// would give it; or an error if l may not be given to c.
	Limit(now time.Time, l lease.Lease, c lease.Client, want time.Time) (until time.Time, err error)
	// Commit makes the change durable, queues it for the partner, and returns only then. New.Status is Active,
	// Released or Abandoned; what becomes of a released address is the Gate's to say. Of a grant New.Expiry is what
	// the client will be told, and New.SentPotentialExpiry what the configuration would give it, which the Gate
	// replaces by a figure of its own; with lease.BOOTP in its Flags it has no end, whatever Limit says. Commit returns
	// lease.ErrConflict if Old is no longer on record, or Limit would allow less by now. It may put a later end on
	// record than New.Expiry: then the client is told that, as far as Limit allows it of what is on record.
	Commit(ctx context.Context, c lease.Change) error
}

// Submitter is a Gate that need not be waited for.
type Submitter interface {
	Gate
	// Submit is Commit, but that done is called with its result: once, by any goroutine, and perhaps before Submit
	// returns. done must not wait for the Gate, nor hold it up long. Submit reports false, and has done nothing, where
	// Commit is to be called and waited for.
	Submit(c lease.Change, done func(error)) bool
	// Hold says that more is about to be submitted, so that the Gate had better put off what it does until Release, which
	// follows at once: many may hold at a time.
	Hold()
	Release()
	// Self returns the Gate that Submit is of. A Gate that embeds this one, and has a Commit of its own, is another, and
	// nothing is submitted past it.
	Self() any
}

// submitterOf returns g as a Submitter, or nil.
func submitterOf(g Gate) Submitter {
	if s, ok := g.(Submitter); ok && s.Self() == any(g) {
		return s
	}
	return nil
}
