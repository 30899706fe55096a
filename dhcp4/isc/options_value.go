package isc

import (
	"encoding/binary"
	"math"
	"strings"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// maxValue is the longest value of one option, in octets. A value of more than 255 goes out in parts (RFC 3396).
const maxValue = 1024

// encode reads a value of this form and returns the octets that go out.
func (f form) encode(c *cursor) (string, bool) {
	at := c.peek()
	var b []byte
	for more := true; more; more = f.array && c.acceptPunct(',') {
		for _, fd := range f.fields {
			if fd.optional && c.peek().kind == tokenEnd {
				continue
			}
			for again := true; again; again = fd.array && c.acceptPunct(',') {
				var ok bool
				if b, ok = fd.append(b, c, f.uniform(fd)); !ok {
					return "", false
				}
			}
		}
	}
	if len(b) > maxValue {
		c.prob.errorf(at.pos, "the value has %d octets, at most %d are possible", len(b), maxValue)
		return "", false
	}
	return string(b), true
}

// uniform reports whether fd is the element of an array of its own, so that a host name can stand for several of it.
func (f form) uniform(fd field) bool { return fd.array || f.array && len(f.fields) == 1 }

// append reads the value of one field and appends its octets to b.
func (fd field) append(b []byte, c *cursor, uniform bool) ([]byte, bool) {
	switch fd.kind {
	case fieldAddr:
		list, ok := c.addrs()
		if !uniform && len(list) > 1 {
			list = list[:1] // dhcp-options(5): a name should have one address
		}
		for _, a := range list {
			b = append(b, a.AsSlice()...)
		}
		return b, ok
	case fieldAddr6:
		a, ok := c.addr6()
		return append(b, a.AsSlice()...), ok
	case fieldFlag:
		v, ok := c.flag()
		if v {
			return append(b, 1), ok
		}
		return append(b, 0), ok
	case fieldInt8:
		v, ok := c.integer(math.MinInt8, math.MaxInt8)
		return append(b, byte(v)), ok
	case fieldUint8:
		v, ok := c.integer(0, math.MaxUint8)
		return append(b, byte(v)), ok
	case fieldInt16:
		v, ok := c.integer(math.MinInt16, math.MaxInt16)
		return binary.BigEndian.AppendUint16(b, uint16(v)), ok
	case fieldUint16:
		v, ok := c.integer(0, math.MaxUint16)
		return binary.BigEndian.AppendUint16(b, uint16(v)), ok
	case fieldInt32:
		v, ok := c.integer(math.MinInt32, math.MaxInt32)
		return binary.BigEndian.AppendUint32(b, uint32(v)), ok
	case fieldUint32:
		v, ok := c.integer(0, math.MaxUint32)
		return binary.BigEndian.AppendUint32(b, uint32(v)), ok
	case fieldText:
		v, ok := c.text()
		return append(b, v...), ok
	case fieldDomain:
		at := c.peek()
		name, ok := c.hostName()
		if !ok {
			return b, false
		}
		return fd.appendDomains(b, c, at, []string{name})
	case fieldDomains, fieldPackedDomains:
		at := c.peek()
		var names []string
		for more := true; more; more = c.acceptPunct(',') {
			if c.peek().kind != tokenString {
				return b, c.fail("Expecting a domain string.")
			}
			names = append(names, c.next().text)
		}
		return fd.appendDomains(b, c, at, names)
	case fieldNothing:
		return b, true
	}
	v, ok := c.data() // fieldData, and fieldSpace, which can be written as octets, too
	return append(b, v...), ok
}

// appendDomains appends names as they are in the DNS (RFC 1035 3.1), as a search list with pointers where that is
// their form (RFC 3397).
func (fd field) appendDomains(b []byte, c *cursor, at token, names []string) ([]byte, bool) {
	for _, n := range names {
		if strings.ContainsAny(n, " ,\t\r\n") {
			c.prob.errorf(at.pos, "%q is not one domain name: write \"a.example\", \"b.example\"", n)
			return b, false
		}
	}
	lists := [][]string{names}
	if fd.kind != fieldPackedDomains { // each alone has nothing to point to
		lists = nil
		for i := range names {
			lists = append(lists, names[i:i+1])
		}
	}
	for _, l := range lists {
		v, err := dhcp4.EncodeDomainSearch(l)
		if err != nil {
			c.prob.add(&Error{Pos: at.pos, Msg: strings.TrimPrefix(err.Error(), "dhcp4: "), Err: err})
			return b, false
		}
		b = append(b, v...)
	}
	return b, true
}
