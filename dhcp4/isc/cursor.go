package isc

import (
	"encoding/hex"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4/dora"
)

// cursor reads the words of one statement. Its methods note the error where a word does not fit, and return false then;
// the rest of the statement is left alone.
type cursor struct {
	words   []token // those not read yet
	end     token   // what comes after the last
	prob    *problems
	resolve func(host string) ([]netip.Addr, error)
}

// peek returns the next word without reading it; after the last one it returns a tokenEnd with the place of the end.
func (c *cursor) peek() token {
	if len(c.words) == 0 {
		return token{kind: tokenEnd, pos: c.end.pos}
	}
	return c.words[0]
}

// next reads the next word.
func (c *cursor) next() token {
	t := c.peek()
	if len(c.words) > 0 {
		c.words = c.words[1:]
	}
	return t
}

// fail notes an error at the next word.
func (c *cursor) fail(format string, args ...any) bool {
	c.prob.errorf(c.peek().pos, format, args...)
	return false
}

// accept reads the next word if it is this keyword.
func (c *cursor) accept(word string) bool {
	if !c.peek().is(word) {
		return false
	}
	c.next()
	return true
}

// acceptPunct reads the next word if it is this octet.
func (c *cursor) acceptPunct(p byte) bool {
	if !c.peek().punct(p) {
		return false
	}
	c.next()
	return true
}

// expect reads these keywords.
func (c *cursor) expect(words ...string) bool {
	for _, w := range words {
		if !c.accept(w) {
			return c.fail("expecting %q, not %v", w, c.peek())
		}
	}
	return true
}

// semicolon reports whether the statement ends here, as it must, in a semicolon.
func (c *cursor) semicolon() bool {
	if c.peek().kind != tokenEnd || !c.end.punct(';') {
		return c.fail("semicolon expected.")
	}
	return true
}

// brace reports whether the words end here, as they must, in a block.
func (c *cursor) brace() bool {
	if c.peek().kind != tokenEnd || !c.end.punct('{') {
		return c.fail("expecting left brace.")
	}
	return true
}

// text reads a string, or a single name without quotes.
func (c *cursor) text() (string, bool) {
	if t := c.peek(); t.kind != tokenString && !t.identifier() {
		return "", c.fail("expecting string.")
	}
	return c.next().text, true
}

// hostName reads a dotted name without quotes; its labels may be numbers.
func (c *cursor) hostName() (string, bool) {
	if c.peek().kind != tokenWord {
		return "", c.fail("expecting a name, not %v", c.peek())
	}
	var b strings.Builder
	for c.peek().kind == tokenWord {
		b.WriteString(c.next().text)
		if !c.acceptPunct('.') {
			break
		}
		b.WriteByte('.')
	}
	return b.String(), true
}

// name reads a name that may stand in quotes.
func (c *cursor) name() (string, bool) {
	if c.peek().kind == tokenString {
		return c.next().text, true
	}
	return c.hostName()
}

// dottedQuad reads an IPv4 address in numbers.
func (c *cursor) dottedQuad() (netip.Addr, bool) {
	var a [4]byte
	for i := range a {
		if i > 0 && !c.acceptPunct('.') {
			return netip.Addr{}, c.fail("too few numbers.")
		}
		if !c.peek().number() {
			return netip.Addr{}, c.fail("expecting numeric value.")
		}
		v, ok := c.decimal(math.MaxUint8)
		if !ok {
			return netip.Addr{}, false
		}
		a[i] = byte(v)
	}
	return netip.AddrFrom4(a), true
}

// isDottedQuad reports whether an address in numbers comes next. ("10.example.com" is a name.)
func (c *cursor) isDottedQuad() bool {
	return len(c.words) > 2 && c.words[0].number() && c.words[1].punct('.') && c.words[2].number()
}

