package dora

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// Config is all that a Server is told. It must not be changed after New.
type Config struct {
	Settings Settings // of the outermost scope
	Networks []Network
	Hosts    []Host
	Classes  []Class

	// Address is sent as server identifier where neither Settings nor the interface has one, such as this server's
	// address in its failover relationship.
	Address netip.Addr
	// Pinger is asked before an address is offered, where Settings.PingCheck says so. Nil: nobody is asked.
	Pinger Pinger
	// MaxPings bounds how many messages wait for pings at a time; each keeps a worker of the dhcp4.Server busy. One more
	// is offered its address unpinged. Zero is 128.
	MaxPings int
}

// Network is a shared network: the subnets of one link. A lone subnet is a Network, too.
type Network struct {
	Name     string // for the log
	Subnets  []Subnet
	Pools    []Pool
	Settings Settings
	// Links names interfaces of this server that lie in the network. It decides for an interface without address;
	// one that has an address in a Subnet needs no name here.
	Links []string
}

// Subnet is an IPv4 subnet.
type Subnet struct {
	Prefix   netip.Prefix
	Settings Settings
}

// Pool is a set of addresses with one partner, or none, and rules about who may have them.
type Pool struct {
	Pool     *pool.Pool
	Gate     Gate
	Settings Settings
	// Deny and Allow say who gets addresses from the pool: nobody whom Deny names, and if there is an Allow only
	// those whom it names.
	Allow, Deny []Permit
}

// Who is a kind of client in a Permit.
type Who uint8

// The kinds of clients that a Pool may allow or deny.
const (
	AllClients     Who = iota
	KnownClients       // those that have a Host
	UnknownClients     // those that have none
	BootpClients       // dynamic bootp clients: those that speak BOOTP, not DHCP
	ClassMembers       // members of the class that Permit names
)

// Permit names clients for Pool.Allow and Pool.Deny.
type Permit struct {
	Who   Who
	Class string // with ClassMembers: Class.Name
}

// Host is what is declared of one client: `host` of dhcpd.conf(5). It is found by ID or by HW.
type Host struct {
	Name string
	HW   lease.HWAddr // hardware type and address; empty: found by ID alone
	ID   string       // option 61; empty: found by HW alone
	// Fixed are the addresses reserved for the client, at most one a network counts. They take no part in failover
	// and stand in no pool: a pool whose ranges hold them has them in pool.Config.Excluded. Two Hosts may share an
	// address if the two are never on line together, such as the two interfaces of a notebook.
	Fixed    []netip.Addr
	Settings Settings // those of its group under its own
}

// Class is a set of clients with Settings of their own, between those of the host and of the pool.
type Class struct {
	Name     string
	Match    func(*dhcp4.Message) bool // reports whether the sender is a member; it may be called by several goroutines
	Settings Settings
}

// ScopeOf returns a function for lease.BookConfig.ScopeOf that gives each Network a scope of its own, so that a client
// has one lease in each. A Book for a Config with several Networks is opened with it.
func (c Config) ScopeOf() func(netip.Addr) lease.Scope {
	t := newTopology(c)
	return func(a netip.Addr) lease.Scope {
		if s := t.subnetOf(a); s != nil {
			return s.network.scope
		}
		return lease.Scope(len(c.Networks))
	}
}

// configurable returns "" if an option may stand in Settings.Options, else where its value comes from.
func configurable(code dhcp4.OptionCode) string {
	switch code {
	case dhcp4.OptionPad, dhcp4.OptionEnd, dhcp4.OptionOptionOverload, dhcp4.OptionDHCPMessageType:
		return "it is part of every message"
	case dhcp4.OptionRequestedIPAddress:
		return "clients send it"
	case dhcp4.OptionIPAddressLeaseTime:
		return "set Settings.DefaultLease"
	case dhcp4.OptionServerIdentifier:
		return "set Settings.ServerIdentifier"
	case dhcp4.OptionClientIdentifier:
		return "set Settings.EchoClientID"
	case dhcp4.OptionRelayAgentInformation:
		return "the relay's is returned"
	}
	return ""
}

// Validate returns an error that names the first thing in c that cannot be, or nil.
func (c Config) Validate() error {
	if len(c.Networks) == 0 {
		return errors.New("dora: Config.Networks is empty: there is nobody to serve")
	}
	if c.Address.IsValid() && !c.Address.Is4() {
		return fmt.Errorf("dora: Config.Address is %v: want an IPv4 address", c.Address)
	}
	if c.MaxPings < 0 {
		return fmt.Errorf("dora: Config.MaxPings is %d: want 1 or more, or 0 for %d", c.MaxPings, defaultMaxPings)
	}
	if err := c.Settings.validate("Config.Settings"); err != nil {
		return err
	}
	var subnets []netip.Prefix
	var pools []*pool.Pool
	links := make(map[string]bool)
	for i, n := range c.Networks {
		at := fmt.Sprintf("Config.Networks[%d]", i)
		if err := n.validate(at); err != nil {
			return err
		}
		for _, l := range n.Links {
			if links[l] {
				return fmt.Errorf("dora: %s.Links: %q lies in two networks", at, l)
			}
			links[l] = true
		}
		for _, s := range n.Subnets {
			subnets = append(subnets, s.Prefix)
		}
		for _, p := range n.Pools {
			pools = append(pools, p.Pool)
		}
	}
	if err := validateSubnets(subnets); err != nil {
		return err
	}
	if err := validatePools(pools); err != nil {
		return err
	}
	for i, h := range c.Hosts {
		if err := h.validate(fmt.Sprintf("Config.Hosts[%d]", i), pools); err != nil {
			return err
		}
	}
	return c.validateClasses()
}

