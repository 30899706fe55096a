package isc

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// Names of option spaces that exist without a declaration.
const (
	dhcpSpace  = "dhcp"
	agentSpace = "agent"
)

// definition is what is known of an option: its place, and how its value is written.
type definition struct {
	space    string
	code     dhcp4.OptionCode
	name     string
	defined  form
	standard string // of an option that is defined in the tables of this package: its form there
}

// form returns the form of the option's value.
func (d *definition) form() form {
	if d.standard != "" {
		return standardForm(d.standard)
	}
	return d.defined
}

// form is the format of an option's value.
type form struct {
	fields []field
	array  bool // all the fields repeat, with commas between
}

// field is a part of a form.
type field struct {
	kind     fieldKind
	array    bool   // it repeats, with commas between
	optional bool   // it may be left out at the end
	space    string // of fieldSpace
}

// fieldKind is the type of a field.
type fieldKind uint8

const (
	fieldAddr          fieldKind = iota // ip-address
	fieldAddr6                          // ip6-address
	fieldFlag                           // boolean
	fieldInt8                           // signed integer 8, and so on
	fieldInt16                          //
	fieldInt32                          //
	fieldUint8                          //
	fieldUint16                         //
	fieldUint32                         //
	fieldText                           // text
	fieldData                           // string
	fieldDomain                         // domain-name
	fieldDomains                        // domain-list
	fieldPackedDomains                  // domain-list compressed
	fieldNothing                        // zerolen
	fieldSpace                          // encapsulate
)

// last reports whether a field of this kind takes all that is left of a value, so that it must be the last of a form and
// cannot be in an array.
func (k fieldKind) last() bool { return k >= fieldText }

// space is an option space.
type space struct {
	byName map[string]*definition
	byCode map[dhcp4.OptionCode]*definition
}

func (s *space) add(d *definition) {
	s.byName[strings.ToLower(d.name)] = d
	s.byCode[d.code] = d
}

// spaces are the option spaces of one configuration, and the standard options that are made of one.
type spaces struct {
	byName map[string]*space
	outer  map[dhcp4.OptionCode]string // option code N = encapsulate SPACE
}

// newSpaces returns the spaces that every configuration has.
func newSpaces() *spaces {
	s := &spaces{byName: make(map[string]*space), outer: make(map[dhcp4.OptionCode]string)}
	s.declare(dhcpSpace)
	s.declare(agentSpace)
	for _, o := range standardOptions {
		s.byName[dhcpSpace].add(&definition{space: dhcpSpace, code: o.code, name: o.name, standard: o.form})
	}
	for _, o := range agentOptions {
		s.byName[agentSpace].add(&definition{space: agentSpace, code: o.code, name: o.name, standard: o.form})
	}
	return s
}

func (s *spaces) declare(name string) {
	s.byName[name] = &space{make(map[string]*definition), make(map[dhcp4.OptionCode]*definition)}
}

// standardForm returns the form that a table of this package gives in the words of a definition.
func standardForm(text string) form {
	var p problems
	l := newLexer("", text, &p)
	c := cursor{prob: &p}
	for t := l.next(); t.kind != tokenEnd; t = l.next() {
		c.words = append(c.words, t)
	}
	f, ok := parseForm(&c, nil)
	if !ok || len(c.words) > 0 {
		panic(fmt.Sprintf("isc: form %q of a standard option: %v", text, p.err())) // a mistake in options_table.go
	}
	return f
}

