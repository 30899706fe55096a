package failover

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// Role is the side an endpoint has in its relationship, for good: it is configured and never changes.
type Role uint8

// The two roles. Exactly one partner is the Primary.
const (
	Primary   Role = iota // owns the FREE addresses, sets MCLT and the hash buckets, expires leases in NORMAL
	Secondary             // owns the BACKUP addresses
)

// String returns "primary" or "secondary".
func (r Role) String() string {
	if r == Primary {
		return "primary"
	}
	return "secondary"
}

// own is the status from which a server of this role gives addresses to new clients.
func (r Role) own() lease.Status {
	if r == Primary {
		return lease.Free
	}
	return lease.Backup
}

// partners is the status from which the partner does.
func (r Role) partners() lease.Status {
	if r == Primary {
		return lease.Backup
	}
	return lease.Free
}

// Defaults of a Config, as dhcpd.conf(5) has them but for the last.
const (
	DefaultPort         = 647
	DefaultMaxUnacked   = 100
	DefaultReceiveTimer = 20 * time.Second
	DefaultProbeTimeout = 1 * time.Second // with another Tandem
)

// Figures that are not configured: reference values of ISC dhcpd, which has them fixed as well.
const (
	startupTime = 15 * time.Second // how long STARTUP waits for the partner (draft 9.3)
	stateTime   = 15 * time.Second // how long a connection may stay without the partner's STATE
	maxSkew     = 60 * time.Second // of the two clocks, at CONNECT
	minReceive  = 3 * time.Second  // a shorter receive-timer makes ISC dhcpd send CONTACT in a tight loop
	maxReceive  = 24 * time.Hour   // what a partner may ask for
	maxUnacked  = 1 << 16          // of Config.MaxUnacked
	maxWindow   = 1000             // updates in flight, whatever the partner allows; to another Tandem no fewer
	maxDue      = 128              // leases expired in one Step, which clients wait for
	maxLook     = 1 << 16          // addresses looked at in one Step for an UPDREQALL
	iscProbe    = 3 * time.Second  // DefaultProbeTimeout with an ISC dhcpd
	probeTime   = 1 * time.Second  // between messages, where it is watched whether the partner takes them
	stuckTime   = 30 * time.Second // without an expected answer, though the connection lives
	againTime   = 5 * time.Minute  // until what the partner refused is told once more
	flightTime  = 2 * time.Second  // that an update of the partner may be on its way
)

// Config describes one relationship. Addresses, Name and Pools must be set; the zero value of all else has a meaning.
type Config struct {
	Name string // relationship-name, equal on both sides octet for octet
	Role Role

	// Local and Partner are the addresses and ports of the two endpoints. A zero port is 647.
	Local, Partner netip.AddrPort

	// MCLT is the maximum client lead time, whole seconds: how far beyond the partner's knowledge a promise may
	// go. The primary must set it; it tells the secondary, which must leave it zero.
	MCLT time.Duration
	// HBA says which hash buckets the primary serves; it tells the secondary, which leaves it nil.
	HBA *pool.HBA
	// MaxSecs is `load balance max seconds`: a client that has counted more is answered by both. Zero turns load
	// balancing off: this server answers everyone.
	MaxSecs uint16

	// ReceiveTimer is max-response-delay: after this much silence the connection is given up. Zero is 20 s, less
	// than 3 s is refused.
	ReceiveTimer time.Duration
	// MaxUnacked is max-unacked-updates: how many updates the partner may send before it waits for
	// acknowledgements. Zero is 100. Another Tandem sends 1000 in any case: the few that are usual between two ISC dhcpd
	// would only have it wait, and what it sends too early waits in bounded buffers.
	MaxUnacked int

	// SafePeriod is auto-partner-down: how long the partner must have been unheard before Options.Fence is asked
	// whether it is down for sure. Zero is never: only an operator says so.
	SafePeriod time.Duration
	// FullLeases lifts the MCLT in PARTNER-DOWN (draft 9.4): clients get what the configuration gives. Without it they
	// get MCLT once the partner's knowledge has run out, as from ISC dhcpd.
	FullLeases bool

	// ProbeTimeout is how long the partner may take no octets before the connection is given up: a pulled cable is noticed
	// then, long before ReceiveTimer ends. CONTACT is sent every second so that there are octets to take. Whole seconds;
	// less than zero is never. Zero is 1 s with another Tandem, which loses nothing by a connection that ends too early, and
	// 3 s with an ISC dhcpd, which can lose count of its updates by it. It needs Linux and TCP.
	ProbeTimeout time.Duration
	// AckWait is how long a grant that MCLT makes short, as it does the first of each client, waits in NORMAL for the
	// partner to acknowledge it, and is as long as the configuration gives if that comes in time. It costs a second write
	// and a second update. At most 1 s; zero is not at all: the client gets MCLT, and the rest when it renews. An ISC dhcpd
	// takes up to 2 s, so with one it is time lost.
	AckWait time.Duration
	// TrustSecs believes clients that say in each DHCPDISCOVER that they have only begun to ask. Without it one of the
	// partner's that has asked for more than MaxSecs is answered whatever it says.
	TrustSecs bool
	// EagerBalance balances the pools on entering NORMAL at once, as ISC dhcpd does, and not when the partner has told
	// what it did while it was not heard: an address may then be given away that has just been taken.
	EagerBalance bool
	// NoClientInfo keeps host name, vendor class and relay information of the clients from the partner. They go in an
	// option of the draft that ISC dhcpd skips.
	NoClientInfo bool

	// Shared is what else both configurations should say alike, such as lease times, besides Pools and MaxSecs. Of
	// several with one name the values belong together.
	Shared []Setting
	// NoConfigDigest neither tells the partner of Pools, MaxSecs and Shared nor compares what it tells of its own.
	// Otherwise a difference is in the log and Options.Difference is told; nothing else comes of it. Only another Tandem
	// is told, in the first STATE of a connection.
	NoConfigDigest bool

	// Secret, if there is one, is what the messages both ways are proven with (draft 11.1): at least 16 octets, the same
	// on both sides, and better of each relationship its own. The partner must have it, too: one that does not is told
	// so and not spoken with, as is one that proves its messages where there is no Secret. ISC dhcpd has none.
	Secret Secret
	// DigestType says how; zero is DigestHMACSHA256, which another Tandem understands.
	DigestType DigestType

	Balance pool.Balance // when and how many available addresses move between the partners
	Pools   []*pool.Pool // all the addresses of the relationship, the same on both sides
}

