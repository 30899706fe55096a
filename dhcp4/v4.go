package dhcp4

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// FromV4 returns p as a Message that shares no octets with it. Options stand in the order of their codes. It returns an
// error if an address is not IPv4, the hardware type is above 255, or an option is 0, 52 or 255.
func FromV4(p *dhcpv4.DHCPv4) (*Message, error) {
	m := new(Message)
	if err := m.setV4(p); err != nil {
		return nil, err
	}
	return m, nil
}

// setV4 sets m's header and adds the options from p.
func (m *Message) setV4(p *dhcpv4.DHCPv4) error {
	if p.HWType > 0xff {
		return fmt.Errorf("dhcp4: hardware type %d: %w in an octet", p.HWType, ErrTooLong)
	}
	m.OpCode, m.HWType, m.HopCount = OpCode(p.OpCode), HWType(p.HWType), p.HopCount
	m.TransactionID, m.NumSeconds, m.Flags = TransactionID(p.TransactionID), p.NumSeconds, Flags(p.Flags)
	for _, f := range []struct {
		name string
		to   *netip.Addr
		from net.IP
	}{
		{"ClientIPAddr", &m.ClientIPAddr, p.ClientIPAddr}, {"YourIPAddr", &m.YourIPAddr, p.YourIPAddr},
		{"ServerIPAddr", &m.ServerIPAddr, p.ServerIPAddr}, {"GatewayIPAddr", &m.GatewayIPAddr, p.GatewayIPAddr},
	} {
		a, ok := netip.AddrFromSlice(f.from)
		if a = a.Unmap(); len(f.from) != 0 && (!ok || !a.Is4()) {
			return fmt.Errorf("dhcp4: %s %v: %w", f.name, f.from, errNotIPv4)
		}
		if len(f.from) == 0 {
			a = netip.IPv4Unspecified()
		}
		*f.to = a
	}
	m.ClientHWAddr = slices.Clone([]byte(p.ClientHWAddr))
	m.ServerHostName, m.BootFileName = []byte(p.ServerHostName), []byte(p.BootFileName)
	for code := range 256 { // in the order of codes, which a map does not keep
		if value, ok := p.Options[uint8(code)]; ok {
			m.SetOption(OptionCode(code), value)
		}
	}
	return m.fault
}

// ToV4 returns m as that library's packet, which shares no octets with it.
func (m *Message) ToV4() (*dhcpv4.DHCPv4, error) {
	p := &dhcpv4.DHCPv4{
		OpCode: dhcpv4.OpcodeType(m.OpCode), HWType: iana.HWType(m.HWType), HopCount: m.HopCount,
		TransactionID: dhcpv4.TransactionID(m.TransactionID), NumSeconds: m.NumSeconds, Flags: uint16(m.Flags),
		ClientHWAddr:   slices.Clone(m.ClientHWAddr),
		ServerHostName: string(m.ServerHostName), BootFileName: string(m.BootFileName),
		Options: make(dhcpv4.Options, m.options.count),
	}
	for _, f := range []struct {
		name string
		to   *net.IP
		from netip.Addr
	}{
		{"ClientIPAddr", &p.ClientIPAddr, m.ClientIPAddr}, {"YourIPAddr", &p.YourIPAddr, m.YourIPAddr},
		{"ServerIPAddr", &p.ServerIPAddr, m.ServerIPAddr}, {"GatewayIPAddr", &p.GatewayIPAddr, m.GatewayIPAddr},
	} {
		switch {
		case f.from.Is4():
			*f.to = f.from.AsSlice()
		case f.from.IsValid():
			return nil, fmt.Errorf("dhcp4: %s %v: %w", f.name, f.from, errNotIPv4)
		default:
			*f.to = net.IPv4zero.To4()
		}
	}
	for code, value := range m.Options() {
		p.Options[uint8(code)] = append([]byte{}, value...)
	}
	return p, m.fault
}

// V4Handler makes a Handler of a function written on github.com/insomniacslk/dhcp/dhcpv4, which can use that library's
// constructors and modifiers of options. A nil packet and no error is silence. The answer must be whole, as
// dhcpv4.NewReplyFromRequest makes it; only the maximum size, the order of the options and, for a DHCPNAK through a relay,
// the broadcast flag are seen to as NewReply does.
//
// It costs a copy of each request and answer; a Handler written on Message does not pay for it.
func V4Handler(serve func(ctx context.Context, req *Request, p *dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, error)) Handler {
	return HandlerFunc(func(ctx context.Context, req *Request) (*Message, error) {
		p, err := req.ToV4()
		if err != nil {
			return nil, err
		}
		answer, err := serve(ctx, req, p)
		if answer == nil || err != nil {
			return nil, err
		}
		reply := req.NewReply(&req.Reply, MessageTypeNone)
		reply.DelOption(OptionRelayAgentInformation) // whether it is echoed is serve's decision
		if err := reply.setV4(answer); err != nil {
			return nil, err
		}
		if reply.MessageType() == MessageTypeNak && isSet(req.GatewayIPAddr) {
			reply.Flags |= FlagBroadcast
		}
		return reply, nil
	})
}
