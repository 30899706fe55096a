package dhcp4

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
)

// InfiniteLease is the lease time, in option 51, 58 and 59, that never ends (RFC 2131 3.3).
const InfiniteLease = 0xffffffff * time.Second

// lengths is how long the values are that this package's getters, or a server, rely on; 0 is any length.
var lengths = [256]uint8{
	OptionSubnetMask:                4,
	OptionRequestedIPAddress:        4,
	OptionIPAddressLeaseTime:        4,
	OptionDHCPMessageType:           1,
	OptionServerIdentifier:          4,
	OptionMaximumDHCPMessageSize:    2,
	OptionRenewTimeValue:            4,
	OptionRebindingTimeValue:        4,
	OptionClientLastTransactionTime: 4,
	OptionAutoConfigure:             1,
	OptionSubnetSelection:           4,
}

// Check returns an *OptionError for the first option of m that the getters of Message would take for absent though it is
// there: one of 1, 50, 51, 53, 54, 57, 58, 59, 91, 116 and 118 with another length than theirs, or option 82 whose last
// suboption reaches beyond it (io.ErrUnexpectedEOF). It returns nil if there is none. UnmarshalBinary lets these pass
// because a client that gets one wrong may still be served.
func (m *Message) Check() error {
	for i := range m.options.count {
		code, o := m.options.codes[i], m.options.at(i)
		if want := lengths[code]; want != 0 && o.n != uint32(want) {
			return o.fault(code, fmt.Errorf("%d octets instead of %d", o.n, want))
		}
		if code != OptionRelayAgentInformation {
			continue
		}
		rest := m.value(o)
		for _, v := range RelayAgentSubs(rest) {
			rest = rest[2+len(v):]
		}
		if len(rest) > 0 {
			return o.fault(code, fmt.Errorf("suboption %v: %w", RelayAgentCode(rest[0]), io.ErrUnexpectedEOF))
		}
	}
	return nil
}

// Addr returns the value of an option that is one IPv4 address. The second result is false if the option is absent or not
// four octets.
func (m *Message) Addr(code OptionCode) (netip.Addr, bool) {
	v, _ := m.Option(code)
	if len(v) != 4 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(v)), true
}

// Addrs returns the value of an option that is a list of IPv4 addresses. The second result is false if the option is
// absent, empty, or not a multiple of four octets.
func (m *Message) Addrs(code OptionCode) ([]netip.Addr, bool) {
	v, _ := m.Option(code)
	if len(v) == 0 || len(v)%4 != 0 {
		return nil, false
	}
	addrs := make([]netip.Addr, 0, len(v)/4)
	for ; len(v) > 0; v = v[4:] {
		addrs = append(addrs, netip.AddrFrom4([4]byte(v)))
	}
	return addrs, true
}

// Duration returns the value of an option that is a number of seconds in four octets, up to InfiniteLease. The second
// result is false if the option is absent or has another length.
func (m *Message) Duration(code OptionCode) (time.Duration, bool) {
	v, _ := m.Option(code)
	if len(v) != 4 {
		return 0, false
	}
	return time.Duration(binary.BigEndian.Uint32(v)) * time.Second, true
}

// Text returns the value of an option that is text, without the NULs that some clients put behind it. It is empty if the
// option is absent. The text is the client's: anything may be in it.
func (m *Message) Text(code OptionCode) string {
	v, _ := m.Option(code)
	return strings.TrimRight(string(v), "\x00")
}

// MessageType returns the value of option 53, or MessageTypeNone, which is BOOTP, without it.
func (m *Message) MessageType() MessageType {
	if i := m.options.find(OptionDHCPMessageType); i >= 0 {
		if v := m.value(m.options.at(i)); len(v) == 1 {
			return MessageType(v[0])
		}
	}
	return MessageTypeNone
}

// RequestedIPAddress returns option 50 as Addr does.
func (m *Message) RequestedIPAddress() (netip.Addr, bool) { return m.Addr(OptionRequestedIPAddress) }

// ServerIdentifier returns option 54 as Addr does.
func (m *Message) ServerIdentifier() (netip.Addr, bool) { return m.Addr(OptionServerIdentifier) }

// SubnetSelection returns option 118 (RFC 3011) as Addr does.
func (m *Message) SubnetSelection() (netip.Addr, bool) { return m.Addr(OptionSubnetSelection) }

// IPAddressLeaseTime returns option 51 as Duration does.
func (m *Message) IPAddressLeaseTime() (time.Duration, bool) {
	return m.Duration(OptionIPAddressLeaseTime)
}

// ClientIdentifier returns option 61, its type octet first. The second result is false if it is absent or empty.
func (m *Message) ClientIdentifier() ([]byte, bool) {
	v, _ := m.Option(OptionClientIdentifier)
	return v, len(v) > 0
}

// ParameterRequestList returns option 55, an OptionCode an octet, or nil without it.
func (m *Message) ParameterRequestList() []byte {
	v, _ := m.Option(OptionParameterRequestList)
	return v
}

// MaximumMessageSize returns option 57, the IP datagram that the client takes, in octets with the IP and UDP headers: at
// least 576, which is also what a client without the option takes (RFC 2131 2).
func (m *Message) MaximumMessageSize() uint16 {
	const least = DefaultMaximumSize + udpOverhead
	v, _ := m.Option(OptionMaximumDHCPMessageSize)
	if len(v) != 2 {
		return least
	}
	return max(least, binary.BigEndian.Uint16(v))
}

// HostName returns option 12 as Text does.
func (m *Message) HostName() string { return m.Text(OptionHostName) }

// ClassIdentifier returns option 60 as Text does.
func (m *Message) ClassIdentifier() string { return m.Text(OptionClassIdentifier) }

// MessageText returns option 56, an explanation for people, as Text does.
func (m *Message) MessageText() string { return m.Text(OptionMessage) }
