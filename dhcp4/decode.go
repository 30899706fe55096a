package dhcp4

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
)

// Where the fields of RFC 2131 figure 1 begin, in octets.
const (
	atCIAddr  = 12
	atYIAddr  = 16
	atSIAddr  = 20
	atGIAddr  = 24
	atCHAddr  = 28
	atSName   = 44
	atFile    = 108
	atCookie  = 236
	atOptions = 240
)

// magicCookie begins the options (RFC 2131 3). A BOOTP message without it has none.
var magicCookie = [4]byte{99, 130, 83, 99}

// Bits of option 52: which fields hold options (RFC 2132 9.3).
const (
	overloadFile  = 1
	overloadSName = 2
)

// UnmarshalBinary makes m a view of the datagram b, the payload of UDP. Nothing is copied, save the parts of an option
// that came in several: b must stay as it is for as long as m is used. To keep m longer, Clone it.
//
// It is as tolerant as ISC dhcpd: the end option may be missing, options may be empty, a message without the magic
// cookie, or too short for it, is BOOTP without options. It returns an error that wraps io.ErrUnexpectedEOF if b ends
// within the header, and an *OptionError if an option reaches beyond its field (io.ErrUnexpectedEOF) or if option 53 is
// not one octet, because what the message is cannot be told then. Other options may have a length that is not that of
// their type: see Check. After an error m is empty.
func (m *Message) UnmarshalBinary(b []byte) error {
	if err := m.unmarshal(b); err != nil {
		m.Reset()
		return err
	}
	return nil
}

func (m *Message) unmarshal(b []byte) error {
	switch {
	case len(b) < atCookie:
		return fmt.Errorf("dhcp4: header at octet %d of %d: %w", len(b), atCookie, io.ErrUnexpectedEOF)
	case len(b) > maxMessageSize:
		return fmt.Errorf("dhcp4: message of %d octets: %w in %d, a UDP datagram", len(b), ErrTooLong, maxMessageSize)
	case b[2] > atSName-atCHAddr:
		return fmt.Errorf("dhcp4: hlen at octet 2 is %d: chaddr holds at most %d", b[2], atSName-atCHAddr)
	}
	m.OpCode, m.HWType, m.HopCount = OpCode(b[0]), HWType(b[1]), b[3]
	m.TransactionID = TransactionID(b[4:8])
	m.NumSeconds = binary.BigEndian.Uint16(b[8:10])
	m.Flags = Flags(binary.BigEndian.Uint16(b[10:12]))
	m.ClientIPAddr = netip.AddrFrom4([4]byte(b[atCIAddr:atYIAddr]))
	m.YourIPAddr = netip.AddrFrom4([4]byte(b[atYIAddr:atSIAddr]))
	m.ServerIPAddr = netip.AddrFrom4([4]byte(b[atSIAddr:atGIAddr]))
	m.GatewayIPAddr = netip.AddrFrom4([4]byte(b[atGIAddr:atCHAddr]))
	m.ClientHWAddr = b[atCHAddr : atCHAddr+int(b[2]) : atCHAddr+int(b[2])]
	m.ServerHostName, m.BootFileName = nil, nil
	m.MaximumSize, m.received, m.datagram = 0, len(b), b
	m.options.reset()
	m.order, m.fault = span{}, nil

	overload := byte(0)
	if len(b) >= atOptions && [4]byte(b[atCookie:atOptions]) == magicCookie {
		var err error
		if overload, err = m.options.parse(b, atOptions, len(b)); err != nil {
			return err
		}
	}
	// RFC 3396 5: the parts of an option are joined in the order options, file, sname.
	if overload&overloadFile == 0 {
		m.BootFileName = text(b[atFile:atCookie])
	} else if _, err := m.options.parse(b, atFile, atCookie); err != nil {
		return err
	}
	if overload&overloadSName == 0 {
		m.ServerHostName = text(b[atSName:atFile])
	} else if _, err := m.options.parse(b, atSName, atFile); err != nil {
		return err
	}
	if len(m.options.parts) > 0 {
		m.options.join(b)
	}
	if i := m.options.find(OptionDHCPMessageType); i >= 0 {
		if o := m.options.at(i); o.n != 1 {
			return o.fault(OptionDHCPMessageType, fmt.Errorf("%d octets instead of 1", o.n))
		}
	}
	return nil
}

// text returns field up to its first NUL.
func text(field []byte) []byte {
	if field[0] == 0 {
		return nil
	}
	if i := bytes.IndexByte(field, 0); i >= 0 {
		return field[:i:i]
	}
	return field[:len(field):len(field)]
}

// parse adds the options in b[at:end], and to l.parts those that were there already. It returns what the first option 52
// says, 0 if there is none.
func (l *optionList) parse(b []byte, at, end int) (overload byte, err error) {
	b = b[:end]
	for at < end {
		code := OptionCode(b[at])
		if code == OptionPad {
			at++
			continue
		}
		if code == OptionEnd {
			break
		}
		next := end + 1
		if at+1 < len(b) {
			next = at + header + int(b[at+1])
		}
		if next > end {
			return 0, &OptionError{Code: code, Octet: min(at+header, end), Err: io.ErrUnexpectedEOF}
		}
		s := span{uint32(at + header), uint32(next - at - header)}
		at = next
		switch {
		case l.find(code) >= 0:
			l.parts = append(l.parts, part{s, code})
		case code != OptionOptionOverload:
			l.add(code, option{span: s})
		case s.n > 0 && overload == 0:
			overload = b[s.at]
		}
	}
	return overload, nil
}

// join lays the parts of each option that came in several, one behind the other, into l.own (RFC 3396 7).
func (l *optionList) join(b []byte) {
	for i := range l.parts {
		code := l.parts[i].code
		first := l.at(l.find(code))
		if first.own {
			continue // joined when its second part was met
		}
		whole := l.keep(b[first.at-header : first.at+first.n])
		whole.at, whole.n = whole.at+header, whole.n-header
		for _, p := range l.parts[i:] {
			if p.code == code {
				whole.n += l.keep(b[p.at : p.at+p.n]).n
			}
		}
		l.own[whole.at-1] = byte(whole.n)
		first.own, first.span = true, whole
	}
	l.parts = l.parts[:0]
}
