package isc

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
)

// maxHardware is the longest hardware address, in octets: dhcpd's own limit. (A DHCP header has room for 16.)
const maxHardware = 20

// hardwareTypes are the names of hardware types, with the number of RFC 1700 that goes into htype.
var hardwareTypes = map[string]uint8{"ethernet": 1, "token-ring": 6, "fddi": 8, "infiniband": 32}

// host reads a host.
func (r *reader) host(x site, s *statement, c *cursor) {
	at := s.words[0].pos
	if x.kind == inHost {
		r.errorf(at, "host declarations not allowed here.")
		return
	}
	if x.network != nil && !r.warnedOfHosts {
		r.warnedOfHosts = true
		r.warnf(at, "Host declarations are global. They are not limited to the scope you declared them in.")
	}
	name, ok := c.name()
	if !ok || !c.brace() {
		return
	}
	h := Host{Scope: Scope{Pos: at}, Name: name}
	inner := x.within(inHost, &h.Scope)
	inner.host, inner.network, inner.subnet, inner.pool = &h, nil, nil, nil
	r.block(inner, s.body)
	if first, ok := r.hosts[name]; ok {
		r.errorf(at, "host %s: already exists, declared at %v", name, first)
		return
	}
	r.hosts[name] = at
	r.config.Hosts = append(r.config.Hosts, h)
}

// hostGroup carries out `group NAME;` in a host: the host is as if it were declared in that group.
func (r *reader) hostGroup(x site, c *cursor) {
	at := c.peek()
	if at.kind != tokenString && !at.identifier() {
		c.fail("expecting string or identifier.")
		return
	}
	c.next()
	g := r.groups[at.text]
	if g == nil {
		r.errorf(at.pos, "unknown group %s in host %s", at.text, x.host.Name)
		return
	}
	if c.semicolon() {
		x.host.groups = append(g.around[:len(g.around):len(g.around)], g)
	}
}

// hardware carries out `hardware TYPE ADDRESS;`.
func (r *reader) hardware(x site, s *statement, c *cursor) {
	at := s.words[0].pos
	if x.kind != inHost {
		r.errorf(at, "hardware address parameter not allowed here.")
		return
	}
	htype, ok := hardwareTypes[lower(c.peek())]
	if number, unknown := strings.CutPrefix(lower(c.peek()), "unknown-"); unknown {
		n, err := strconv.ParseUint(number, 10, 8)
		htype, ok = uint8(n), err == nil && n > 0
	}
	if !ok {
		c.fail("expecting a network hardware type")
		return
	}
	c.next()
	var addr string
	if c.peek().kind != tokenEnd {
		if addr, ok = c.octets(); !ok {
			return
		}
	}
	if !c.semicolon() {
		return
	}
	switch {
	case len(addr) > maxHardware:
		r.errorf(at, "hardware address too long")
		return
	case x.host.HW != "":
		r.errorf(at, "Host %s hardware address already configured.", x.host.Name)
		return
	case htype == 1 && len(addr) != 6:
		r.warnf(at, "host %s: an Ethernet address has 6 octets, this one has %d", x.host.Name, len(addr))
	}
	x.host.HW = lease.MakeHWAddr(htype, []byte(addr))
}

// fixedAddress carries out `fixed-address A, B;`.
func (r *reader) fixedAddress(x site, s *statement, c *cursor) {
	at := s.words[0].pos
	if x.kind != inHost {
		r.errorf(at, "fixed-address parameter not allowed here.")
		return
	}
	var list []netip.Addr
	for more := true; more; more = c.acceptPunct(',') {
		addrs, ok := c.addrs()
		if !ok {
			return
		}
		list = append(list, addrs...)
	}
	if !c.semicolon() {
		return
	}
	if x.host.Fixed != nil {
		r.errorf(at, "Only one fixed address declaration per host.")
		return
	}
	x.host.Fixed, x.host.fixedPos = list, at
}

// uid carries out `uid "octets";`, the name of option dhcp-client-identifier in lease files.
func (r *reader) uid(x site, s *statement, c *cursor) {
	at := s.words[0].pos
	if x.kind != inHost {
		r.errorf(at, "uid not allowed here.")
		return
	}
	if id, ok := c.data(); ok && c.semicolon() {
		r.identify(x, Option{Pos: at, Value: id})
	}
}

// hostIdentifier carries out `host-identifier option dhcp-client-identifier OCTETS;`; another option identifies nobody
// here.
func (r *reader) hostIdentifier(x site, s *statement, c *cursor) {
	at := s.words[0].pos
	if x.kind != inHost {
		r.errorf(at, "host-identifier not allowed here.")
		return
	}
	if !c.accept("option") {
		c.fail("host-identifier must be an option")
		return
	}
	d, spaceName, name, ok := r.spaces.optionName(c)
	switch {
	case !ok:
	case d == nil:
		r.errorf(at, "unknown option %s.%s", spaceName, name)
	case d.space != dhcpSpace || d.code != dhcp4.OptionClientIdentifier:
		r.unsupported(at, "host-identifier option %s is not supported: a host is known by hardware or dhcp-client-identifier", name)
	default:
		if id, ok := d.form().encode(c); ok && c.semicolon() {
			r.identify(x, Option{Pos: at, Value: id})
		}
	}
}

// identify makes the value of o the client identifier of the host that x is in.
func (r *reader) identify(x site, o Option) {
	switch {
	case x.kind != inHost:
		r.warnf(o.Pos, "option dhcp-client-identifier has no effect outside of a host declaration")
	case x.host.ID != "":
		r.errorf(o.Pos, "Host '%s' already has a uid", x.host.Name)
	case o.Value == "":
		r.errorf(o.Pos, "a client identifier is not empty")
	default:
		x.host.ID = o.Value
	}
}

// addrOf returns the address in the value of an option.
func addrOf(value string) (netip.Addr, bool) { return netip.AddrFromSlice([]byte(value)) }
