package isc

import (
	"net/netip"
	"strings"

	"github.com/tandem-dhcp/tandem/dhcp4/dora"
)

// sharedNetwork reads a shared-network.
func (r *reader) sharedNetwork(x site, s *statement, c *cursor) {
	at := s.words[0].pos
	if x.network != nil || x.kind == inHost {
		r.errorf(at, "shared-network parameters not allowed here.")
		return
	}
	nameAt := c.peek()
	name, ok := c.name()
	if !ok || !c.brace() {
		return
	}
	if name == "" {
		r.errorf(nameAt.pos, "zero-length shared network name")
		return
	}
	n := Network{Scope: Scope{Pos: at}, Name: name}
	inner := x.within(inSharedNetwork, &n.Scope)
	inner.network = &n
	r.block(inner, s.body)
	if len(n.Subnets) == 0 {
		r.errorf(at, "empty shared-network decl")
		return
	}
	r.enter(&n)
}

// enter makes pools of the ranges that stand outside of pools, and puts n into the Config.
func (r *reader) enter(n *Network) {
	n.Pools = append(n.Pools, loosePools(n.loose)...)
	n.loose = nil
	r.config.Networks = append(r.config.Networks, *n)
}

// loosePools returns the pools that ranges outside of pools make: BOOTP clients have no part in those that are not
// dynamic-bootp, and neither has a partner.
func loosePools(ranges []Range) []Pool {
	var plain, bootp []Range
	for _, g := range ranges {
		if g.DynamicBootp {
			bootp = append(bootp, g)
		} else {
			plain = append(plain, g)
		}
	}
	var list []Pool
	if plain != nil {
		at := plain[0].Pos
		list = append(list, Pool{Scope: Scope{Pos: at}, Ranges: plain, Deny: []Permit{{at, dora.BootpClients}}})
	}
	if bootp != nil {
		at := bootp[0].Pos
		list = append(list, Pool{Scope: Scope{Pos: at}, Ranges: bootp, Allow: []Permit{{at, dora.AllClients}}})
	}
	return list
}

// subnet reads a subnet. One that is in no shared-network makes a Network of its own.
func (r *reader) subnet(x site, s *statement, c *cursor) {
	at := s.words[0].pos
	if x.kind == inHost || x.pool != nil || x.subnet != nil {
		r.errorf(at, "subnet declarations not allowed here.")
		return
	}
	base, ok := c.addr()
	if !ok {
		return
	}
	if !c.accept("netmask") {
		c.fail("Expecting netmask")
		return
	}
	mask, ok := c.addr()
	if !ok || !c.brace() {
		return
	}
	prefix, ok := prefixOf(base, mask)
	if !ok {
		r.errorf(at, "subnet %v netmask %v: bad subnet number/mask combination.", base, mask)
		return
	}
	sub := Subnet{Scope: Scope{Pos: at}, Prefix: prefix}
	if x.network != nil {
		inner := x.within(inSubnet, &sub.Scope)
		inner.subnet = &sub
		r.block(inner, s.body)
		x.network.Subnets = append(x.network.Subnets, sub)
		return
	}
	n := Network{Scope: Scope{Pos: at}, Name: prefix.String(), Lone: true}
	inner := x.within(inSubnet, &n.Scope)
	inner.network, inner.subnet = &n, &sub
	r.block(inner, s.body)
	n.Subnets = []Subnet{sub}
	r.enter(&n)
}

// prefixOf returns a subnet from its number and mask, if they fit and the mask is a row of ones and then zeros.
func prefixOf(base, mask netip.Addr) (netip.Prefix, bool) {
	for bits := 0; bits <= 32; bits++ {
		ones := netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), bits).Masked().Addr()
		if ones == mask {
			p := netip.PrefixFrom(base, bits)
			return p, p == p.Masked()
		}
	}
	return netip.Prefix{}, false
}

// interfaceStatement carries out `interface`: this network is on that link.
func (r *reader) interfaceStatement(x site, s *statement, c *cursor) {
	if x.kind != inSubnet && x.kind != inSharedNetwork {
		r.errorf(s.words[0].pos, "interface not allowed here.")
		return
	}
	name, ok := word(c)
	if !ok || !c.semicolon() {
		return
	}
	if x.network.Interface != "" {
		r.errorf(s.words[0].pos, "A subnet or shared network can't be connected to two interfaces.")
		return
	}
	x.network.Interface = name
}

// pool reads a pool.
func (r *reader) pool(x site, s *statement, c *cursor) {
	at := s.words[0].pos
	switch {
	case x.pool != nil:
		r.errorf(at, "pool declared within pool.")
		return
	case x.kind != inSubnet && x.kind != inSharedNetwork:
		r.errorf(at, "pool declared outside of network")
		return
	case !c.brace():
		return
	}
	p := Pool{Scope: Scope{Pos: at}, Peer: x.network.peer}
	if x.subnet != nil {
		p.Subnet = x.subnet.Prefix
	}
	inner := x.within(inPool, &p.Scope)
	inner.pool = &p
	r.block(inner, s.body)
	if len(p.Ranges) == 0 {
		r.errorf(at, "Pool declaration with no address range.")
		return
	}
	x.network.Pools = append(x.network.Pools, p)
}

// rangeStatement carries out `range`.
func (r *reader) rangeStatement(x site, s *statement, c *cursor) {
	g := Range{Pos: s.words[0].pos}
	if x.kind != inPool && x.kind != inSubnet {
		r.errorf(g.Pos, "range declaration not allowed here.")
		return
	}
	g.DynamicBootp = c.accept("dynamic-bootp")
	var ok bool
	if g.First, ok = c.dottedQuad(); !ok {
		return
	}
	g.Last = g.First
	if c.peek().kind != tokenEnd {
		if g.Last, ok = c.dottedQuad(); !ok {
			return
		}
	}
	if !c.semicolon() {
		return
	}
	if g.Last.Less(g.First) { // dhcpd takes a range in either direction
		g.First, g.Last = g.Last, g.First
	}
	if x.subnet != nil {
		for _, a := range []netip.Addr{g.First, g.Last} {
			if !x.subnet.Prefix.Contains(a) {
				r.errorf(g.Pos, "bad range, address %v not in subnet %v", a, x.subnet.Prefix)
				return
			}
		}
	}
	if x.pool != nil {
		x.pool.Ranges = append(x.pool.Ranges, g)
	} else {
		x.network.loose = append(x.network.loose, g)
	}
}

// group reads a group; in a host it names the group that the host belongs to.
func (r *reader) group(x site, s *statement, c *cursor) {
	if x.kind == inHost {
		r.hostGroup(x, c)
		return
	}
	name := ""
	if c.peek().kind == tokenString || c.peek().identifier() {
		name = c.next().text
	}
	if !c.brace() {
		return
	}
	g := &group{around: x.groups}
	inner := x
	inner.kind, inner.assignments = inGroup, &g.assignments
	inner.groups = append(x.groups[:len(x.groups):len(x.groups)], g)
	if name != "" {
		r.groups[name] = g
	}
	r.block(inner, s.body)
}

func lower(t token) string { return strings.ToLower(t.text) }
