package dhcp4

import (
	"strconv"
	"sync/atomic"
)

// DropReason is why a datagram, or the answer to it, came to nothing.
type DropReason uint8

// The reasons, in the order in which a datagram meets them.
const (
	DropTooLarge     DropReason = iota // the datagram is longer than 4,096 octets
	DropOverload                       // Server.MaxInFlight is reached
	DropUndecodable                    // UnmarshalBinary returned an error
	DropNotRequest                     // the op field is not BOOTREQUEST
	DropPanic                          // the handler panicked
	DropRateLimited                    // the handler returned ErrRateLimited
	DropHandlerError                   // the handler returned another error
	DropUnencodable                    // the answer cannot be encoded, for one because it is too large for the client
	DropWriteError                     // the answer could not be sent
	dropReasons
)

var dropReasonNames = [dropReasons]string{
	DropTooLarge:     "too large",
	DropOverload:     "overload",
	DropUndecodable:  "undecodable",
	DropNotRequest:   "not a request",
	DropPanic:        "panic",
	DropRateLimited:  "rate limited",
	DropHandlerError: "handler error",
	DropUnencodable:  "unencodable answer",
	DropWriteError:   "write error",
}

// String returns the reason in plain words, such as "overload", or "DropReason(99)".
func (r DropReason) String() string {
	if r < dropReasons {
		return dropReasonNames[r]
	}
	return "DropReason(" + strconv.Itoa(int(r)) + ")"
}

// Stats counts what a Server has done since it was made. Once it is idle, Received is the sum of Sent, Silent and all of
// Dropped.
type Stats struct {
	Received   uint64              // datagrams read
	Sent       uint64              // answers sent
	Silent     uint64              // requests that the handler chose not to answer
	Dropped    [dropReasons]uint64 // datagrams that came to nothing, indexed by DropReason
	ReadErrors uint64              // failures of Conn.ReadBatch
	InFlight   int                 // datagrams being worked on now
}

// counters is Stats as it is counted.
type counters struct {
	received, sent, silent, readErrors atomic.Uint64
	dropped                            [dropReasons]atomic.Uint64
	inFlight                           atomic.Int64
}

// Stats returns what has been counted so far.
func (s *Server) Stats() Stats {
	c := &s.counters
	st := Stats{
		Received:   c.received.Load(),
		Sent:       c.sent.Load(),
		Silent:     c.silent.Load(),
		ReadErrors: c.readErrors.Load(),
		InFlight:   int(c.inFlight.Load()),
	}
	for r := range c.dropped {
		st.Dropped[r] = c.dropped[r].Load()
	}
	return st
}
