package isc

import (
	"math"
	"net/netip"
	"strings"
	"time"
)

// parameter reads one parameter statement, the name already read, and returns what it does; nil if that is nothing.
type parameter func(name token, c *cursor) assignment

// setting is a parameter that is carried out.
func setting[T any](read func(*cursor) (T, bool), field func(*Parameters) *Setting[T]) parameter {
	return func(name token, c *cursor) assignment {
		v, ok := read(c)
		if !ok || !c.semicolon() {
			return nil
		}
		return func(p *Parameters) { *field(p) = Setting[T]{v, name.pos} }
	}
}

// without is a parameter whose value this server always has, or never heeds without harm; any other is refused, with
// the reason why.
func without[T comparable](read func(*cursor) (T, bool), why string, harmless ...T) parameter {
	return func(name token, c *cursor) assignment {
		v, ok := read(c)
		if !ok || !c.semicolon() {
			return nil
		}
		for _, h := range harmless {
			if v == h {
				return nil
			}
		}
		c.prob.unsupported(name.pos, "%s is not supported: %s", name.text, why)
		return nil
	}
}

// idle is a parameter that does nothing in this server, as little as it does in dhcpd under the same configuration.
func idle[T any](read func(*cursor) (T, bool), why string) parameter {
	return func(name token, c *cursor) assignment {
		if _, ok := read(c); ok && c.semicolon() {
			c.prob.warnf(name.pos, "%s has no effect: %s", name.text, why)
		}
		return nil
	}
}

// Reasons why a parameter is not carried out.
const (
	noDNS   = "this server makes no updates of the DNS"
	noIPv6  = "this server is for DHCPv4"
	noOMAPI = "this server has no OMAPI"
	noLDAP  = "the configuration is read from files alone"
)