// parseForm reads the right side of a definition: a type, "array of" one, or in braces a record of several.
func parseForm(c *cursor, s *spaces) (form, bool) {
	var f form
	if c.accept("array") {
		if !c.expect("of") {
			return f, false
		}
		f.array = true
	}
	if !c.acceptPunct('{') {
		t, ok := parseField(c, s)
		if ok && f.array && t.kind.last() {
			return f, c.fail("arrays of text strings not yet supported.")
		}
		f.fields = []field{t}
		return f, ok
	}
	for {
		at := c.peek()
		optional := s == nil && c.accept("optional") // in a table of this package alone
		array := c.accept("array")
		if array && !c.expect("of") {
			return f, false
		}
		if array && f.array {
			return f, c.fail("no nested arrays.")
		}
		t, ok := parseField(c, s)
		if !ok {
			return f, false
		}
		if array && t.kind.last() {
			return f, c.fail("arrays of text strings not yet supported.")
		}
		t.array, t.optional = array, optional
		if f.array && t.kind.last() {
			c.prob.errorf(at.pos, "arrays of text strings not yet supported.")
			return f, false
		}
		f.fields = append(f.fields, t)
		switch {
		case c.acceptPunct('}'):
			return f, true
		case !c.acceptPunct(','):
			return f, c.fail("expecting right brace.")
		case t.kind.last():
			return f, c.fail("%v must be at end of record.", at)
		}
	}
}

// simpleTypes are the types that one word names.
var simpleTypes = map[string]fieldKind{
	"ip-address": fieldAddr, "ip6-address": fieldAddr6, "boolean": fieldFlag, "text": fieldText, "string": fieldData,
	"domain-name": fieldDomain, "zerolen": fieldNothing,
}

// parseField reads one type. s has the spaces that may be encapsulated; nil is none.
func parseField(c *cursor, s *spaces) (field, bool) {
	t := c.next()
	name := strings.ToLower(t.text)
	if kind, ok := simpleTypes[name]; ok && t.kind == tokenWord {
		return field{kind: kind}, true
	}
	switch {
	case t.is("domain-list") && c.accept("compressed"):
		return field{kind: fieldPackedDomains}, true
	case t.is("domain-list"):
		return field{kind: fieldDomains}, true
	case t.is("signed"), t.is("unsigned"):
		if !c.expect("integer") {
			return field{}, false
		}
		return parseWidth(c, t.is("unsigned"))
	case t.is("integer"):
		return parseWidth(c, false)
	case t.is("encapsulate"):
		at := c.peek()
		name, ok := identifier(c)
		if !ok {
			return field{}, false
		}
		if s == nil || s.byName[name] == nil {
			c.prob.errorf(at.pos, "unknown option space %s", name)
			return field{}, false
		}
		return field{kind: fieldSpace, space: name}, true
	}
	c.prob.errorf(t.pos, "unknown data type %v", t)
	return field{}, false
}

func parseWidth(c *cursor, unsigned bool) (field, bool) {
	kinds := map[string][2]fieldKind{
		"8": {fieldInt8, fieldUint8}, "16": {fieldInt16, fieldUint16}, "32": {fieldInt32, fieldUint32},
	}
	t := c.next()
	k, ok := kinds[t.text]
	switch {
	case !ok:
		c.prob.errorf(t.pos, "%v bit precision is not supported.", t)
		return field{}, false
	case unsigned:
		return field{kind: k[1]}, true
	}
	return field{kind: k[0]}, true
}

// optionName reads the name of an option, "domain-name" or "SPACE.name". It returns its definition, or nil if there is
// none of that name; a name "unknown-N" always has one.
func (s *spaces) optionName(c *cursor) (d *definition, spaceName, name string, ok bool) {
	at := c.peek()
	spaceName = dhcpSpace
	if name, ok = identifier(c); !ok {
		return nil, "", "", false
	}
	if c.acceptPunct('.') {
		spaceName = name
		if name, ok = identifier(c); !ok {
			return nil, "", "", false
		}
	}
	sp := s.byName[spaceName]
	if sp == nil {
		c.prob.unknown(at.pos, "no option space named %s.", spaceName)
		return nil, "", "", false
	}
	if d = sp.byName[strings.ToLower(name)]; d != nil {
		return d, spaceName, name, true
	}
	const unknown = "unknown-"
	if len(name) > len(unknown) && strings.EqualFold(name[:len(unknown)], unknown) {
		n, err := strconv.ParseUint(name[len(unknown):], 10, 8)
		if err != nil || n == 0 || n == 255 {
			return nil, "", "", c.fail("Option codes 0 and 255 are illegal in the %s space.", spaceName)
		}
		code := dhcp4.OptionCode(n)
		if d = sp.byCode[code]; d == nil {
			d = &definition{space: spaceName, code: code, name: name, standard: "string"}
		}
	}
	return d, spaceName, name, true
}