// Validate returns an error that names the first field which cannot be, or nil.
func (c Config) Validate() error {
	bad := func(field string, value any, want string) error {
		return fmt.Errorf("failover: Config.%s is %v: %s", field, value, want)
	}
	switch {
	case c.Name == "":
		return errors.New("failover: Config.Name is empty: a relationship needs the name its partner has for it")
	case len(c.Name) > maxText:
		return bad("Name", len(c.Name), fmt.Sprintf("at most %d octets", maxText))
	case c.Role > Secondary:
		return bad("Role", uint8(c.Role), "want Primary or Secondary")
	case !c.Local.Addr().Is4():
		return bad("Local", c.Local, "want an IPv4 address")
	case !c.Partner.Addr().Is4():
		return bad("Partner", c.Partner, "want an IPv4 address")
	case c.Role == Primary && (c.MCLT < time.Second || c.MCLT%time.Second != 0 || c.MCLT > 1<<31*time.Second):
		return bad("MCLT", c.MCLT, "the primary needs whole seconds, at least one")
	case c.Role == Secondary && c.MCLT != 0:
		return bad("MCLT", c.MCLT, "only the primary sets it, CONNECT tells the secondary")
	case c.Role == Primary && c.HBA == nil:
		return bad("HBA", "nil", "the primary must say which hash buckets it serves")
	case c.Role == Secondary && c.HBA != nil:
		return bad("HBA", c.HBA, "only the primary sets it, CONNECT tells the secondary")
	case c.ReceiveTimer != 0 && (c.ReceiveTimer < minReceive || c.ReceiveTimer%time.Second != 0):
		return bad("ReceiveTimer", c.ReceiveTimer, "want whole seconds, at least 3")
	case c.MaxUnacked < 0 || c.MaxUnacked > maxUnacked:
		return bad("MaxUnacked", c.MaxUnacked, fmt.Sprintf("want 1 to %d", maxUnacked))
	case c.ProbeTimeout > 0 && c.ProbeTimeout%time.Second != 0:
		return bad("ProbeTimeout", c.ProbeTimeout, "want whole seconds, 0 for 1 s or 3 s, or less for never")
	case c.SafePeriod < 0 || c.SafePeriod%time.Second != 0:
		return bad("SafePeriod", c.SafePeriod, "want whole seconds, or 0 for never")
	case c.AckWait < 0 || c.AckWait > maxAckWait:
		return bad("AckWait", c.AckWait, fmt.Sprintf("want 0 for none, to %v", maxAckWait))
	case c.Secret != nil && len(c.Secret) < minSecret:
		return bad("Secret", fmt.Sprintf("of %d octets", len(c.Secret)), fmt.Sprintf("want at least %d, or none", minSecret))
	case c.DigestType > DigestHMACSHA256:
		return bad("DigestType", uint8(c.DigestType), "want DigestHMACMD5, DigestHMACSHA256, or 0 for the latter")
	case len(c.Pools) == 0:
		return errors.New("failover: Config.Pools is empty: there is nothing to share")
	}
	return nil
}

// withDefaults returns c with the zero values that stand for something replaced by it.
func (c Config) withDefaults() Config {
	if c.ReceiveTimer == 0 {
		c.ReceiveTimer = DefaultReceiveTimer
	}
	if c.MaxUnacked == 0 {
		c.MaxUnacked = DefaultMaxUnacked
	}
	if c.DigestType == 0 {
		c.DigestType = DigestHMACSHA256
	}
	if c.Local.Port() == 0 {
		c.Local = netip.AddrPortFrom(c.Local.Addr(), DefaultPort)
	}
	if c.Partner.Port() == 0 {
		c.Partner = netip.AddrPortFrom(c.Partner.Addr(), DefaultPort)
	}
	return c
}

// probeTimeout is ProbeTimeout with its defaults, in a session.
func (c Config) probeTimeout(s Session) time.Duration {
	switch {
	case c.ProbeTimeout != 0:
		return c.ProbeTimeout
	case s.isISC():
		return iscProbe
	default:
		return DefaultProbeTimeout
	}
}

// pool returns the pool of the relationship that has the address, or nil.
func (c *Config) pool(a netip.Addr) *pool.Pool {
	for _, p := range c.Pools {
		if p.Contains(a) {
			return p
		}
	}
	return nil
}
