package isc

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4/dora"
)

// check looks at what no single statement can be wrong about.
func (r *reader) check() {
	c := r.config
	for i := range c.Networks {
		n := &c.Networks[i]
		r.checkTimes(&n.Scope)
		for j := range n.Subnets {
			r.checkTimes(&n.Subnets[j].Scope)
		}
		for j := range n.Pools {
			r.checkTimes(&n.Pools[j].Scope)
			r.checkPool(n, &n.Pools[j])
		}
	}
	r.checkTimes(&c.Scope)
	r.checkSubnets()
	r.checkRanges()
	r.checkPeers()
	r.checkHosts()
	if key := c.Server.OMAPIKey; key != "" && !slices.ContainsFunc(c.Keys, func(k Key) bool { return k.Name == key }) {
		r.errorf(r.omapiKeyPos, "OMAPI key %s: not found", key)
	}
}

// checkTimes looks for lease times that contradict each other, where one of them is set.
func (r *reader) checkTimes(s *Scope) {
	most := s.All.MaxLeaseTime.Or(dora.DefaultMaxLease)
	here := s.Own.MaxLeaseTime.IsSet()
	if d := s.All.DefaultLeaseTime; d.IsSet() && d.Value > most && (here || s.Own.DefaultLeaseTime.IsSet()) {
		r.warnf(d.Pos, "default-lease-time %v is cut down to max-lease-time %v", seconds(d.Value), seconds(most))
	}
	if d := s.All.MinLeaseTime; d.IsSet() && d.Value > most && (here || s.Own.MinLeaseTime.IsSet()) {
		r.warnf(d.Pos, "min-lease-time %v is more than max-lease-time %v", seconds(d.Value), seconds(most))
	}
}

// seconds is a lease time as the file has it.
func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// checkPool checks the ranges of a pool against the subnets of its network.
func (r *reader) checkPool(n *Network, p *Pool) {
	for _, g := range p.Ranges {
		i := slices.IndexFunc(n.Subnets, func(s Subnet) bool { return s.Prefix.Contains(g.First) })
		switch {
		case i < 0:
			r.errorf(g.Pos, "address range not on network %s", n.Name)
		case !n.Subnets[i].Prefix.Contains(g.Last):
			r.errorf(g.Pos, "bad range, address %v not in subnet %v", g.Last, n.Subnets[i].Prefix)
		case g.DynamicBootp && p.Peer != "":
			r.errorf(g.Pos, "dynamic-bootp flag is not permitted for address range declarations where there is a failover peer in scope.")
		}
	}
}

// checkSubnets refuses subnets that overlap. (dhcpd warns, and takes the narrower.)
func (r *reader) checkSubnets() {
	var all []*Subnet
	for i := range r.config.Networks {
		n := &r.config.Networks[i]
		for j := range n.Subnets {
			all = append(all, &n.Subnets[j])
		}
	}
	// The wider of two that overlap, or the one declared first of two that are equal, comes first.
	slices.SortStableFunc(all, func(a, b *Subnet) int {
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), a.Prefix.Bits()-b.Prefix.Bits())
	})
	var wide *Subnet
	for _, s := range all {
		if wide != nil && wide.Prefix.Overlaps(s.Prefix) {
			r.errorf(s.Pos, "subnet %v overlaps subnet %v, declared at %v", s.Prefix, wide.Prefix, wide.Pos)
			continue
		}
		wide = s
	}
}

// checkRanges refuses an address that is in two ranges.
func (r *reader) checkRanges() {
	var all []Range
	for _, n := range r.config.Networks {
		for _, p := range n.Pools {
			all = append(all, p.Ranges...)
		}
	}
	slices.SortStableFunc(all, func(a, b Range) int { return a.First.Compare(b.First) })
	var last Range
	for _, g := range all {
		if last.Last.IsValid() && !last.Last.Less(g.First) {
			r.errorf(g.Pos, "lease %v is declared twice! The other range is at %v", g.First, last.Pos)
		}
		if !last.Last.IsValid() || last.Last.Less(g.Last) {
			last = g
		}
	}
}

// checkPeers checks that each peer has a pool, and each pool a peer that exists.
func (r *reader) checkPeers() {
	used := make(map[string]bool)
	for _, n := range r.config.Networks {
		if _, ok := r.peers[n.peer]; n.peer != "" && !ok {
			r.errorf(n.peerPos, "reference to unknown failover peer %s", n.peer)
		}
		for _, p := range n.Pools {
			if p.peerPos.IsZero() {
				continue
			}
			used[p.Peer] = true
			if _, ok := r.peers[p.Peer]; !ok {
				r.errorf(p.peerPos, "failover peer %s: not found", p.Peer)
			}
		}
	}
	for _, p := range r.config.Peers {
		if !used[p.Name] {
			r.errorf(p.Pos, "ERROR: Failover peer, %s, has no referring pools. You must refer to each peer in at least one pool declaration.", p.Name)
		}
	}
}

// checkHosts warns of hosts that are never found, and of fixed addresses that are odd.
func (r *reader) checkHosts() {
	fixed := make(map[netip.Addr]*Host)
	for i := range r.config.Hosts {
		h := &r.config.Hosts[i]
		if h.HW == "" && h.ID == "" {
			r.warnf(h.Pos, "host %s has neither hardware nor dhcp-client-identifier: no client is it", h.Name)
		}
		for _, a := range h.Fixed {
			if other := fixed[a]; other != nil && other != h {
				r.warnf(h.fixedPos, "host %s: fixed address %v is that of host %s, too, at %v", h.Name, a, other.Name, other.fixedPos)
			}
			fixed[a] = h
			n := r.config.network(a)
			if n == nil {
				r.warnf(h.fixedPos, "host %s: fixed address %v is in no subnet", h.Name, a)
				continue
			}
			for _, p := range n.Pools {
				for _, g := range p.Ranges {
					if !a.Less(g.First) && !g.Last.Less(a) {
						r.warnf(h.fixedPos, "host %s: fixed address %v is in the range at %v: it is the host's, and no longer in the pool", h.Name, a, g.Pos)
					}
				}
			}
		}
	}
}

// network returns the network whose subnet has the address, or nil.
func (c *Config) network(a netip.Addr) *Network {
	for i := range c.Networks {
		for _, s := range c.Networks[i].Subnets {
			if s.Prefix.Contains(a) {
				return &c.Networks[i]
			}
		}
	}
	return nil
}
