package dhcp4

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// SetMessageType sets option 53, or removes it for MessageTypeNone.
func (m *Message) SetMessageType(t MessageType) {
	if t == MessageTypeNone {
		m.DelOption(OptionDHCPMessageType)
		return
	}
	set(m, OptionDHCPMessageType, []byte{byte(t)})
}

// SetAddrs sets an option to a list of IPv4 addresses. AppendBinary returns an error if one of them is something else.
func (m *Message) SetAddrs(code OptionCode, addrs ...netip.Addr) {
	l := &m.options
	begin := len(l.own)
	l.own = append(l.own, byte(code), byte(4*len(addrs)))
	for _, a := range addrs {
		if !a.Is4() {
			l.own = l.own[:begin]
			m.blame(&OptionError{Code: code, Octet: -1, Err: errNotIPv4})
			return
		}
		a4 := a.As4()
		l.own = append(l.own, a4[:]...)
	}
	m.place(code, span{uint32(begin + header), uint32(4 * len(addrs))})
}

// SetServerIdentifier sets option 54.
func (m *Message) SetServerIdentifier(a netip.Addr) {
	if !a.Is4() {
		m.blame(&OptionError{Code: OptionServerIdentifier, Octet: -1, Err: errNotIPv4})
		return
	}
	a4 := a.As4()
	set4(m, OptionServerIdentifier, a4)
}

// SetDuration sets an option to the whole seconds of d: 0 if it is negative, and InfiniteLease if it is that or more.
func (m *Message) SetDuration(code OptionCode, d time.Duration) {
	secs := uint32(min(max(0, d), InfiniteLease) / time.Second)
	var v [4]byte
	binary.BigEndian.PutUint32(v[:], secs)
	set4(m, code, v)
}

// SetIPAddressLeaseTime sets option 51 as SetDuration does.
func (m *Message) SetIPAddressLeaseTime(d time.Duration) {
	m.SetDuration(OptionIPAddressLeaseTime, d)
}

// SetText sets an option to the octets of s, without a NUL (RFC 2132 2).
func (m *Message) SetText(code OptionCode, s string) { set(m, code, s) }
