package isc

import (
	"net/netip"
	"strings"
)

// scopeKind is where a statement stands.
type scopeKind uint8

const (
	inRoot scopeKind = iota
	inSharedNetwork
	inSubnet
	inPool
	inGroup
	inHost
)

// site is what surrounds a statement.
type site struct {
	kind        scopeKind
	assignments *[]assignment // where parameters go
	groups      []*group      // the groups up to the next scope that is none, outermost first
	network     *Network      // or nil, and so on
	subnet      *Subnet
	pool        *Pool
	host        *Host
}

// within returns the site of statements in a scope of this kind.
func (x site) within(kind scopeKind, s *Scope) site {
	s.groups = x.groups
	x.kind, x.assignments, x.groups = kind, &s.assignments, nil
	return x
}

// reader turns statements into a Config.
type reader struct {
	*problems
	resolve func(string) ([]netip.Addr, error)
	config  *Config
	spaces  *spaces
	groups  map[string]*group // those that have a name
	hosts   map[string]Pos
	peers   map[string]Pos

	omapiKeyPos   Pos
	warnedOfHosts bool
}

// cursor returns a cursor on the words of s behind the keyword.
func (r *reader) cursor(s *statement) *cursor {
	return &cursor{words: s.words[1:], end: s.end, prob: r.problems, resolve: r.resolve}
}

// handler carries out a statement.
type handler func(*reader, site, *statement, *cursor)

// declarations are the statements with a grammar of their own, by keyword. (A function, because the handlers of blocks
// come back to it.)
func declarations(keyword string) handler {
	switch keyword {
	case "include":
		return func(r *reader, x site, s *statement, _ *cursor) { r.block(x, s.body) }
	case "shared-network":
		return (*reader).sharedNetwork
	case "subnet":
		return (*reader).subnet
	case "pool":
		return (*reader).pool
	case "range":
		return (*reader).rangeStatement
	case "group":
		return (*reader).group
	case "host":
		return (*reader).host
	case "interface":
		return (*reader).interfaceStatement
	case "hardware":
		return (*reader).hardware
	case "fixed-address":
		return (*reader).fixedAddress
	case "uid":
		return (*reader).uid
	case "host-identifier":
		return (*reader).hostIdentifier
	case "authoritative", "not":
		return (*reader).authoritative
	case "option", "supersede":
		return (*reader).option
	case "allow", "deny", "ignore":
		return (*reader).permission
	case "failover":
		return (*reader).failover
	case "no":
		return (*reader).noFailover
	case "key":
		return (*reader).key
	case "zone":
		return (*reader).zone
	}
	return nil
}

// Reasons why a statement is not carried out.
const (
	noConditions = "nothing here depends on what a client sends"
	noEvents     = "no statements are carried out when a lease changes"
	noValues     = "an option has the value that `option` gives it"
)

// unsupported are the statements that dhcpd knows and this server does not, with the reason why.
var unsupported = map[string]string{
	"class": noConditions, "subclass": noConditions, "vendor-class": noConditions, "user-class": noConditions,
	"if": noConditions, "elsif": noConditions, "else": noConditions, "switch": noConditions, "case": noConditions,
	"break": noConditions, "match": noConditions, "spawn": noConditions, "add": noConditions,
	"on": noEvents, "set": noEvents, "unset": noEvents, "define": noEvents, "eval": noEvents, "execute": noEvents,
	"log": noEvents, "return": noEvents, "parse-vendor-option": noEvents,
	"append": noValues, "prepend": noValues, "default": noValues, "send": noValues,
	"subnet6": noIPv6, "pool6": noIPv6, "range6": noIPv6, "prefix6": noIPv6, "fixed-address6": noIPv6, "fixed-prefix6": noIPv6,
}

// elsewhere are statements that belong in another file.
var elsewhere = map[string]string{
	"authoring-byte-order": "the lease file", "lease": "the lease file", "dynamic": "the lease file", "deleted": "the lease file",
	"static": "the lease file", "request": "dhclient.conf", "require": "dhclient.conf",
}

