package isc

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/dora"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// Config is what a configuration says, checked and complete in itself.
type Config struct {
	Server   Server
	Scope    Scope // the outermost one
	Peers    []Peer
	Networks []Network // shared networks and lone subnets, as declared
	Hosts    []Host    // as declared
	Keys     []Key

	// Warnings are about what is most likely not meant, or has no effect in this server or any.
	Warnings []Error
	// Skipped is what LoadOptions.Lenient let pass: each statement that is not carried out.
	Skipped []Error
}

// Server is what concerns the process as a whole; dhcpd.conf(5) reads it in the outermost scope only. A field is zero
// where the file says nothing.
type Server struct {
	LeaseFileName           string     // lease-file-name
	PIDFileName             string     // pid-file-name
	LocalAddress            netip.Addr // local-address: the server listens there only
	LocalPort               uint16     // local-port
	RemotePort              uint16     // remote-port: of clients
	LimitedBroadcastAddress netip.Addr // limited-broadcast-address
	OMAPIPort               uint16     // omapi-port
	OMAPIKey                string     // omapi-key
	LogFacility             string     // log-facility, such as "local7"
	LocalTime               bool       // db-time-format local: times of the lease file in epoch form
	HexIdentifiers          bool       // lease-id-format hex
}

// Key is a `key`, as OMAPI and DNS updates use it. Nothing here does.
type Key struct {
	Pos               Pos
	Name              string
	Algorithm, Secret string // the secret in base 64
}

// Setting is a value that a scope may leave unsaid.
type Setting[T any] struct {
	Value T
	Pos   Pos // where it is set; the zero Pos if it is not
}

// IsSet reports whether there is a value.
func (s Setting[T]) IsSet() bool { return !s.Pos.IsZero() }

// Or returns the value, or v if there is none.
func (s Setting[T]) Or(v T) T {
	if s.IsSet() {
		return s.Value
	}
	return v
}

// Permission is the argument of allow, deny and ignore outside of pools.
type Permission uint8

// The permissions.
const (
	Deny   Permission = iota // refuse, and say so in the log
	Allow                    // permit
	Ignore                   // refuse in silence
)

// String returns the keyword.
func (p Permission) String() string {
	switch p {
	case Deny:
		return "deny"
	case Allow:
		return "allow"
	case Ignore:
		return "ignore"
	}
	return "Permission(" + strconv.Itoa(int(p)) + ")"
}

// Parameters are the parameters and options of a scope: "REFERENCE: PARAMETERS" and "ALLOW DENY AND IGNORE IN SCOPE" of
// dhcpd.conf(5). Durations are whole seconds, except for PingTimeout.
type Parameters struct {
	DefaultLeaseTime Setting[time.Duration] // default-lease-time; Infinite is possible in all four
	MaxLeaseTime     Setting[time.Duration] // max-lease-time
	MinLeaseTime     Setting[time.Duration] // min-lease-time
	AbandonLeaseTime Setting[time.Duration] // abandon-lease-time
	PingTimeout      Setting[time.Duration] // ping-timeout, ping-timeout-ms
	CacheThreshold   Setting[int]           // dhcp-cache-threshold, percent, 0 to 100

	Authoritative     Setting[bool] // authoritative, not authoritative
	PingCheck         Setting[bool] // ping-check
	AlwaysBroadcast   Setting[bool] // always-broadcast
	UseHostDeclNames  Setting[bool] // use-host-decl-names
	OneLeasePerClient Setting[bool] // one-lease-per-client
	EchoClientID      Setting[bool] // echo-client-id
	ServerIDCheck     Setting[bool] // server-id-check

	UnknownClients Setting[Permission] // unknown-clients, boot-unknown-clients
	Bootp          Setting[Permission] // bootp, allow-bootp
	Booting        Setting[Permission] // booting, allow-booting
	Declines       Setting[Permission] // declines
	Leasequery     Setting[Permission] // leasequery

	ServerIdentifier  Setting[netip.Addr] // server-identifier, option dhcp-server-identifier
	NextServer        Setting[netip.Addr] // next-server
	ServerName        Setting[string]     // server-name
	Filename          Setting[string]     // filename
	VendorOptionSpace Setting[string]     // vendor-option-space

	Options []Option // of the standard space, at most one of a code

	inner []Option // of the other spaces, which the standard options that encapsulate them are made of
}

// Option is a DHCP option with the octets that go out.
type Option struct {
	Pos   Pos
	Space string // "dhcp", in Parameters.Options
	Code  dhcp4.OptionCode
	Name  string // "routers", or "unknown-224" if it has no name
	Value string // raw octets

	made bool // of the options of a space
}

