package dora

import (
	"net/netip"
	"slices"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
)

// Toggle is a switch that a scope may leave to the scope around it.
type Toggle uint8

// The positions of a Toggle.
const (
	Unset Toggle = iota // not said in this scope
	On
	Off
)

// or returns the position of t as a bool, or otherwise if no scope said anything.
func (t Toggle) or(otherwise bool) bool {
	if t == Unset {
		return otherwise
	}
	return t == On
}

// over returns t, or base if t is Unset.
func (t Toggle) over(base Toggle) Toggle {
	if t == Unset {
		return base
	}
	return t
}

// Option is a DHCP option as it goes out: the code, and the octets of the value.
type Option struct {
	Code  dhcp4.OptionCode
	Value string // raw octets
}

// Defaults of Settings that no scope sets, as dhcpd.conf(5) has them.
const (
	DefaultLease          = 12 * time.Hour
	DefaultMaxLease       = 24 * time.Hour
	DefaultMinLease       = 5 * time.Minute
	DefaultAbandonTime    = 24 * time.Hour
	DefaultPingTimeout    = time.Second
	DefaultCacheThreshold = 25 // percent
)

// Infinite is the lease time that option 51 writes as 0xffffffff (RFC 2131 3.3). The ledger ends such a lease at
// lease.Never, as ISC dhcpd does.
const Infinite = 0xffffffff * time.Second

// Settings are the parameters of one scope: a host, class, pool, subnet, shared network, or all. The zero value of a
// field says nothing in this scope, so that the one around it counts; where none says anything the default does.
// Durations are whole seconds, except for PingTimeout.
type Settings struct {
	DefaultLease time.Duration // of a client that wishes no time; DefaultLease
	MaxLease     time.Duration // bounds a client's wish, and DefaultLease; DefaultMaxLease
	MinLease     time.Duration // a shorter lease is made as long as this; DefaultMinLease, or MaxLease if that is less

	// CacheThreshold is how many percent of a lease's length must have passed before a renewal is written down: an
	// earlier one is answered with what is left (dhcp-cache-threshold). 1 to 99; less than 0 is never;
	// DefaultCacheThreshold.
	CacheThreshold int

	AbandonTime time.Duration // how long an address found in use is left alone; DefaultAbandonTime
	PingTimeout time.Duration // how long an answer to a ping is waited for; DefaultPingTimeout

	Authoritative     Toggle // we know all of this network, and may tell a client that its address is wrong; off
	PingCheck         Toggle // ping an address before it is offered to a client that does not hold it; on
	AlwaysBroadcast   Toggle // answer as if the client had asked for broadcast; off
	AllowUnknown      Toggle // serve clients without a Host (unknown-clients); on
	AllowBootp        Toggle // serve BOOTP (bootp); on
	AllowBooting      Toggle // serve at all, for a host or class (booting); on
	AllowDeclines     Toggle // believe a DHCPDECLINE (declines); on
	UseHostDeclNames  Toggle // send Host.Name in option 12 where no option 12 is set; off
	OneLeasePerClient Toggle // a client that gets a lease loses those it has in other networks; off
	EchoClientID      Toggle // return option 61, as RFC 6842 asks and ISC dhcpd does on request only; off

	// ServerIDCheck, on by default as RFC 2131 has it: a message that names another server in option 54 is not for
	// us. Off, such a DHCPREQUEST is answered if the address is ours to give, as ISC dhcpd does unless it is told
	// server-id-check: of a failover pair that a relay copies each message to, both then answer.
	ServerIDCheck Toggle

	// ServerIdentifier is sent in option 54. Unset, it is the first address of the interface that the request came
	// by, and then Config.Address.
	ServerIdentifier netip.Addr
	NextServer       netip.Addr // siaddr
	ServerName       string     // sname, at most 64 octets
	Filename         string     // file, at most 128 octets

	// Options are sent as far as the client asks for them, all if it asks for none. Of two with one code the later
	// counts.
	Options []Option
}