// define reads what follows the name in `option NAME code N = TYPE;`.
func (s *spaces) define(spaceName, name string, c *cursor) {
	at := c.peek()
	code, ok := c.decimal(254)
	if !ok {
		return
	}
	if code == 0 {
		c.prob.errorf(at.pos, "Option codes 0 and 255 are illegal in the %s space.", spaceName)
		return
	}
	if !c.acceptPunct('=') {
		c.fail(`expecting "="`)
		return
	}
	f, ok := parseForm(c, s)
	if !ok || !c.semicolon() {
		return
	}
	d := &definition{space: spaceName, code: dhcp4.OptionCode(code), name: name, defined: f}
	if spaceName == dhcpSpace {
		delete(s.outer, d.code) // another definition of the same code may have been one
	}
	for _, inner := range f.fields {
		if inner.kind != fieldSpace {
			continue
		}
		if spaceName != dhcpSpace || len(f.fields) > 1 || f.array {
			c.prob.unsupported(at.pos, "option %s: a space is encapsulated by a standard option alone, and as the whole of it", name)
			return
		}
		s.outer[d.code] = inner.space
	}
	s.byName[spaceName].add(d)
}

// declareSpace reads what follows `option space`.
func (s *spaces) declareSpace(c *cursor) {
	at := c.peek()
	name, ok := identifier(c)
	if !ok {
		return
	}
	for c.peek().kind != tokenEnd {
		what := c.peek()
		switch {
		case c.accept("hash"):
			if !c.expect("size") {
				return
			}
			if _, ok := c.decimal(65535); !ok {
				return
			}
		case c.accept("code"), c.accept("length"):
			if !c.expect("width") {
				return
			}
			n, ok := c.decimal(4)
			if !ok {
				return
			}
			if n != 1 {
				c.prob.unsupported(what.pos, "a %s width of %d octets is not supported: DHCPv4 has 1", what.text, n)
			}
		default:
			c.fail("Unexpected token.")
			return
		}
	}
	if !c.semicolon() {
		return
	}
	if s.byName[name] != nil {
		c.prob.errorf(at.pos, "option space %s is declared twice", name)
		return
	}
	s.declare(name)
}

// encapsulate returns the options of a space as the value of the standard option that holds them: code, length, value of
// each, in the order of their codes (RFC 2132 8.4). It reports false if there are none, else where the first is set.
func encapsulate(list []Option, space string) (value string, pos Pos, ok bool) {
	var codes [256]*Option
	for i, o := range list {
		if o.Space == space {
			codes[o.Code] = &list[i]
			if !ok {
				pos, ok = o.Pos, true
			}
		}
	}
	var b []byte
	for _, o := range codes {
		if o != nil {
			b = append(append(b, byte(o.Code), byte(len(o.Value))), o.Value...)
		}
	}
	return string(b), pos, ok
}

// compose adds to p the standard options that are made of the options of a space, as far as no statement gives them a
// value itself.
func (s *spaces) compose(p *Parameters) {
	outer := maps.Clone(s.outer)
	if p.VendorOptionSpace.IsSet() {
		outer[dhcp4.OptionVendorSpecificInformation] = p.VendorOptionSpace.Value
	}
	for _, code := range slices.Sorted(maps.Keys(outer)) {
		if o, ok := p.Option(code); ok && !o.made {
			continue
		}
		if value, pos, ok := encapsulate(p.inner, outer[code]); ok {
			name := s.byName[dhcpSpace].byCode[code].name
			p.set(Option{Pos: pos, Space: dhcpSpace, Code: code, Name: name, Value: value, made: true})
		}
	}
}