// parameters are the statements that may stand in any scope, by name: the parameters of dhcpd.conf(5), all that dhcpd
// 4.4 has. Words with a grammar of their own (authoritative, allow, option ...) are not here.
var parameters = map[string]parameter{
	// Lease times.
	"default-lease-time": setting((*cursor).seconds, func(p *Parameters) *Setting[time.Duration] { return &p.DefaultLeaseTime }),
	"max-lease-time":     setting((*cursor).seconds, func(p *Parameters) *Setting[time.Duration] { return &p.MaxLeaseTime }),
	"min-lease-time":     setting((*cursor).seconds, func(p *Parameters) *Setting[time.Duration] { return &p.MinLeaseTime }),
	"abandon-lease-time": setting((*cursor).seconds, func(p *Parameters) *Setting[time.Duration] { return &p.AbandonLeaseTime }),
	"dhcp-cache-threshold": setting(numberTo(100),
		func(p *Parameters) *Setting[int] { return &p.CacheThreshold }),
	"adaptive-lease-time-threshold": without(numberTo(255), "leases do not become shorter as a pool fills", 0, 100),
	"infinite-is-reserved":          without((*cursor).flag, "a lease without an end is not reserved for its client", false),
	"dynamic-bootp-lease-cutoff":    without((*cursor).seconds, "BOOTP clients keep their addresses", Infinite),
	"dynamic-bootp-lease-length":    without((*cursor).seconds, "BOOTP clients keep their addresses", Infinite),

	// Who is served, and how.
	"boot-unknown-clients": setting(permission, func(p *Parameters) *Setting[Permission] { return &p.UnknownClients }),
	"allow-bootp":          setting(permission, func(p *Parameters) *Setting[Permission] { return &p.Bootp }),
	"allow-booting":        setting(permission, func(p *Parameters) *Setting[Permission] { return &p.Booting }),
	"declines":             setting(permission, func(p *Parameters) *Setting[Permission] { return &p.Declines }),
	"leasequery":           leasequery,
	"duplicates": without(permission, "a client with a host declaration keeps the leases of its other identifiers",
		Allow),
	"dynamic-bootp":         idle(permission, "dhcpd does not look at it; deny or allow dynamic bootp clients in pools"),
	"one-lease-per-client":  setting((*cursor).flag, func(p *Parameters) *Setting[bool] { return &p.OneLeasePerClient }),
	"min-secs":              without(numberTo(255), "clients need not have waited", 0),
	"ignore-client-uids":    without((*cursor).flag, "the client identifier counts", false),
	"server-id-check":       setting((*cursor).flag, func(p *Parameters) *Setting[bool] { return &p.ServerIDCheck }),
	"check-secs-byte-order": without((*cursor).flag, "secs is read in network byte order", false),
	"stash-agent-options":   idle((*cursor).flag, "nothing here is decided by what a relay added, which is kept with the lease"),
	"release-on-roam":       idle((*cursor).flag, noIPv6),

	// What is answered.
	"always-broadcast":     setting((*cursor).flag, func(p *Parameters) *Setting[bool] { return &p.AlwaysBroadcast }),
	"always-reply-rfc1048": idle((*cursor).flag, "every answer has the form of RFC 1048"),
	"echo-client-id":       setting((*cursor).flag, func(p *Parameters) *Setting[bool] { return &p.EchoClientID }),
	"use-host-decl-names":  setting((*cursor).flag, func(p *Parameters) *Setting[bool] { return &p.UseHostDeclNames }),
	"get-lease-hostnames":  without((*cursor).flag, "host names are not looked up in the DNS", false),
	"use-lease-addr-for-default-route": without((*cursor).flag, "write option routers",
		false),
	"filename":    setting(textTo(128), func(p *Parameters) *Setting[string] { return &p.Filename }),
	"server-name": setting(textTo(64), func(p *Parameters) *Setting[string] { return &p.ServerName }),
	"next-server": setting((*cursor).addr, func(p *Parameters) *Setting[netip.Addr] { return &p.NextServer }),
	"server-identifier": setting((*cursor).addr,
		func(p *Parameters) *Setting[netip.Addr] { return &p.ServerIdentifier }),
	"vendor-option-space": setting(identifier, func(p *Parameters) *Setting[string] { return &p.VendorOptionSpace }),
	"site-option-space":   without(word, "site options are standard options here"),

	// The ping before an offer.
	"ping-check":      setting((*cursor).flag, func(p *Parameters) *Setting[bool] { return &p.PingCheck }),
	"ping-timeout":    setting((*cursor).seconds, func(p *Parameters) *Setting[time.Duration] { return &p.PingTimeout }),
	"ping-timeout-ms": setting(milliseconds, func(p *Parameters) *Setting[time.Duration] { return &p.PingTimeout }),
	"ping-cltt-secs":  without((*cursor).seconds, "an address is pinged however short ago its client was heard", 60*time.Second),

	// Writing.
	"delayed-ack":        idle(numberTo(math.MaxUint16), "answers that wait for the disk together are always written together"),
	"max-ack-delay":      idle((*cursor).seconds, "no answer is delayed for others"),
	"dont-use-fsync":     without((*cursor).flag, "a lease is durable before its client is told", false),
	"log-threshold-low":  idle(numberTo(255), "the server tells how full its pools are in its metrics"),
	"log-threshold-high": idle(numberTo(255), "the server tells how full its pools are in its metrics"),

	// Updates of the DNS. dhcpd makes none either while ddns-update-style is none, as it is by default.
	"ddns-update-style":           ddnsUpdateStyle,
	"ddns-updates":                without((*cursor).flag, noDNS, false),
	"client-updates":              idle(permission, noDNS),
	"ddns-domainname":             idle((*cursor).text, noDNS),
	"ddns-rev-domainname":         idle((*cursor).text, noDNS),
	"ddns-hostname":               idle((*cursor).text, noDNS),
	"ddns-ttl":                    idle((*cursor).seconds, noDNS),
	"ddns-local-address4":         idle((*cursor).addr, noDNS),
	"ddns-local-address6":         idle((*cursor).addr6, noDNS),
	"ddns-dual-stack-mixed-mode":  idle((*cursor).flag, noDNS),
	"ddns-guard-id-must-match":    idle((*cursor).flag, noDNS),
	"ddns-other-guard-is-dynamic": idle((*cursor).flag, noDNS),
	"do-forward-updates":          idle((*cursor).flag, noDNS),
	"do-reverse-updates":          idle((*cursor).flag, noDNS),
	"update-optimization":         idle((*cursor).flag, noDNS),
	"update-static-leases":        idle((*cursor).flag, noDNS),
	"update-conflict-detection":   idle((*cursor).flag, noDNS),
	"fqdn-reply":                  idle((*cursor).flag, noDNS),

	// DHCPv6, which dhcpd -4 overlooks.
	"preferred-lifetime":     idle((*cursor).seconds, noIPv6),
	"dhcpv6-lease-file-name": idle((*cursor).text, noIPv6),
	"dhcpv6-pid-file-name":   idle((*cursor).text, noIPv6),
	"limit-addrs-per-ia":     idle(numberTo(math.MaxUint32), noIPv6),
	"limit-prefs-per-ia":     idle(numberTo(math.MaxUint32), noIPv6),
	"prefix-length-mode":     idle(word, noIPv6),
	"dhcpv6-set-tee-times":   idle((*cursor).flag, noIPv6),
	"use-eui-64":             idle((*cursor).flag, noIPv6),
	"persist-eui-64-leases":  idle((*cursor).flag, noIPv6),
	"local-address6":         idle((*cursor).addr6, noIPv6),
	"bind-local-address6":    idle((*cursor).flag, noIPv6),
	"server-duid":            idle(anything, noIPv6),
}

