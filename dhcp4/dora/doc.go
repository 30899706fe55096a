// Package dora is the behaviour of a DHCP server (RFC 2131), and of a BOOTP server (RFC 951): which message gets which
// answer. DORA is discover, offer, request, acknowledge.
//
// A [Server] is a dhcp4.Handler over three things. A lease.Book is what is known of each address; a pool.Pool knows which
// are free; a [Gate] is what a partner lets this server do with them, and [Alone] is the Gate of a server without one.
//
//	message -> network (relay, interface) -> reservation, or address of a pool -> Gate.Commit -> answer
//
// Where the Gate is a [Submitter] nobody waits for it: the answer is made when it says that the lease is durable, and many
// leases become that by one write ([Server.StartDHCP]).
//
// What a client is told is durable before it is told, and each decision is bound to the lease it was made on: if that has
// changed meanwhile the decision is made again. So two clients never hold one address, however many messages are
// answered at once. A client is refused (DHCPNAK) only what this server knows better than anybody else; where it does
// not, it is silent and leaves the client to others.
//
// # Who gets what
//
// The network of a client is that of its relay's or its own selection (RFC 3527, RFC 3011), of its relay, of the
// interface, or of the address it has, in this order. There it gets the address reserved for it ([Host]), else the one it
// holds, was offered less than a minute ago, held last, or asks for, if they are to be had; else one that nobody ever
// had, or the one that has been free for longest. An address that it does not hold is pinged before it is offered
// ([Pinger], [Settings.PingCheck]).
//
// Settings of scopes lie over each other: host over class, pool, subnet, network, and what is outside of all.
//
// # Beside ISC dhcpd
//
// Answers are the octets, and log lines the words, of ISC dhcpd 4.4, as far as it keeps to RFC 2131. On purpose it is
// different in this:
//
//   - A DHCPREQUEST that names another server is not answered ([Settings.ServerIDCheck]).
//   - Only the client that holds an address, or was offered it, can decline it.
//   - A client with a lease keeps it, even if it wishes for another address in a DHCPDISCOVER; a server in a state of
//     silence refuses nobody; who sends option 61 is another client than who does not (RFC 2131 4.2).
//   - In INIT-REBOOT a client of which nothing is on record gets silence, or from an authoritative server a DHCPNAK, as
//     RFC 2131 4.3.2 has it, and not the address.
//   - An abandoned address is not given again before its time is over.
//   - hops and secs of an answer are 0 (RFC 2131 table 3). BOOTP answers always have options (always-reply-rfc1048).
package dora
