package isc

import "github.com/tandem-dhcp/tandem/dhcp4/dora"

// scopePermissions are the keywords of allow, deny and ignore in a scope that is no pool: "ALLOW DENY AND IGNORE IN
// SCOPE" of dhcpd.conf(5). Each is a parameter under another name.
var scopePermissions = map[string]string{
	"unknown-clients": "boot-unknown-clients",
	"bootp":           "allow-bootp",
	"booting":         "allow-booting",
	"duplicates":      "duplicates",
	"declines":        "declines",
	"client-updates":  "client-updates",
	"leasequery":      "leasequery",
	"dynamic-bootp":   "dynamic-bootp",
}

// permission carries out allow, deny and ignore.
func (r *reader) permission(x site, s *statement, c *cursor) {
	verb := s.words[0]
	if x.kind == inPool && !verb.is("ignore") {
		if p, ok := permit(c); ok && c.semicolon() {
			p.Pos = verb.pos
			if verb.is("allow") {
				x.pool.Allow = append(x.pool.Allow, p)
			} else {
				x.pool.Deny = append(x.pool.Deny, p)
			}
		}
		return
	}
	key := c.peek()
	name, ok := scopePermissions[lower(key)]
	if !ok {
		c.fail("expecting allow/deny key")
		return
	}
	c.next()
	// What is left to read is the end; the value is put before it.
	value := map[string]string{"allow": "true", "deny": "false", "ignore": "ignore"}[s.keyword()]
	c.words = append([]token{{kind: tokenWord, text: value, pos: key.pos}}, c.words...)
	verb.text = verb.text + " " + key.text
	if a := parameters[name](verb, c); a != nil {
		*x.assignments = append(*x.assignments, a)
	}
}

// permit reads who is allowed or denied in a pool: "ALLOW AND DENY WITHIN POOL DECLARATIONS" of dhcpd.conf(5).
func permit(c *cursor) (Permit, bool) {
	at := c.peek()
	switch {
	case c.accept("known-clients"):
		return Permit{Who: dora.KnownClients}, true
	case c.accept("unknown-clients"):
		return Permit{Who: dora.UnknownClients}, true
	case c.accept("known"):
		return Permit{Who: dora.KnownClients}, c.expect("clients")
	case c.accept("unknown"):
		return Permit{Who: dora.UnknownClients}, c.expect("clients")
	case c.accept("all"):
		return Permit{Who: dora.AllClients}, c.expect("clients")
	case c.accept("dynamic"):
		return Permit{Who: dora.BootpClients}, c.expect("bootp", "clients")
	case c.accept("members"):
		c.prob.unsupported(at.pos, "members of a class are not supported: %s", noConditions)
	case c.accept("authenticated"), c.accept("unauthenticated"):
		c.prob.unsupported(at.pos, "%s clients are not supported: DHCP authentication is not", at.text)
	case c.accept("after"):
		c.prob.unsupported(at.pos, "a permission that begins at a time is not supported")
	default:
		c.fail("expecting permit type.")
	}
	return Permit{}, false
}