// serverParameters are the statements that say something about the process as a whole, by name.
var serverParameters = map[string]func(*cursor, *Server) bool{
	"lease-file-name":           forServer((*cursor).text, func(s *Server) *string { return &s.LeaseFileName }),
	"pid-file-name":             forServer((*cursor).text, func(s *Server) *string { return &s.PIDFileName }),
	"local-address":             forServer((*cursor).addr, func(s *Server) *netip.Addr { return &s.LocalAddress }),
	"local-port":                forServer(port, func(s *Server) *uint16 { return &s.LocalPort }),
	"remote-port":               forServer(port, func(s *Server) *uint16 { return &s.RemotePort }),
	"limited-broadcast-address": forServer((*cursor).addr, func(s *Server) *netip.Addr { return &s.LimitedBroadcastAddress }),
	"omapi-port":                forServer(port, func(s *Server) *uint16 { return &s.OMAPIPort }),
	"omapi-key":                 forServer((*cursor).name, func(s *Server) *string { return &s.OMAPIKey }),
	"log-facility":              forServer(facility, func(s *Server) *string { return &s.LogFacility }),
	"db-time-format": forServer(oneOf("local", "default"),
		func(s *Server) *bool { return &s.LocalTime }),
	"lease-id-format": forServer(oneOf("hex", "octal"),
		func(s *Server) *bool { return &s.HexIdentifiers }),
}

func forServer[T any](read func(*cursor) (T, bool), field func(*Server) *T) func(*cursor, *Server) bool {
	return func(c *cursor, s *Server) bool {
		v, ok := read(c)
		if !ok || !c.semicolon() {
			return false
		}
		*field(s) = v
		return true
	}
}

// numberTo returns a reader of numbers from 0 to limit.
func numberTo(limit int64) func(*cursor) (int, bool) {
	return func(c *cursor) (int, bool) {
		v, ok := c.integer(0, limit)
		return int(v), ok
	}
}

// textTo returns a reader of texts for a field of the DHCP header that has room for limit octets.
func textTo(limit int) func(*cursor) (string, bool) {
	return func(c *cursor) (string, bool) {
		if s := c.peek().text; len(s) > limit {
			return "", c.fail("%d octets are too long, at most %d are possible", len(s), limit)
		}
		return c.text()
	}
}

func milliseconds(c *cursor) (time.Duration, bool) {
	v, ok := c.integer(0, math.MaxUint32)
	return time.Duration(v) * time.Millisecond, ok
}

func port(c *cursor) (uint16, bool) {
	v, ok := c.integer(1, math.MaxUint16)
	return uint16(v), ok
}

// permission reads true, false or ignore, by which dhcpd knows allow, deny and ignore in its parameters.
func permission(c *cursor) (Permission, bool) {
	if c.accept("ignore") {
		return Ignore, true
	}
	v, ok := c.flag()
	if v {
		return Allow, ok
	}
	return Deny, ok
}

func identifier(c *cursor) (string, bool) {
	if !c.peek().identifier() {
		return "", c.fail("expecting identifier.")
	}
	return c.next().text, true
}

// word reads a single word or string.
func word(c *cursor) (string, bool) {
	if k := c.peek().kind; k != tokenWord && k != tokenString {
		return "", c.fail("expecting identifier.")
	}
	return c.next().text, true
}

// anything reads all that is left.
func anything(c *cursor) (bool, bool) {
	c.words = nil
	return true, true
}

// oneOf returns a reader of one of two words; it reads true for the first.
func oneOf(yes, no string) func(*cursor) (bool, bool) {
	return func(c *cursor) (bool, bool) {
		if c.accept(yes) {
			return true, true
		}
		if c.accept(no) {
			return false, true
		}
		return false, c.fail("Expecting '%s' or '%s'.", yes, no)
	}
}

// facility reads the name of a syslog facility.
func facility(c *cursor) (string, bool) {
	const known = " kern user mail daemon auth syslog lpr news uucp cron authpriv ftp " +
		"local0 local1 local2 local3 local4 local5 local6 local7 "
	t := c.peek()
	if !t.identifier() || !strings.Contains(known, " "+strings.ToLower(t.text)+" ") {
		return "", c.fail("unknown value")
	}
	return c.next().text, true
}

// leasequery reads leasequery, which is not answered here: to allow it is worth a warning.
func leasequery(name token, c *cursor) assignment {
	a := setting(permission, func(p *Parameters) *Setting[Permission] { return &p.Leasequery })(name, c)
	var p Parameters
	if a != nil {
		a(&p)
	}
	if p.Leasequery.Value == Allow {
		c.prob.warnf(name.pos, "%s has no effect: no leasequery is answered", name.text)
	}
	return a
}

// ddnsUpdateStyle permits the style none alone.
func ddnsUpdateStyle(name token, c *cursor) assignment {
	switch {
	case c.accept("none"):
		c.semicolon()
	case c.accept("interim"), c.accept("standard"), c.accept("ad-hoc"):
		if c.semicolon() {
			c.prob.unsupported(name.pos, "ddns-update-style other than none is not supported: %s", noDNS)
		}
	default:
		c.fail("unknown value")
	}
	return nil
}
