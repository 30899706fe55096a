package dora

import (
	"net/netip"
	"reflect"
	"slices"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// topology is a Config made ready for looking things up. It never changes.
type topology struct {
	networks []*network
	subnets  map[netip.Prefix]*subnet
	lengths  []int // the prefix lengths in subnets, longest first
	links    map[string]*network
	outer    *Settings // of the outermost scope

	hostsByID map[string][]*host
	hostsByHW map[lease.HWAddr][]*host
	fixed     map[netip.Addr]bool // reserved for some host
	classes   []*class
}

type network struct {
	name     string
	scope    lease.Scope
	settings *Settings // over the outermost
	pools    []*share
}

type subnet struct {
	prefix   netip.Prefix
	network  *network
	settings *Settings // over those of the network
}

// share is a Pool in its network.
type share struct {
	*pool.Pool
	gate        Gate
	allow, deny []Permit
	settings    []*Settings // over those of the subnet, for each of subnets
	subnets     []*subnet   // those the pool has addresses in
}

type host struct {
	*Host
	plain bool // it has no settings of its own
}

type class struct {
	*Class
	plain bool
}

func newTopology(c Config) *topology {
	t := &topology{
		subnets:   make(map[netip.Prefix]*subnet),
		links:     make(map[string]*network),
		outer:     ptr(c.Settings.Over(Settings{})),
		hostsByID: make(map[string][]*host),
		hostsByHW: make(map[lease.HWAddr][]*host),
		fixed:     make(map[netip.Addr]bool),
	}
	for i, n := range c.Networks {
		t.addNetwork(lease.Scope(i), n)
	}
	slices.SortFunc(t.lengths, func(a, b int) int { return b - a })
	t.lengths = slices.Compact(t.lengths)
	for i := range c.Hosts {
		h := &host{&c.Hosts[i], isZero(c.Hosts[i].Settings)}
		if h.ID != "" {
			t.hostsByID[h.ID] = append(t.hostsByID[h.ID], h)
		}
		if h.HW != "" {
			t.hostsByHW[h.HW] = append(t.hostsByHW[h.HW], h)
		}
		for _, a := range h.Fixed {
			t.fixed[a] = true
		}
	}
	for i := range c.Classes {
		t.classes = append(t.classes, &class{&c.Classes[i], isZero(c.Classes[i].Settings)})
	}
	return t
}

func (t *topology) addNetwork(scope lease.Scope, n Network) {
	net := &network{name: n.Name, scope: scope, settings: ptr(n.Settings.Over(*t.outer))}
	var subnets []*subnet
	for _, s := range n.Subnets {
		sub := &subnet{s.Prefix, net, ptr(s.Settings.Over(*net.settings))}
		subnets = append(subnets, sub)
		t.subnets[s.Prefix] = sub
		t.lengths = append(t.lengths, s.Prefix.Bits())
	}
	for _, p := range n.Pools {
		sh := &share{Pool: p.Pool, gate: p.Gate, allow: p.Allow, deny: p.Deny}
		for _, sub := range subnets {
			if !slices.ContainsFunc(p.Pool.Ranges(), func(r pool.Range) bool { return sub.prefix.Contains(r.First) }) {
				continue
			}
			sh.subnets = append(sh.subnets, sub)
			sh.settings = append(sh.settings, ptr(p.Settings.Over(*sub.settings)))
		}
		net.pools = append(net.pools, sh)
	}
	for _, l := range n.Links {
		t.links[l] = net
	}
	t.networks = append(t.networks, net)
}

func ptr(s Settings) *Settings { return &s }

func isZero(s Settings) bool { return reflect.ValueOf(s).IsZero() }

// subnetOf returns the subnet that an address lies in, or nil.
func (t *topology) subnetOf(a netip.Addr) *subnet {
	if !a.Is4() {
		return nil
	}
	for _, bits := range t.lengths {
		p, err := a.Prefix(bits)
		if err != nil {
			continue
		}
		if s := t.subnets[p]; s != nil {
			return s
		}
	}
	return nil
}

// shareOf returns the pool of the network that an address lies in, or nil.
func (n *network) shareOf(a netip.Addr) *share {
	for _, s := range n.pools {
		if s.Contains(a) {
			return s
		}
	}
	return nil
}

// settingsAt returns what holds for the addresses of the pool in a subnet.
func (s *share) settingsAt(sub *subnet) *Settings {
	for i, have := range s.subnets {
		if have == sub {
			return s.settings[i]
		}
	}
	return sub.settings
}

// hostsOf returns the hosts declared for a client: those with its identifier, else those with its hardware address.
func (t *topology) hostsOf(c lease.Client) []*host {
	if c.ID != "" {
		if h := t.hostsByID[c.ID]; len(h) > 0 {
			return h
		}
	}
	return t.hostsByHW[c.HW]
}

// reservation returns the first address that one of the hosts has in a network, and that host. The address is invalid
// if there is none.
func (t *topology) reservation(hosts []*host, n *network) (netip.Addr, *host) {
	for _, h := range hosts {
		for _, a := range h.Fixed {
			if s := t.subnetOf(a); s != nil && s.network == n {
				return a, h
			}
		}
	}
	return netip.Addr{}, nil
}

// plainHost returns the first of the hosts without a reserved address, whose settings hold for a client with a dynamic
// address; nil if there is none.
func plainHost(hosts []*host) *host {
	for _, h := range hosts {
		if len(h.Fixed) == 0 {
			return h
		}
	}
	return nil
}

// within returns base with the settings of the classes and of the host over it, later classes and the host innermost.
func within(base *Settings, classes []*class, h *host) *Settings {
	for _, c := range classes {
		if !c.plain {
			base = ptr(c.Settings.Over(*base))
		}
	}
	if h != nil && !h.plain {
		base = ptr(h.Settings.Over(*base))
	}
	return base
}