// Option returns the option of a code.
func (p *Parameters) Option(c dhcp4.OptionCode) (Option, bool) {
	i := slices.IndexFunc(p.Options, func(o Option) bool { return o.Code == c })
	if i < 0 {
		return Option{}, false
	}
	return p.Options[i], true
}

// set makes o the option of its space and code, without a change to a slice that p shares with another scope.
func (p *Parameters) set(o Option) {
	list := &p.Options
	if o.Space != dhcpSpace {
		list = &p.inner
	}
	*list = slices.Clone(*list)
	i := slices.IndexFunc(*list, func(x Option) bool { return x.Space == o.Space && x.Code == o.Code })
	if i < 0 {
		*list = append(*list, o)
	} else {
		(*list)[i] = o
	}
}

// Scope is what one level of the file says. In dhcpd.conf(5) a parameter of an inner scope counts for more than one of
// a scope around it, wherever in the scope it stands.
type Scope struct {
	Pos Pos
	// Own is what is said here, and in the groups around it up to the next scope that is none: a group has no Scope.
	Own Parameters
	// All is Own, and from the scopes around where Own says nothing.
	All Parameters

	assignments []assignment
	groups      []*group // around it, outermost first
}

// assignment carries out one parameter statement.
type assignment func(*Parameters)

// group is a group declaration.
type group struct {
	assignments []assignment
	around      []*group
}

// Peer is a `failover peer` declaration. The defaults of dhcpd.conf(5) stand where it says nothing.
type Peer struct {
	Pos       Pos
	Name      string
	Secondary bool

	Address          netip.Addr   // address: ours
	PartnerAddresses []netip.Addr // peer address: one, or all that its name has, of which the first is used
	Port             uint16       // port; 647
	PartnerPort      uint16       // peer port; 647

	MaxResponseDelay  time.Duration // max-response-delay; 20 s
	MaxUnackedUpdates int           // max-unacked-updates; 100
	// MCLT is set on a primary. On a secondary it has no effect: the primary tells it.
	MCLT time.Duration
	// HBA has the hash buckets of the primary (split, or hba); all zero on a secondary.
	HBA pool.HBA
	// LoadBalanceMaxSeconds is zero where load balancing is off.
	LoadBalanceMaxSeconds int
	// AutoPartnerDown is auto-partner-down; zero is never. Whoever makes an endpoint of it needs a failover.Options.Fence.
	AutoPartnerDown time.Duration

	MaxLeaseMisbalance int           // max-lease-misbalance, percent; 15
	MaxLeaseOwnership  int           // max-lease-ownership, percent; 10
	MinBalance         time.Duration // min-balance; 60 s
	MaxBalance         time.Duration // max-balance; 1 h

	// What the partner is taken to have until it tells itself (peer max-response-delay, peer max-unacked-updates);
	// zero where nothing is said.
	PartnerMaxResponseDelay  time.Duration
	PartnerMaxUnackedUpdates int
}

// Network is a shared-network, or the link of a subnet that is in none.
type Network struct {
	Scope            // of a lone subnet: all it says
	Name      string // of a lone subnet: "10.0.10.0/24", as dhcpd logs it
	Lone      bool   // a subnet that is in no shared-network
	Interface string // interface; "" where it is not said
	Subnets   []Subnet
	Pools     []Pool

	peer    string // failover peer of the shared-network, which its pools inherit
	peerPos Pos
	loose   []Range // outside of pools
}

// Subnet is a subnet.
type Subnet struct {
	Scope  // empty for a lone one
	Prefix netip.Prefix
}

// Pool is a pool, or the ranges that a network has outside of pools.
type Pool struct {
	Scope
	Subnet      netip.Prefix // the subnet it is declared in; zero if that is the shared-network, or it is no pool
	Peer        string       // failover peer; "" if it has none
	Ranges      []Range      // at least one
	Allow, Deny []Permit     // who gets addresses: see dora.Pool

	peerPos Pos  // where the pool itself names its peer
	plain   bool // it sets no parameter
}

// Range is a range of addresses, First and Last included.
type Range struct {
	Pos         Pos
	First, Last netip.Addr
	// DynamicBootp marks a range that BOOTP clients may have addresses from. It matters outside of pools; in one the
	// permissions decide.
	DynamicBootp bool
}

// Permit is one allow or deny of a pool.
type Permit struct {
	Pos Pos
	Who dora.Who // never dora.ClassMembers
}

// Host is a host declaration.
type Host struct {
	Scope
	Name  string
	HW    lease.HWAddr // hardware; "" if it has none
	ID    string       // option dhcp-client-identifier, or uid; "" if it has none
	Fixed []netip.Addr // fixed-address

	fixedPos Pos
}