// addrs reads an IPv4 address in numbers, or a host name, which stands for all of its addresses.
func (c *cursor) addrs() ([]netip.Addr, bool) {
	if c.isDottedQuad() {
		a, ok := c.dottedQuad()
		return []netip.Addr{a}, ok
	}
	pos := c.peek().pos
	if c.peek().kind != tokenWord {
		return nil, c.fail("expecting IP address or hostname, not %v", c.peek())
	}
	name, _ := c.hostName()
	if c.resolve == nil {
		c.prob.errorf(pos, "%s: host names are not looked up here, write the address", name)
		return nil, false
	}
	all, err := c.resolve(name)
	if err != nil {
		c.prob.add(&Error{Pos: pos, Msg: name + ": " + err.Error(), Err: err})
		return nil, false
	}
	var list []netip.Addr
	for _, a := range all {
		if a = a.Unmap(); a.Is4() {
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		c.prob.errorf(pos, "%s has no IPv4 address", name)
		return nil, false
	}
	return list, true
}

// addr reads an IPv4 address, or a host name that has exactly one.
func (c *cursor) addr() (netip.Addr, bool) {
	pos := c.peek().pos
	list, ok := c.addrs()
	if ok && len(list) > 1 {
		c.prob.errorf(pos, "one address is wanted here, the name has %d", len(list))
		ok = false
	}
	if !ok {
		return netip.Addr{}, false
	}
	return list[0], true
}

// addr6 reads an IPv6 address.
func (c *cursor) addr6() (netip.Addr, bool) {
	pos := c.peek().pos
	var b strings.Builder
	last := c.peek()
	for t := last; (t.kind == tokenWord || t.punct(':') || t.punct('.')) && (b.Len() == 0 || t.follows(last)); t = c.peek() {
		b.WriteString(t.text)
		last = c.next()
	}
	a, err := netip.ParseAddr(b.String())
	if err != nil || !a.Is6() {
		c.prob.errorf(pos, "Invalid IPv6 address.")
		return netip.Addr{}, false
	}
	return a, true
}

// decimal reads a number in decimal digits, 0 to limit.
func (c *cursor) decimal(limit uint64) (uint64, bool) {
	if !c.peek().number() {
		return 0, c.fail("expecting number, not %v", c.peek())
	}
	v, err := strconv.ParseUint(c.peek().text, 10, 64)
	if err != nil || v > limit {
		return 0, c.fail("%s exceeds max (%d) for precision.", c.peek().text, limit)
	}
	c.next()
	return v, true
}

// integer reads a number from low to high, in the way of C: 0x10 is sixteen, and 010 is eight.
func (c *cursor) integer(low, high int64) (int64, bool) {
	t := c.peek()
	if !t.numeral() {
		return 0, c.fail("expecting number, not %v", t)
	}
	digits, negative := strings.CutPrefix(t.text, "-")
	base := 10
	switch {
	case len(digits) > 2 && (digits[:2] == "0x" || digits[:2] == "0X"):
		base, digits = 16, digits[2:]
	case len(digits) > 1 && digits[0] == '0':
		base = 8
	}
	v, err := strconv.ParseInt(digits, base, 64)
	if err != nil && !strings.Contains(err.Error(), strconv.ErrRange.Error()) {
		return 0, c.fail("Bogus number %s: not in base %d", t.text, base)
	}
	if negative {
		v = -v
	}
	if err != nil || v < low || v > high {
		return 0, c.fail("%s is out of range, want %d to %d", t.text, low, high)
	}
	c.next()
	return v, true
}

// Infinite is the time that `infinite` stands for in a lease time.
const Infinite = dora.Infinite

// seconds reads a time, a number of seconds or "infinite".
func (c *cursor) seconds() (time.Duration, bool) {
	if c.accept("infinite") {
		return Infinite, true
	}
	v, ok := c.integer(0, math.MaxUint32)
	return time.Duration(v) * time.Second, ok
}

// flag reads true, false, on or off.
func (c *cursor) flag() (bool, bool) {
	if !c.peek().identifier() {
		return false, c.fail("expecting identifier.")
	}
	switch {
	case c.accept("true"), c.accept("on"):
		return true, true
	case c.accept("false"), c.accept("off"):
		return false, true
	}
	return false, c.fail("expecting boolean.")
}

// octets reads hexadecimal numbers with colons between them: 8:0:27:d9:45:96.
func (c *cursor) octets() (string, bool) {
	var b []byte
	for {
		t := c.peek()
		if !t.numeral() {
			return "", c.fail("expecting hexadecimal number.")
		}
		digits := strings.TrimLeft(t.text, "0")
		if len(digits)%2 == 1 {
			digits = "0" + digits
		}
		v, err := hex.DecodeString(digits)
		switch {
		case err != nil:
			return "", c.fail("Bogus number %s: not in base 16", t.text)
		case len(v) > 1:
			return "", c.fail("%s exceeds max (255) for precision.", t.text)
		case len(v) == 0:
			v = []byte{0}
		}
		c.next()
		b = append(b, v[0])
		if !c.acceptPunct(':') {
			return string(b), true
		}
	}
}

// data reads octets as a string in quotes or as hexadecimal numbers.
func (c *cursor) data() (string, bool) {
	switch t := c.peek(); {
	case t.kind == tokenString:
		return c.next().text, true
	case t.numeral():
		return c.octets()
	}
	return "", c.fail("expecting string or hexadecimal data.")
}