// block carries out the statements of a scope.
func (r *reader) block(x site, body []statement) {
	skipped := false // the statement before is an if that is not carried out
	for i := range body {
		if r.full() {
			return
		}
		s := &body[i]
		keyword := s.keyword()
		if skipped && (keyword == "elsif" || keyword == "else") {
			continue
		}
		skipped = keyword == "if"
		r.statement(x, s, keyword)
	}
}

// statement carries out one statement.
func (r *reader) statement(x site, s *statement, keyword string) {
	name, c := s.words[0], r.cursor(s)
	if h := declarations(keyword); h != nil {
		h(r, x, s, c)
		return
	}
	if p := parameters[keyword]; p != nil {
		if a := p(name, c); a != nil {
			*x.assignments = append(*x.assignments, a)
		}
		return
	}
	if p := serverParameters[keyword]; p != nil {
		r.server(x, name, p, c)
		return
	}
	if why, ok := unsupported[keyword]; ok {
		r.unsupported(name.pos, "%s is not supported: %s", keyword, why)
		return
	}
	if strings.HasPrefix(keyword, "ldap-") {
		r.unsupported(name.pos, "%s is not supported: %s", keyword, noLDAP)
		return
	}
	if where, ok := elsewhere[keyword]; ok {
		r.errorf(name.pos, "%s belongs in %s", keyword, where)
		return
	}
	if name.kind != tokenWord {
		r.errorf(name.pos, "expecting a parameter or declaration, not %v", name)
		return
	}
	r.unknown(name.pos, "expecting a parameter or declaration: %v is unknown", name)
}

// server carries out a statement about the process as a whole.
func (r *reader) server(x site, name token, p func(*cursor, *Server) bool, c *cursor) {
	keyword := strings.ToLower(name.text)
	if x.kind != inRoot {
		if p(c, new(Server)) {
			r.warnf(name.pos, "%s has no effect here: it counts in the outermost scope alone", keyword)
		}
		return
	}
	if !p(c, &r.config.Server) {
		return
	}
	switch keyword {
	case "omapi-key":
		r.omapiKeyPos = name.pos
	case "omapi-port":
		r.warnf(name.pos, "omapi-port has no effect: %s", noOMAPI)
	}
}

// authoritative carries out `authoritative` and `not authoritative`.
func (r *reader) authoritative(x site, s *statement, c *cursor) {
	at := s.words[0].pos
	yes := s.keyword() == "authoritative"
	if !yes && !c.accept("authoritative") {
		c.fail("expecting assertion")
		return
	}
	if x.kind == inHost {
		r.errorf(at, "authority makes no sense here.")
		return
	}
	if c.semicolon() {
		*x.assignments = append(*x.assignments, func(p *Parameters) { p.Authoritative = Setting[bool]{yes, at} })
	}
}

// key reads a key. Nothing uses it.
func (r *reader) key(_ site, s *statement, c *cursor) {
	name, ok := c.name()
	if !ok || !c.brace() {
		return
	}
	k := Key{Pos: s.words[0].pos, Name: name}
	for i := range s.body {
		inner := &s.body[i]
		c := r.cursor(inner)
		switch inner.keyword() {
		case "algorithm":
			if k.Algorithm != "" {
				r.errorf(inner.words[0].pos, "key %s: too many algorithms", name)
				return
			}
			if k.Algorithm, ok = c.hostName(); !ok || !c.semicolon() {
				return
			}
		case "secret":
			if k.Secret != "" {
				r.errorf(inner.words[0].pos, "key %s: too many secrets", name)
				return
			}
			for c.peek().kind != tokenEnd {
				k.Secret += c.next().text
			}
			if !validBase64(k.Secret) || !c.semicolon() {
				r.errorf(inner.words[0].pos, "key %s: the secret is not in base 64", name)
				return
			}
		default:
			r.errorf(inner.words[0].pos, "expecting right brace.")
			return
		}
	}
	r.config.Keys = append(r.config.Keys, k)
}

// zone reads a zone of the DNS. Nothing is updated.
func (r *reader) zone(_ site, s *statement, c *cursor) {
	if _, ok := c.hostName(); ok && c.brace() {
		r.warnf(s.words[0].pos, "zone has no effect: %s", noDNS)
	}
}