// Over returns the settings of a scope s within base: what s says, and what base says where s says nothing.
func (s Settings) Over(base Settings) Settings {
	s.DefaultLease = first(s.DefaultLease, base.DefaultLease)
	s.MaxLease = first(s.MaxLease, base.MaxLease)
	s.MinLease = first(s.MinLease, base.MinLease)
	s.CacheThreshold = first(s.CacheThreshold, base.CacheThreshold)
	s.AbandonTime = first(s.AbandonTime, base.AbandonTime)
	s.PingTimeout = first(s.PingTimeout, base.PingTimeout)
	s.Authoritative = s.Authoritative.over(base.Authoritative)
	s.PingCheck = s.PingCheck.over(base.PingCheck)
	s.AlwaysBroadcast = s.AlwaysBroadcast.over(base.AlwaysBroadcast)
	s.AllowUnknown = s.AllowUnknown.over(base.AllowUnknown)
	s.AllowBootp = s.AllowBootp.over(base.AllowBootp)
	s.AllowBooting = s.AllowBooting.over(base.AllowBooting)
	s.AllowDeclines = s.AllowDeclines.over(base.AllowDeclines)
	s.UseHostDeclNames = s.UseHostDeclNames.over(base.UseHostDeclNames)
	s.OneLeasePerClient = s.OneLeasePerClient.over(base.OneLeasePerClient)
	s.EchoClientID = s.EchoClientID.over(base.EchoClientID)
	s.ServerIDCheck = s.ServerIDCheck.over(base.ServerIDCheck)
	s.ServerIdentifier = first(s.ServerIdentifier, base.ServerIdentifier)
	s.NextServer = first(s.NextServer, base.NextServer)
	s.ServerName = first(s.ServerName, base.ServerName)
	s.Filename = first(s.Filename, base.Filename)
	s.Options = mergeOptions(s.Options, base.Options)
	return s
}

// first returns a, or b if a is zero.
func first[T comparable](a, b T) T {
	var zero T
	if a == zero {
		return b
	}
	return a
}

// mergeOptions returns both lists as one, sorted by code, each code once: that of the inner scope if it has it.
func mergeOptions(inner, outer []Option) []Option {
	all := slices.Concat(outer, inner)
	slices.SortStableFunc(all, func(a, b Option) int { return int(a.Code) - int(b.Code) })
	merged := all[:0]
	for i, o := range all {
		if i+1 == len(all) || all[i+1].Code != o.Code { // the last of its code is the innermost
			merged = append(merged, o)
		}
	}
	return merged
}

// option returns the value of an option. The options of s must have been merged.
func (s *Settings) option(code dhcp4.OptionCode) (string, bool) {
	i, ok := slices.BinarySearchFunc(s.Options, code, func(o Option, c dhcp4.OptionCode) int { return int(o.Code) - int(c) })
	if !ok {
		return "", false
	}
	return s.Options[i].Value, true
}

// leaseTime returns how long a lease the configuration gives to a client that wishes for wish; asked is false if it
// named no time. RFC 2131 4.3.1 leaves the bounds to the server; the order of them is ISC dhcpd's.
func (s *Settings) leaseTime(wish time.Duration, asked bool) time.Duration {
	most := first(s.MaxLease, DefaultMaxLease)
	least := first(s.MinLease, min(DefaultMinLease, most))
	if !asked {
		wish = first(s.DefaultLease, DefaultLease)
	}
	return max(min(wish, most), least)
}

// endOf returns the end of a lease of length d that begins at now: whole seconds, at most what the ledger holds, and
// lease.Never for Infinite.
func endOf(now time.Time, d time.Duration) time.Time {
	if d >= Infinite && now.Before(lease.Never) {
		return lease.Never
	}
	if end := now.Add(d); end.Before(lastSecond) {
		return lease.Second(end)
	}
	return lastSecond
}

// lastSecond is the end of time in 32 bits, 2106.
var lastSecond = time.Unix(0xffffffff, 0).UTC()

// fresh reports whether a binding that was given at given and ends at end is still so young that a renewal need not
// be written down.
func (s *Settings) fresh(now, given, end time.Time) bool {
	percent := first(s.CacheThreshold, DefaultCacheThreshold)
	if percent < 0 || given.IsZero() || !given.Before(end) || roundUp(now).Before(given) {
		return false
	}
	return now.Sub(given) <= end.Sub(given)/100*time.Duration(percent)
}

// roundUp returns the first whole second not before t, in UTC. Leases are counted from there: a client that is told
// "60 seconds" at half past a second must not be outlived by its address.
func roundUp(t time.Time) time.Time {
	s := lease.Second(t)
	if s.Before(t) {
		s = s.Add(time.Second)
	}
	return s
}
