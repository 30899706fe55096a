// Package isc reads the configuration of ISC dhcpd 4.4, dhcpd.conf(5), for a server made of package dora and package
// failover, so that a server which takes the place of dhcpd starts with yesterday's file.
//
// Load reads the file and all that it includes, checks it as dhcpd does and more strictly, and returns a Config: the
// failover peers with the defaults filled in, and the networks, pools and hosts, each with the parameters and options
// that it sets (Scope.Own) and with those of the scopes around it (Scope.All). Build makes a dora.Config and the
// failover.Configs of it.
//
// What dhcpd would refuse is refused, in its words where it has some. What dhcpd would carry out and this server cannot
// is refused as well (the error is errors.ErrUnsupported): classes and conditions, events, updates of the DNS, OMAPI's
// reserved leases and the like. A server that overlooks a part of its configuration is a danger. LoadOptions.Lenient lists
// such statements in place of that. A statement that does nothing in either is a warning.
//
// Where this package is stricter than dhcpd it refuses what dhcpd takes and then does something else: subnets that overlap,
// a number that does not fit, a host name that has no address. Where it is less strict it accepts what the manual
// describes: a pool before its subnet, a peer after its pool, `no failover peer;` with its semicolon.
//
// Parameters of a scope count in all of it, wherever in it they stand. A host takes on the parameters of the groups that it
// is declared in; those of a subnet or shared-network around it count for hosts that are on that network, wherever they
// are declared. (dhcpd gives a host the parameters of the subnet that it is declared in on every network.)
//
// A Config is not changed by anything here; it can be read by several goroutines.
package isc
