package isc

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4/dora"
	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// Setup is what becomes of a Config: pools over a ledger, and the configurations of what works on them.
type Setup struct {
	// Failover has one relationship for each of Config.Peers, with its pools.
	Failover []failover.Config
	// Alone are the pools that have no partner.
	Alone []*pool.Pool

	config *Config
	pools  [][]share // of each network
}

// share is a pool of a network, and what it was made of.
type share struct {
	pool   *pool.Pool
	source *Pool
}

// ScopeOf returns the function for lease.BookConfig.ScopeOf: a client has one lease in each network.
func (c *Config) ScopeOf() func(netip.Addr) lease.Scope {
	var d dora.Config
	for i := range c.Networks {
		d.Networks = append(d.Networks, doraNetwork(&c.Networks[i]))
	}
	return d.ScopeOf()
}

// Setup makes the pools over leases, a *lease.Book opened with ScopeOf. The caller has the Book tell them of changes
// (lease.Book.Observe), and makes the endpoints of Failover and a dora.Alone of Alone; then Setup.Dora has all that a
// dora.Server needs. An error is an *Error with the place of what cannot be.
//
// As in dhcpd, pools of one network that have the same peer and the same permissions, and set no parameters, are one.
func (c *Config) Setup(leases pool.View) (*Setup, error) {
	s := &Setup{config: c, pools: make([][]share, len(c.Networks))}
	var fixed []netip.Addr
	for _, h := range c.Hosts {
		fixed = append(fixed, h.Fixed...)
	}
	for i := range c.Networks {
		n := &c.Networks[i]
		for _, same := range merged(n.Pools) {
			first := same[0]
			cfg := pool.Config{Name: n.Name, Excluded: fixed}
			for _, p := range same {
				for _, g := range p.Ranges {
					cfg.Ranges = append(cfg.Ranges, pool.Range{First: g.First, Last: g.Last})
				}
			}
			p, err := pool.New(cfg, leases)
			if err != nil {
				return nil, &Error{Pos: first.Pos, Msg: err.Error(), Err: err}
			}
			s.pools[i] = append(s.pools[i], share{p, first})
			if first.Peer == "" {
				s.Alone = append(s.Alone, p)
			}
		}
	}
	for i := range c.Peers {
		f := s.relationship(&c.Peers[i])
		if err := f.Validate(); err != nil {
			return nil, &Error{Pos: c.Peers[i].Pos, Msg: err.Error(), Err: err}
		}
		s.Failover = append(s.Failover, f)
	}
	return s, nil
}

// merged returns the pools of a network, those together that are one.
func merged(pools []Pool) [][]*Pool {
	var list [][]*Pool
	for i := range pools {
		p := &pools[i]
		j := slices.IndexFunc(list, func(same []*Pool) bool {
			q := same[0]
			return p.plain && q.plain && p.Peer == q.Peer && samePermits(p.Allow, q.Allow) && samePermits(p.Deny, q.Deny)
		})
		if j < 0 {
			list = append(list, []*Pool{p})
		} else {
			list[j] = append(list[j], p)
		}
	}
	return list
}

// samePermits reports whether two lists name the same clients.
func samePermits(a, b []Permit) bool {
	subset := func(a, b []Permit) bool {
		return !slices.ContainsFunc(a, func(p Permit) bool {
			return !slices.ContainsFunc(b, func(q Permit) bool { return p.Who == q.Who })
		})
	}
	return subset(a, b) && subset(b, a)
}

// relationship returns the configuration of a failover relationship.
func (s *Setup) relationship(p *Peer) failover.Config {
	f := failover.Config{
		Name:         p.Name,
		Local:        netip.AddrPortFrom(p.Address, p.Port),
		Partner:      netip.AddrPortFrom(p.PartnerAddresses[0], p.PartnerPort),
		MaxSecs:      uint16(p.LoadBalanceMaxSeconds),
		ReceiveTimer: p.MaxResponseDelay,
		MaxUnacked:   p.MaxUnackedUpdates,
		SafePeriod:   p.AutoPartnerDown,
		Balance: pool.Balance{
			MaxMisbalance: p.MaxLeaseMisbalance, MaxOwnership: p.MaxLeaseOwnership,
			MinBalance: p.MinBalance, MaxBalance: p.MaxBalance,
		},
	}
	if p.Secondary {
		f.Role = failover.Secondary
	} else {
		f.Role, f.MCLT, f.HBA = failover.Primary, p.MCLT, &p.HBA
	}
	for _, shares := range s.pools {
		for _, sh := range shares {
			if sh.source.Peer == p.Name {
				f.Pools = append(f.Pools, sh.pool)
				f.Shared = append(f.Shared, leaseTimes(sh)...)
			}
		}
	}
	return f
}

// leaseTimes are the settings of a pool that both partners should have alike.
func leaseTimes(sh share) []failover.Setting {
	p := &sh.source.All
	var list []failover.Setting
	for _, s := range []struct {
		name string
		time Setting[time.Duration]
	}{{"default-lease-time", p.DefaultLeaseTime}, {"max-lease-time", p.MaxLeaseTime}} {
		value := "unset"
		if s.time.IsSet() {
			value = strconv.FormatInt(int64(s.time.Value/time.Second), 10)
		}
		list = append(list, failover.Setting{Name: s.name + " of " + sh.pool.Name(), Value: value})
	}
	return list
}

