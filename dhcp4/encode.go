package dhcp4

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// maxPart is how many octets of a value one option holds on the wire; more is split (RFC 3396).
const maxPart = 255

// MarshalBinary returns AppendBinary(nil).
func (m *Message) MarshalBinary() ([]byte, error) { return m.AppendBinary(nil) }

// AppendBinary appends the message as it goes on the wire to b, which must not be what m is a view of.
//
// Options stand in this order: 53; for a reply to a client 54 and 51, then what the client's parameter request list
// names, in its order; the others as they were set; 82 last (RFC 3046 2.1). One longer than 255 octets is split (RFC
// 3396). If they do not fit MaximumSize, and BootFileName or ServerHostName is empty, those fields take options, in this
// order (option 52). 53 and 82 never go there, since relays look in the options field only. The result is padded to
// MinMessageSize.
//
// It returns b as it was, and an *OptionError that wraps ErrTooLong with the first option that does not fit, after whose
// DelOption another attempt may succeed; or an error that names a header field which cannot be encoded (more than 16,
// 64 or 128 octets, not IPv4), or what SetOption, SetAddrs and their like were given wrong.
func (m *Message) AppendBinary(b []byte) ([]byte, error) {
	if m.fault != nil {
		return b, m.fault
	}
	limit := maxMessageSize
	if m.MaximumSize > 0 {
		limit = min(max(m.MaximumSize, MinMessageSize), maxMessageSize)
	}
	size := m.sizeAtMost()
	if size > limit {
		size = m.size()
	}
	overload := size > limit
	room := max(MinMessageSize, min(size, limit))
	out := slices.Grow(b, room)[:len(b)+room]
	msg := out[len(b):]
	if err := m.putHeader(msg); err != nil {
		return b, err
	}
	end, err := m.putOptions(msg, overload)
	if err != nil {
		return b, err
	}
	clear(msg[end:])
	return out[:len(b)+max(MinMessageSize, end)], nil
}

// sizeAtMost returns a bound of size, at the cost of a look: all octets that options can lie in.
func (m *Message) sizeAtMost() int {
	n := len(m.options.own) + len(m.datagram)
	return atOptions + 1 + n + header*(n/maxPart)
}

// size returns how many octets the message has without overload and padding.
func (m *Message) size() int {
	n := atOptions + 1
	for i := range m.options.count {
		n += encodedLen(int(m.options.at(i).n))
	}
	return n
}

// encodedLen returns how many octets a value of n octets takes with the codes and lengths of its parts.
func encodedLen(n int) int { return n + 2*max(1, (n+maxPart-1)/maxPart) }

// putHeader writes the fixed fields and the cookie into a message h.
func (m *Message) putHeader(h []byte) error {
	switch {
	case len(m.ClientHWAddr) > atSName-atCHAddr:
		return fmt.Errorf("dhcp4: ClientHWAddr of %d octets: %w in %d", len(m.ClientHWAddr), ErrTooLong, atSName-atCHAddr)
	case len(m.ServerHostName) > atFile-atSName:
		return fmt.Errorf("dhcp4: ServerHostName of %d octets: %w in %d", len(m.ServerHostName), ErrTooLong, atFile-atSName)
	case len(m.BootFileName) > atCookie-atFile:
		return fmt.Errorf("dhcp4: BootFileName of %d octets: %w in %d", len(m.BootFileName), ErrTooLong, atCookie-atFile)
	}
	h[0], h[1], h[2], h[3] = byte(m.OpCode), byte(m.HWType), byte(len(m.ClientHWAddr)), m.HopCount
	copy(h[4:8], m.TransactionID[:])
	binary.BigEndian.PutUint16(h[8:10], m.NumSeconds)
	binary.BigEndian.PutUint16(h[10:12], uint16(m.Flags))
	putAddr(h[atCIAddr:], m.ClientIPAddr)
	putAddr(h[atYIAddr:], m.YourIPAddr)
	putAddr(h[atSIAddr:], m.ServerIPAddr)
	putAddr(h[atGIAddr:], m.GatewayIPAddr)
	if !encodable(m.ClientIPAddr) || !encodable(m.YourIPAddr) || !encodable(m.ServerIPAddr) || !encodable(m.GatewayIPAddr) {
		return fmt.Errorf("dhcp4: ciaddr %v, yiaddr %v, siaddr %v, giaddr %v: %w",
			m.ClientIPAddr, m.YourIPAddr, m.ServerIPAddr, m.GatewayIPAddr, errNotIPv4)
	}
	*(*[atCookie - atCHAddr]byte)(h[atCHAddr:]) = [atCookie - atCHAddr]byte{}
	copy(h[atCHAddr:atSName], m.ClientHWAddr)
	if len(m.ServerHostName) > 0 {
		copy(h[atSName:atFile], m.ServerHostName)
	}
	if len(m.BootFileName) > 0 {
		copy(h[atFile:atCookie], m.BootFileName)
	}
	copy(h[atCookie:atOptions], magicCookie[:])
	return nil
}

// encodable reports whether a header field can hold a.
func encodable(a netip.Addr) bool { return a.Is4() || !a.IsValid() }

// putAddr writes a into the first four octets of field, 0.0.0.0 for what is not IPv4.
func putAddr(field []byte, a netip.Addr) {
	var a4 [4]byte
	if a.Is4() {
		a4 = a.As4()
	}
	*(*[4]byte)(field) = a4
}
