// Package failovertest tries to break failover. A [Model] is a small world on one goroutine and a virtual clock: two
// failover.Machines with their ledgers, the connection between them, a client LAN, and clients that behave as RFC 2131
// has them. Everything in it is drawn from one seed, also what goes wrong: see [Kinds]. Some worlds live for hours and are
// hit every minute, others live for weeks; in some the ledgers are lease files on disks that tear and reorder what was not
// synced. After each step the Model asks whether the promises of the protocol still hold.
//
//	report, err := failovertest.New(failovertest.Config{Seed: 7}).Run()
//
// The error is a *Breach, which names the promise. The same Config gives the same run, octet for octet, so a seed is all
// that is needed to see it again; [Shrink] finds out which of its faults it takes. What a commit is tried with, and an hour
// or a night:
//
//	go test ./failover/failovertest -run 'TestModel$|TestISC|TestMutants' -v -args -commit -mutants commit
//
//	go test ./failover/failovertest -run 'TestModel$' -v -timeout 0 -args -for 1h -keep -from 1000000
//
// Beside the worlds, TestCatalogue plays the known ways to lose an address or to give it twice, TestPuppet lets a partner
// say anything in any state, TestCells asks that every event has met a server of both roles in every state, TestFound runs
// the worlds in which a promise was broken once, and TestMutants sabotages the core line by line and asks that all this
// notices: twelve lines with every commit, -args -mutants all for all of them. A sabotage that changes no promise says why.
//
// # What is asked
//
//	I1   no two clients hold one address by unexpired DHCPACKs that they have received
//	I2   every DHCPACK, and every BNDACK that accepts, is in the store of its sender when it leaves
//	I3   no client is told an end later than MCLT past the later of now and what the partner is known to know
//	I4   a new binding uses only an address that its server may give, and no address is both servers' to give
//	I5   a client that asks a serving server for the lease that this server has on record for it keeps it, and the
//	     server that gave a lease has it on record until it ends
//	I6   no client is refused (DHCPNAK) the address that it holds
//	I7   only pairs of states that are listed; PARTNER-DOWN only by order, by the fence, or by the partner's word, and
//	     nobody serves beside it; POTENTIAL-CONFLICT only after it
//	I8   after a full update the receiver knows every binding that the sender had when it began
//	I9   in quiet both are NORMAL within two receive timers and the time that the queues take, if neither has to learn or to
//	     wait first; they agree on every lease and have told each other all; when the leases have ended, every address is
//	     available again and the shares are even
//	I10  a restart finds a sound ledger, from before or after the step that was interrupted; a Tick moves the Deadline, the
//	     partners do not talk without end
//	I11  nothing that arrives ends the process, and what is remembered of it is bounded
//	I12  while a server that a client reaches may serve it and has an address, the client is bound within four tries
//	I13  the same seed gives the same run (TestSameSeedSameRun)
//
// An allowance of a second is made in I3 for rounding. I1 counts a lease from when the client sent the request that was
// answered (RFC 2131 section 4.4.1), and knows no allowance where the clocks are right.
//
// # What goes wrong, and what is left
//
// h: it holds while that goes on. p: it may pause, and holds again when that is over. s: it holds but for as much as the
// clocks are off. d: no protocol can hold it; what is asked instead is that a server which gives up its own client for the
// partner's says so by failover.Conflict. What is not in the table holds with every kind: I2, I10, I11, I13.
//
//	                                            I1  I3  I4  I5  I6  I7  I8  I9  I12
//	link cut, one way, reset, slow, garbled     h   h   h   h   h   h   h   p   h
//	crash, loss of power at any effect          h   h   h   h   h   h   h   p   p
//	disk full, failing, slow                    h   h   h   h   h   h   h   p   p
//	LAN that loses, repeats, delays             h   h   h   h   h   h   h   h   p
//	partition, switch split, blackout           h   h   h   h   h   h   h   p   h
//	partner-down, of one that is down           h   h   h   h   h   h   h   p   h
//	pause, shutdown, recover, resync            h   h   h   h   h   h   h   p   h
//	pool grown, shrunk                          h   h   h   h   h   h   h   p   h
//	configurations that differ                  h   h   h   h   h   h   h   h1  h
//	strange clients                             h2  h   h   h2  h2  h   h   h   h2
//	clocks that drift, that step                s   s   h   s   s   h   s   p   h
//	one ledger lost                             h   h   h   h3  h   h   h   p   h
//	one ledger lost while addresses are
//	  out of the pool, or its owner served
//	  while its partner was down                d   h   d   d   d   d   d   d   h
//	partner-down while one of the two has
//	  addresses out of the pool                 d   h   d   d   d   d   d   d   h
//	both ledgers lost                           d   h   h   d   d   d   d   p   h
//	a ledger put back, and the order recover    d   d   h   d   d   d   d   p   h
//	a ledger put back, and nobody says so       d   d   h   d   d   d   d   d   h
//	partner-down, of one that serves            d   h   h   d   d   d   d   p   h
//
//	h1 of the addresses that are in both pools   h2 of other clients   h3 of leases that were given since
//
// With Config.ISC one of the two behaves as ISC dhcpd does, and the other must not end or wedge it, find it again after
// whatever happened, and agree with it. What an ISC dhcpd had in flight when a connection broke outside NORMAL it counts for
// ever: an address can wait in EXPIRED until it next loses the connection in NORMAL.
//
// A ledger that was put back without the order recover stays behind: its partner has nothing to tell that it has not told
// before. So give that order.
package failovertest