// Pools returns all pools, for lease.Book.Observe.
func (s *Setup) Pools() []*pool.Pool {
	var list []*pool.Pool
	for _, shares := range s.pools {
		for _, sh := range shares {
			list = append(list, sh.pool)
		}
	}
	return list
}

// Dora returns the configuration of a server that answers clients. gate gives the dora.Gate of the pools of a peer, and
// for "" that of the pools without one. A Pinger is for the caller to set.
//
// Where the file leaves server-id-check unsaid it is off, as in dhcpd, and not on as in dora.
func (s *Setup) Dora(gate func(peer string) dora.Gate) (dora.Config, error) {
	c := s.config
	d := dora.Config{Settings: settings(&c.Scope.Own), Address: c.Server.LocalAddress}
	if d.Settings.ServerIDCheck == dora.Unset {
		d.Settings.ServerIDCheck = dora.Off
	}
	if len(c.Peers) > 0 {
		d.Address = c.Peers[0].Address
	}
	for i := range c.Networks {
		n := doraNetwork(&c.Networks[i])
		for _, sh := range s.pools[i] {
			n.Pools = append(n.Pools, dora.Pool{
				Pool: sh.pool, Gate: gate(sh.source.Peer), Settings: settings(&sh.source.Own),
				Allow: permits(sh.source.Allow), Deny: permits(sh.source.Deny),
			})
		}
		d.Networks = append(d.Networks, n)
	}
	for i := range c.Hosts {
		h := &c.Hosts[i]
		if h.HW == "" && h.ID == "" {
			continue // nobody is this host: Load has warned
		}
		d.Hosts = append(d.Hosts, dora.Host{Name: h.Name, HW: h.HW, ID: h.ID, Fixed: h.Fixed, Settings: settings(&h.Own)})
	}
	return d, d.Validate()
}

// doraNetwork returns a network without its pools.
func doraNetwork(n *Network) dora.Network {
	d := dora.Network{Name: n.Name, Settings: settings(&n.Own)}
	if n.Interface != "" {
		d.Links = []string{n.Interface}
	}
	for i := range n.Subnets {
		d.Subnets = append(d.Subnets, dora.Subnet{Prefix: n.Subnets[i].Prefix, Settings: settings(&n.Subnets[i].Own)})
	}
	return d
}

// permits returns the permissions of a pool.
func permits(list []Permit) []dora.Permit {
	var d []dora.Permit
	for _, p := range list {
		d = append(d, dora.Permit{Who: p.Who})
	}
	return d
}

// settings returns what a scope says itself.
func settings(p *Parameters) dora.Settings {
	s := dora.Settings{
		DefaultLease: told(p.DefaultLeaseTime, time.Second),
		MaxLease:     told(p.MaxLeaseTime, time.Second),
		MinLease:     told(p.MinLeaseTime, time.Second),
		AbandonTime:  told(p.AbandonLeaseTime, time.Second),
		PingTimeout:  told(p.PingTimeout, time.Millisecond),

		Authoritative:     toggle(p.Authoritative),
		PingCheck:         toggle(p.PingCheck),
		AlwaysBroadcast:   toggle(p.AlwaysBroadcast),
		UseHostDeclNames:  toggle(p.UseHostDeclNames),
		OneLeasePerClient: toggle(p.OneLeasePerClient),
		EchoClientID:      toggle(p.EchoClientID),
		ServerIDCheck:     toggle(p.ServerIDCheck),

		AllowUnknown:  allowed(p.UnknownClients),
		AllowBootp:    allowed(p.Bootp),
		AllowBooting:  allowed(p.Booting),
		AllowDeclines: allowed(p.Declines),

		ServerIdentifier: p.ServerIdentifier.Value,
		NextServer:       p.NextServer.Value,
		ServerName:       p.ServerName.Value,
		Filename:         p.Filename.Value,
	}
	if p.CacheThreshold.IsSet() {
		s.CacheThreshold = min(p.CacheThreshold.Value, 99)
		if s.CacheThreshold == 0 {
			s.CacheThreshold = -1 // never
		}
	}
	for _, o := range p.Options {
		s.Options = append(s.Options, dora.Option{Code: o.Code, Value: o.Value})
	}
	return s
}

// told returns a time for a field in which zero says nothing; no time at all becomes the least.
func told(t Setting[time.Duration], least time.Duration) time.Duration {
	if !t.IsSet() {
		return 0
	}
	return max(t.Value, least)
}

func toggle(s Setting[bool]) dora.Toggle {
	switch {
	case !s.IsSet():
		return dora.Unset
	case s.Value:
		return dora.On
	}
	return dora.Off
}

func allowed(s Setting[Permission]) dora.Toggle {
	return toggle(Setting[bool]{s.Value == Allow, s.Pos})
}
