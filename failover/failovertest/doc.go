// Package failovertest tries to break failover. A [Model] is a small world on one goroutine and a virtual clock: two
// failover.Machines with their ledgers, the connection between them, a client LAN, and clients that behave as RFC 2131
// has them. Everything in it is drawn from one seed, also what goes wrong: cut, slow and reset connections, crashes
// between any two effects of a step, writes that fail, a LAN that loses, repeats and delays, and switches that split.
// After each step it asks whether the promises of the protocol still hold.
//
//	report, err := failovertest.New(failovertest.Config{Seed: 7}).Run()
//
// The error is a *Breach, which names the promise. The same Config gives the same run, octet for octet, so a seed is all
// that is needed to see it again; [Shrink] finds out which of its faults it takes.
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
//	I7   only pairs of states that the protocol knows; PARTNER-DOWN and POTENTIAL-CONFLICT do not come by themselves
//	I9   when all is quiet, both come to NORMAL, agree on every lease and have told each other all; when the leases have
//	     ended, every address is available again and the shares are even
//	I10  a restart finds a sound ledger; a Tick moves the Deadline, the partners do not talk without end
//
// An allowance of a second is made in I3 for rounding. I1 counts a lease from when the client sent the request that was
// answered (RFC 2131 section 4.4.1), and knows no allowance.
//
// # What goes wrong
//
//	                       I1-I7  I9, I10
//	cut, one way, reset     hold   hold, once healed
//	slow, stalled           hold   hold, once healed
//	crash, loss of power    hold   hold, once restarted
//	failing write           hold   hold, once there is room
//	lossy LAN, partition    hold   hold
//	clocks apart (Skew)     I1 and I5 may break by that much; the Model allows for it
//
// Two clocks that differ are off unless Config.Skew is set. Not modelled yet: a partner that was declared down, and a
// ledger that was lost or put back to an older one.
package failovertest
