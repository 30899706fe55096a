// Package failover keeps two DHCP servers, which share their address pools, from ever giving one address to two
// clients: the failover protocol of draft-ietf-dhc-failover-12, as ISC dhcpd 4.4 speaks it.
//
// An [Endpoint] is one server's side of a relationship. It keeps the connection to the partner, tells it of each
// binding (BNDUPD), takes in what the partner tells, divides the free addresses of the pools between the two, and ends
// leases whose time is over. Whoever talks to DHCP clients asks it three things before an answer: Serves, whether the
// client is ours; Limit, until when it may be told that it has the address; and Commit, which returns when the lease
// is durable.
//
//	book, err := lease.OpenBook(ctx, store, lease.BookConfig{})
//	p, err := pool.New(pool.Config{Name: "office", Ranges: ranges}, book)
//	book.Observe(p)
//	e, err := failover.NewEndpoint(failover.Config{
//		Name: "office", Role: failover.Primary, Local: local, Partner: partner,
//		MCLT: time.Hour, HBA: &half, MaxSecs: 3, Pools: []*pool.Pool{p},
//	}, book, failover.Options{Logger: logger})
//	go e.Run(ctx)
//
// # Why it is safe
//
// Free addresses belong to one of the two: FREE to the primary, BACKUP to the secondary. A server gives only its own
// to new clients, whether it hears its partner or not. Any server may renew any lease, and so must know how long the
// other may have promised it: a client is never told of an end later than the maximum client lead time (MCLT) beyond
// what the partner has acknowledged or told (see [LatestExpiry]). An address becomes free only when both agree that
// its lease is over. And nothing is told to anyone before it is durable. A server that lost its ledger serves nobody before
// it has learnt what its partner knows, and then reckons with all that it may have promised beyond that.
//
// So the first lease of a client is MCLT long, and the next as long as configured. With Config.AckWait the first may be,
// too: its answer waits a little for the partner's word, while those of others do not.
//
// # States
//
//	                    STARTUP (15 s, or until the partner is heard)
//	                       |
//	no record of before    |    NORMAL before           PARTNER-DOWN before, ...
//	     +-----------------+----------------+--------------------+
//	     v                                  v                    v
//	  RECOVER --> RECOVER-WAIT      COMMUNICATIONS-    <---   the same
//	     |            |              INTERRUPTED
//	     v            v               ^        |
//	  RECOVER-DONE <--+      link lost|        |partner heard
//	     |                            |        v
//	     +------------------------->  NORMAL <-+
//
// And from there, when an operator (or the fence of auto-partner-down) says that the partner is down, to PARTNER-DOWN,
// in which the partner's addresses are given too, once all it can have promised is over; back by the partner's RECOVER.
// Two servers that both were in PARTNER-DOWN meet in POTENTIAL-CONFLICT: the secondary tells what it gave, the primary
// goes to CONFLICT-DONE and tells what it gave, and both are NORMAL; if the connection is lost meanwhile they serve
// their own in RESOLUTION-INTERRUPTED. PAUSED and SHUTDOWN are for a server that an operator stops: see [OrderKind].
// The tables in transition.go are the whole of it.
//
// # Security
//
// By the protocol alone a partner is whoever comes from its address. Nothing is taken from a connection before CONNECT and
// CONNECTACK have passed on it; whoever dallies has 15 s, and only the newest 64 connections wait at a time, so that
// strangers at that address do not keep the partner out. Between two Tandem nodes more can be demanded, of each message or
// of the whole connection, or both:
//
//   - Config.Secret: a digest, made with a shared secret, in each message (draft 11.1). It proves who speaks, and hides
//     nothing.
//   - [TLS]: certificates on both sides, and privacy.
//
// Who demands one of these does not speak with a partner that cannot, and says so on both sides, every 30 s; ISC dhcpd can
// neither.
//
// # Two configurations
//
// Ranges and lease times should be the same on both sides. Two Tandem nodes tell each other what they have, in the option
// for vendors, when they meet, and log what differs: see [Setting] and Config.Shared.
//
// # Several relationships
//
// There may be an Endpoint for each of several partners, or several for one partner, on ports of their own. On one port
// there may be several partners, by a [Port], and several relationships with each that is a Tandem node, by a [Mux]. Each
// relationship has its own pools.
//
// # Structure
//
// [Machine] is the protocol as a function of time and events, without clock, goroutine, lock or I/O; Endpoint is the
// loop around it. [Frame] and the bodies are the messages, [Reader] takes them off a stream. A Machine is for one
// goroutine, an Endpoint for many.
package failover
