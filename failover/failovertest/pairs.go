package failovertest

import "github.com/tandem-dhcp/tandem/failover"

// Short names, so that the tables can be read. They are what is on record: a server in STARTUP has the state of before.
const (
	none        = failover.State(0) // it never ran, or lost its ledger
	recovers    = failover.Recover
	waits       = failover.RecoverWait
	recovered   = failover.RecoverDone
	normal      = failover.Normal
	interrupted = failover.CommunicationsInterrupted
	down        = failover.PartnerDown
	conflict    = failover.PotentialConflict
	done        = failover.ConflictDone
	resolution  = failover.ResolutionInterrupted
	paused      = failover.Paused
	shut        = failover.Shutdown
)

type pairTable map[failover.State][]failover.State

// pairs are the states in which the two may be at one moment: the primary's down, the secondary's across. One of a pair
// beside PARTNER-DOWN is dead, or silent, or has not been heard yet.
var pairs = pairTable{
	none:        {recovers, interrupted, down},
	recovers:    {none, recovers, recovered, normal, interrupted, down, paused},
	waits:       {recovers, recovered, interrupted, down, paused},
	recovered:   {recovers, recovered, normal, interrupted, down, paused},
	normal:      {recovers, recovered, normal, interrupted, down, paused, shut},
	interrupted: {recovers, waits, recovered, normal, interrupted, down, paused},
	down:        {recovers, waits, recovered, normal, interrupted, down, conflict, paused, shut},
	conflict:    {down, conflict},
	done:        {normal, conflict},
	paused:      {recovers, waits, recovered, normal, interrupted, down, paused},
	shut:        {recovers, normal, down},
}

// seldom are those that take a rare chance: an hour of worlds reaches them, a commit need not.
var seldom = pairTable{
	none:        {waits, recovered, normal, paused, shut}, // of a ledger that has just been lost
	normal:      {conflict},                               // its word that it recovered has crossed PARTNER-DOWN
	waits:       {shut},
	recovered:   {shut},
	interrupted: {shut}, // it has not noticed yet that it is not heard
	paused:      {shut},
	shut:        {waits, recovered, interrupted, paused},
}

// afterRuin are those that are reached only after a ruinous fault.
var afterRuin = pairTable{
	recovers:    {waits},
	recovered:   {waits},
	interrupted: {conflict},
	conflict:    {interrupted},
	resolution:  {interrupted},
}

func (t pairTable) has(p [2]failover.State) bool {
	for _, s := range t[p[0]] {
		if s == p[1] {
			return true
		}
	}
	return false
}

// legal reports whether the two may be in the pair of states where nothing ruinous has happened. The roles are alike but
// in CONFLICT-DONE, which is the primary's.
func legal(p [2]failover.State) bool {
	turned := [2]failover.State{p[1], p[0]}
	return pairs.has(p) || seldom.has(p) || p[1] != done && (pairs.has(turned) || seldom.has(turned))
}

// everyPair returns the pairs that the worlds of a commit must reach.
func everyPair() (all [][2]failover.State) {
	for _, t := range []pairTable{pairs, afterRuin} {
		for p, secondaries := range t {
			for _, s := range secondaries {
				all = append(all, [2]failover.State{p, s})
			}
		}
	}
	return all
}