func (n Network) validate(at string) error {
	if len(n.Subnets) == 0 {
		return fmt.Errorf("dora: %s.Subnets is empty: a network has a subnet", at)
	}
	if err := n.Settings.validate(at + ".Settings"); err != nil {
		return err
	}
	for j, s := range n.Subnets {
		if !s.Prefix.Addr().Is4() || s.Prefix != s.Prefix.Masked() {
			return fmt.Errorf("dora: %s.Subnets[%d].Prefix is %v: want an IPv4 prefix without host bits", at, j, s.Prefix)
		}
		if err := s.Settings.validate(fmt.Sprintf("%s.Subnets[%d].Settings", at, j)); err != nil {
			return err
		}
	}
	for j, p := range n.Pools {
		pat := fmt.Sprintf("%s.Pools[%d]", at, j)
		if p.Pool == nil {
			return fmt.Errorf("dora: %s.Pool is nil", pat)
		}
		if p.Gate == nil {
			return fmt.Errorf("dora: %s.Gate is nil: a pool without a partner has an Alone", pat)
		}
		for _, r := range p.Pool.Ranges() {
			if !slices.ContainsFunc(n.Subnets, func(s Subnet) bool {
				return s.Prefix.Contains(r.First) && s.Prefix.Contains(r.Last)
			}) {
				return fmt.Errorf("dora: %s: range %v to %v is in no subnet of the network", pat, r.First, r.Last)
			}
		}
		if err := p.Settings.validate(pat + ".Settings"); err != nil {
			return err
		}
	}
	return nil
}

// validateSubnets returns an error if two subnets overlap. Sorted, one that contains another stands right before one
// that it contains.
func validateSubnets(subnets []netip.Prefix) error {
	slices.SortFunc(subnets, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	for i := 1; i < len(subnets); i++ {
		if subnets[i-1].Overlaps(subnets[i]) {
			return fmt.Errorf("dora: subnet %v overlaps subnet %v", subnets[i-1], subnets[i])
		}
	}
	return nil
}

// validatePools returns an error if an address lies in two pools.
func validatePools(pools []*pool.Pool) error {
	var all []pool.Range
	for _, p := range pools {
		all = append(all, p.Ranges()...)
	}
	slices.SortFunc(all, func(a, b pool.Range) int { return a.First.Compare(b.First) })
	for i := 1; i < len(all); i++ {
		if !all[i-1].Last.Less(all[i].First) {
			return fmt.Errorf("dora: %v is in two ranges", all[i].First)
		}
	}
	return nil
}

func (h Host) validate(at string, pools []*pool.Pool) error {
	if h.HW == "" && h.ID == "" {
		return fmt.Errorf("dora: %s (%s): a host needs a hardware address or a client identifier", at, h.Name)
	}
	for _, a := range h.Fixed {
		if !a.Is4() {
			return fmt.Errorf("dora: %s (%s): fixed address %v is not IPv4", at, h.Name, a)
		}
		for _, p := range pools {
			if p.Contains(a) {
				return fmt.Errorf("dora: %s (%s): fixed address %v is in pool %q as well: name it in its Excluded", at, h.Name, a, p.Name())
			}
		}
	}
	return h.Settings.validate(at + ".Settings")
}

func (c Config) validateClasses() error {
	names := make(map[string]bool)
	for i, k := range c.Classes {
		if names[k.Name] || k.Name == "" {
			return fmt.Errorf("dora: Config.Classes[%d].Name is %q: want a name of its own", i, k.Name)
		}
		if k.Match == nil {
			return fmt.Errorf("dora: Config.Classes[%d].Match is nil: class %q would have no members", i, k.Name)
		}
		names[k.Name] = true
		if err := k.Settings.validate(fmt.Sprintf("Config.Classes[%d].Settings", i)); err != nil {
			return err
		}
	}
	for i, n := range c.Networks {
		for j, p := range n.Pools {
			for _, m := range slices.Concat(p.Allow, p.Deny) {
				if m.Who == ClassMembers && !names[m.Class] {
					return fmt.Errorf("dora: Config.Networks[%d].Pools[%d]: there is no class %q", i, j, m.Class)
				}
			}
		}
	}
	return nil
}

func (s Settings) validate(at string) error {
	bad := func(field string, value any, want string) error {
		return fmt.Errorf("dora: %s.%s is %v: want %s", at, field, value, want)
	}
	switch {
	case s.DefaultLease < 0:
		return bad("DefaultLease", s.DefaultLease, "a positive time")
	case s.MaxLease < 0:
		return bad("MaxLease", s.MaxLease, "a positive time")
	case s.MinLease < 0:
		return bad("MinLease", s.MinLease, "a positive time")
	case s.AbandonTime < 0:
		return bad("AbandonTime", s.AbandonTime, "a positive time")
	case s.PingTimeout < 0:
		return bad("PingTimeout", s.PingTimeout, "a positive time")
	case s.CacheThreshold > 99:
		return bad("CacheThreshold", s.CacheThreshold, "percent, at most 99")
	case s.ServerIdentifier.IsValid() && !s.ServerIdentifier.Is4():
		return bad("ServerIdentifier", s.ServerIdentifier, "an IPv4 address")
	case s.NextServer.IsValid() && !s.NextServer.Is4():
		return bad("NextServer", s.NextServer, "an IPv4 address")
	case len(s.ServerName) > 64:
		return bad("ServerName", len(s.ServerName), "at most 64 octets")
	case len(s.Filename) > 128:
		return bad("Filename", len(s.Filename), "at most 128 octets")
	}
	for _, o := range s.Options {
		if why := configurable(o.Code); why != "" {
			return fmt.Errorf("dora: %s.Options: option %v cannot be configured: %s", at, o.Code, why)
		}
	}
	return nil
}
