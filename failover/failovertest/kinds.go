package failovertest

import (
	"fmt"
	"time"
)

// Kinds is a set of kinds of fault.
type Kinds uint32

// The kinds that happen at a time.
const (
	LinkCut          Kinds = 1 << iota // nothing passes between the servers, and both find out by silence
	LinkOneWay                         // likewise in one direction
	LinkReset                          // the connection breaks at once, at both ends or at one
	LinkSlow                           // messages take up to seconds
	LinkGarbled                        // a message arrives damaged
	Crash                              // a server ends, anywhere in the effects of a step, with loss of power or without
	SaveError                          // writes fail for a while, or some of them: the disk is full
	SaveSlow                           // writes take up to seconds
	LANLoss                            // the LAN loses, repeats, reorders and delays messages
	Partition                          // each client reaches one server only
	SwitchSplit                        // likewise, and the servers do not reach each other
	Blackout                           // no client reaches any server
	PartnerDown                        // a server dies, an operator gives the order at the other, and it comes back when they can talk
	Operator                           // an operator pauses, shuts down, resumes, resyncs a server, or lets it recover
	Reload                             // the pool grows or shrinks, at one server after the other
	ClockStep                          // the clock of a server is minutes off for a while
	StoreLost                          // a server loses its ledger
	BothLost                           // both do
	StoreRolledBack                    // a server comes back with an old ledger
	WrongPartnerDown                   // the order is given though the partner serves

	// The kinds that belong to a world from its beginning.

	LateStart  // the secondary comes up minutes after the primary
	ClockDrift // the clocks go up to 1 % wrong, and are put right from time to time
	Differing  // the servers are configured differently
	Strangers  // clients that change their name, have a twin, or decline much
	None       // no fault: a set of none

	All = None - 1 // every kind but None
)

// Sets of kinds.
const (
	// lasting are those of the whole world.
	lasting = LateStart | ClockDrift | Differing | Strangers
	// ruinous are those after which no protocol can keep two clients off one address. What is asked then is that both
	// are told of by failover.Conflict.
	ruinous = BothLost | StoreRolledBack | WrongPartnerDown
	// timely are those after which the servers do not know how late it is.
	timely = ClockStep | ClockDrift
)

var kindNames = []struct {
	kind Kinds
	name string
}{
	{LinkCut, "link cut"}, {LinkOneWay, "link one way"}, {LinkReset, "link reset"}, {LinkSlow, "link slow"},
	{LinkGarbled, "link garbled"}, {Crash, "crash"}, {SaveError, "save error"}, {SaveSlow, "save slow"}, {LANLoss, "LAN loss"},
	{Partition, "partition"}, {SwitchSplit, "switch split"}, {Blackout, "blackout"}, {PartnerDown, "partner-down"},
	{Operator, "operator"}, {Reload, "reload"}, {ClockStep, "clock step"}, {StoreLost, "store lost"}, {BothLost, "both lost"},
	{StoreRolledBack, "store rolled back"}, {WrongPartnerDown, "wrong partner-down"},
	{LateStart, "late start"}, {ClockDrift, "clock drift"}, {Differing, "differing"}, {Strangers, "strangers"},
}

// String returns the names of the kinds, "link cut, crash".
func (k Kinds) String() string {
	s := ""
	for _, n := range kindNames {
		if k&n.kind != 0 {
			if s != "" {
				s += ", "
			}
			s += n.name
		}
	}
	if s == "" {
		return "none"
	}
	return s
}

// Fault is one thing that goes wrong.
type Fault struct {
	Number int // for Config.Only
	Kind   Kinds
	At     time.Duration // virtual time since the beginning
	For    time.Duration // how long
	Server int           // 0 the primary, 1 the secondary, of those kinds that happen to one
	Degree uint32        // how bad, or where; what it means depends on the kind
}

// String returns "3: crash of the secondary at 1h3m0s for 20s (17)".
func (f Fault) String() string {
	s := f.Kind.String()
	who := [...]string{"primary", "secondary"}[f.Server]
	switch f.Kind {
	case LinkOneWay:
		s += " to the " + who
	case LinkCut, LinkReset, LinkSlow, LANLoss, Partition, SwitchSplit, Blackout, BothLost:
	default:
		s += " of the " + who
	}
	return fmt.Sprintf("%d: %s at %v for %v (%d)", f.Number, s, f.At, f.For, f.Degree)
}
