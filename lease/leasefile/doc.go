// Package leasefile keeps leases in a file: [Store] is the [lease.Store] for a server with a disk.
//
//	s, err := leasefile.Open("/var/lib/dhcp/dhcpd.leases", leasefile.Config{Report: log})
//	book, err := lease.OpenBook(ctx, s, lease.BookConfig{})
//
// The file is a log in the syntax of dhcpd.leases(5): ISC dhcpd 4.4 reads it, and files that ISC dhcpd wrote, or a
// person edited, are read here. The last stanza for an address or a failover peer counts.
//
// # Commits
//
// Each batch is written as one commit, between two lines that are comments to ISC:
//
//	# begin 258
//	lease 10.0.0.5 {
//	  starts 0 2026/11/22 12:08:38;
//	  ends 0 2026/11/22 12:09:38;
//	  ...
//	  # tandem
//	}
//	# commit 258 9a3fe210
//
// The number is how many octets stand between the lines, and the last word their CRC-32C. All Applies that wait at one
// time share one write and one fdatasync, and return after it.
//
// The comment "# tandem" marks a stanza as Tandem's own. Behind it stands, as NAME=VALUE, what a [lease.Lease] has and
// ISC's statements cannot say or would say otherwise, so that every lease is read as it was written. Without such
// words the statements mean what they mean to ISC dhcpd: tstp is SentPotentialExpiry, tsfp the later of
// AckedPotentialExpiry and ReceivedPotentialExpiry, and the lease is acknowledged if atsfp is not before tstp.
//
// # What is believed on opening
//
// What stands in whole commits counts. What stands outside of commits and does not have Tandem's mark is somebody
// else's (ISC dhcpd's, or an operator's that puts a server into partner-down) and counts as well, stanza by stanza, if
// the stanza is complete. Everything else does not count:
//
//   - A commit at the end of the file that is shorter than its first line says, or zeros, are what a crash leaves of a
//     write that nobody was told of. It is cut off. Config.Report hears of it as a [Damage] with Torn set.
//   - A commit that is not what its lines say, a stanza that is broken off or says what cannot be, a marked stanza
//     outside of a commit are damage. It is left out, and Config.Report hears where, why, and of which addresses. A
//     commit is left out as a whole, for who can say which of its octets to believe. The file as it was stays as
//     path.damaged-1 (or -2, and so on), and what is sound is written to a new one.
//
// Somebody who changes a stanza within a commit by hand therefore damages the commit. Append a stanza instead, without
// the mark; and not after a crash before Tandem, or ISC dhcpd, has opened the file again, since what is appended to a
// torn commit is a part of it.
//
// If the file is missing and path~ is there, Open fails: somebody has moved it, or a server died while it put a new file
// into its place (dhcpd.leases(5)), and to begin with an empty one would give all leases away a second time.
//
// # A large file
//
// Open reads the file once, and a Load once more, in pieces on several processors: a million leases are a quarter of a
// gigabyte. The Load after Open takes its word for what is sound, as long as nothing was written between them, but not for
// what the leases are: each must say what it said, and none may be missing. Config.Progress is told how far they are.
//
// # Compaction
//
// When the file has grown (Config.CompactAt) the stanzas that count are copied to path.new while Applies go on, the
// commits written meanwhile are added, and path.new takes the name of the file, which becomes path~. What ISC dhcpd
// keeps besides leases (server-duid, hosts, classes) is copied as it is. Virgin leases are left out. Clients come first:
// the work rests half of the time, as long as they do not write faster than it is done.
//
// # When the disk fails
//
// An Apply that cannot be made durable fails, and the file is cut back to what was durable before anything else is
// written; until that succeeds every Apply fails. A sync that failed is never repeated in the hope of a better answer:
// see ErrInDoubt for what remains open if the machine stops at that moment.
//
// A Store holds a lock (path.lock) against a second one on the same file, and in memory an index of some twenty octets
// for each lease, but no lease.
package leasefile
