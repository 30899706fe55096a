package isc

import (
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/tandem-dhcp/tandem/pool"
)

// Defaults of a Peer, as dhcpd.conf(5) has them. A statement with the value 0 means the default, too.
const (
	defaultPeerPort           = 647
	defaultMaxResponseDelay   = 20 * time.Second
	defaultMaxUnackedUpdates  = 100
	defaultMaxLeaseMisbalance = 15
	defaultMaxLeaseOwnership  = 10
	defaultMinBalance         = time.Minute
	defaultMaxBalance         = time.Hour
)

// failover carries out `failover peer`: the declaration of a relationship, or a reference to one.
func (r *reader) failover(x site, s *statement, c *cursor) {
	at := s.words[0].pos
	if x.kind != inRoot && x.kind != inSharedNetwork && x.kind != inPool {
		r.errorf(at, "failover peers may only be defined in shared-network declarations and the outer scope.")
		return
	}
	if !c.expect("peer") {
		return
	}
	nameAt := c.peek()
	if nameAt.kind != tokenString && (x.kind == inPool || !nameAt.identifier()) {
		c.fail("expecting failover peer name.")
		return
	}
	name := c.next().text
	if x.kind == inPool {
		if c.semicolon() {
			x.pool.Peer, x.pool.peerPos = name, nameAt.pos
		}
		return
	}
	switch {
	case c.peek().is("state"):
		r.errorf(at, "the state of failover peer %s belongs in the lease file", name)
		return
	case c.peek().kind == tokenEnd && c.end.punct(';'):
		if x.kind != inSharedNetwork {
			r.errorf(at, "failover peer reference not in shared-network declaration")
			return
		}
		x.network.peer, x.network.peerPos = name, nameAt.pos
		return
	case !c.brace():
		return
	}
	if first, ok := r.peers[name]; ok {
		r.errorf(nameAt.pos, "redeclaration of failover peer %s, declared at %v", name, first)
		return
	}
	r.peers[name] = nameAt.pos
	if p, ok := r.peer(Peer{Pos: nameAt.pos, Name: name}, s.body); ok {
		r.config.Peers = append(r.config.Peers, p)
	}
	if x.kind == inSharedNetwork {
		x.network.peer, x.network.peerPos = name, nameAt.pos
	}
}

// noFailover carries out `no failover peer`, by which a pool leaves the relationship of its shared-network. dhcpd takes
// it only without the semicolon, so that here the next statement may follow at once.
func (r *reader) noFailover(x site, s *statement, c *cursor) {
	if x.kind != inPool {
		r.errorf(s.words[0].pos, "expecting a parameter or declaration, not %v", s.words[0])
		return
	}
	if !c.expect("failover", "peer") {
		return
	}
	x.pool.Peer, x.pool.peerPos = "", Pos{}
	if len(c.words) > 0 {
		rest := statement{words: c.words, end: s.end, body: s.body}
		if rest.keyword() == "include" { // which is only read where it begins a statement
			c.fail("semicolon expected.")
			return
		}
		r.statement(x, &rest, rest.keyword())
	}
}

// peerReader reads the statements of one declaration.
type peerReader struct {
	*reader
	Peer
	role     bool // primary or secondary was said
	balanced bool // split or hba was said
}

// peer reads the body of a declaration, checks it, and fills in what it leaves out. It reports false if the peer cannot
// be.
func (r *reader) peer(p Peer, body []statement) (Peer, bool) {
	before := len(r.errs)
	pr := peerReader{reader: r, Peer: p}
	for i := range body {
		s := &body[i]
		pr.statement(s.words[0], s.keyword(), r.cursor(s))
	}
	pr.complete()
	return pr.Peer, len(r.errs) == before
}

// statement carries out one statement of a declaration, first its keyword.
func (p *peerReader) statement(at token, keyword string, c *cursor) {
	seconds := func(d *time.Duration) {
		if v, ok := c.decimal(math.MaxInt32); ok && c.semicolon() {
			*d = time.Duration(v) * time.Second
		}
	}
	number := func(n *int, limit uint64) {
		if v, ok := c.decimal(limit); ok && c.semicolon() {
			*n = int(v)
		}
	}
	switch keyword {
	case "primary", "secondary":
		if c.semicolon() {
			p.role, p.Secondary = true, keyword == "secondary"
			if p.Secondary && p.balanced {
				p.errorf(at.pos, "secondary may not define load balance settings.")
			}
		}
	case "peer":
		p.partner(c)
	case "address":
		if a, ok := c.addr(); ok && c.semicolon() {
			p.Address = a
		}
	case "port":
		p.port(c, &p.Port)
	case "max-response-delay":
		seconds(&p.MaxResponseDelay)
	case "max-unacked-updates":
		number(&p.MaxUnackedUpdates, math.MaxInt32)
	case "mclt":
		seconds(&p.MCLT)
	case "auto-partner-down":
		seconds(&p.AutoPartnerDown)
	case "max-lease-misbalance":
		number(&p.MaxLeaseMisbalance, math.MaxInt32)
	case "max-lease-ownership":
		number(&p.MaxLeaseOwnership, math.MaxInt32)
	case "min-balance":
		seconds(&p.MinBalance)
	case "max-balance":
		seconds(&p.MaxBalance)
	case "split", "hba":
		p.balance(at, keyword, c)
	case "load":
		if c.expect("balance", "max", "seconds") {
			number(&p.LoadBalanceMaxSeconds, math.MaxUint16)
		}
	default:
		p.errorf(at.pos, "invalid statement in peer declaration: %v", at)
	}
}

// partner carries out `peer STATEMENT`.
func (p *peerReader) partner(c *cursor) {
	at := c.next()
	switch {
	case at.is("address"):
		if list, ok := c.addrs(); ok && c.semicolon() {
			p.PartnerAddresses = list
		}
	case at.is("port"):
		p.port(c, &p.PartnerPort)
	case at.is("max-response-delay"):
		if v, ok := c.decimal(math.MaxInt32); ok && c.semicolon() {
			p.PartnerMaxResponseDelay = time.Duration(v) * time.Second
		}
	case at.is("max-unacked-updates"):
		if v, ok := c.decimal(math.MaxInt32); ok && c.semicolon() {
			p.PartnerMaxUnackedUpdates = int(v)
		}
	default:
		p.errorf(at.pos, "invalid statement in peer declaration: %v", at)
	}
}

func (p *peerReader) port(c *cursor, port *uint16) {
	if v, ok := c.decimal(math.MaxUint16); ok && c.semicolon() {
		*port = uint16(v)
	}
}

// balance carries out split and hba. Of several the last counts.
func (p *peerReader) balance(at token, keyword string, c *cursor) {
	if p.Secondary {
		p.errorf(at.pos, "secondary may not define load balance settings.")
		return
	}
	if keyword == "split" {
		n, ok := c.decimal(math.MaxInt32)
		if !ok || !c.semicolon() {
			return
		}
		hba, err := pool.Split(int(n))
		if err != nil {
			p.errorf(at.pos, "split must be between 0 and 256, inclusive")
			return
		}
		p.HBA, p.balanced = hba, true
		return
	}
	octets, ok := c.octets()
	if !ok || !c.semicolon() {
		return
	}
	if len(octets) != len(p.HBA) {
		p.errorf(at.pos, "HBA must be exactly 32 bytes.")
		return
	}
	copy(p.HBA[:], octets)
	p.balanced = true
}

// complete checks the declaration as a whole, and sets the defaults.
func (p *peerReader) complete() {
	if len(p.PartnerAddresses) == 0 {
		p.errorf(p.Pos, "peer address may not be omitted")
	}
	if len(p.PartnerAddresses) > 1 {
		p.warnf(p.Pos, "failover peer %s: of the addresses of the peer the first is used, %v", p.Name, p.PartnerAddresses[0])
	}
	if p.Address == (netip.Addr{}) {
		p.errorf(p.Pos, "failover peer %s: no local address.", p.Name)
	}
	if strings.TrimSpace(p.Name) == "" {
		p.errorf(p.Pos, "a failover peer has a name")
	}
	if !p.role {
		p.warnf(p.Pos, "failover peer %s: neither primary nor secondary, which is taken for primary", p.Name)
	}
	if p.Secondary {
		if p.MCLT != 0 {
			p.warnf(p.Pos, "failover peer %s: mclt has no effect on a secondary, the primary tells it", p.Name)
		}
	} else {
		if !p.balanced {
			p.errorf(p.Pos, "primary failover server must have hba or split.")
		}
		if p.MCLT == 0 {
			p.errorf(p.Pos, "primary failover server must have mclt.")
		}
	}
	if p.LoadBalanceMaxSeconds == 0 {
		p.warnf(p.Pos, "load balancing will be disabled for failover peer, %s, because its load balance max secs is 0", p.Name)
	}
	orDefault(&p.Port, defaultPeerPort)
	orDefault(&p.PartnerPort, defaultPeerPort)
	orDefault(&p.MaxResponseDelay, defaultMaxResponseDelay)
	orDefault(&p.MaxUnackedUpdates, defaultMaxUnackedUpdates)
	orDefault(&p.MaxLeaseMisbalance, defaultMaxLeaseMisbalance)
	orDefault(&p.MaxLeaseOwnership, defaultMaxLeaseOwnership)
	orDefault(&p.MinBalance, defaultMinBalance)
	orDefault(&p.MaxBalance, defaultMaxBalance)
}

// orDefault sets v to d if it is zero.
func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
