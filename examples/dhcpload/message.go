package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// Where fields of RFC 2131 figure 1 are, in octets.
const (
	atXID     = 4
	atCIAddr  = 12
	atYIAddr  = 16
	atGIAddr  = 24
	atCHAddr  = 28
	atOptions = 240
)

// template is a message of which only some fields differ from client to client. A generator that is to outrun servers
// cannot afford to encode each message anew.
type template struct {
	octets             []byte
	id, wished, server int  // where the values of options 61, 50, 54 are; 0 is nowhere
	circuit            int  // where the value of suboption 1 of option 82 is
	usesAddress        bool // in ciaddr
}

// kind is what a message of a client asks.
type kind uint8

const (
	discover kind = iota
	request       // of the address offered
	renew         // of the address it has, through the relay, as rebinding
	reboot        // of the address it had
	kinds
)

func newTemplates(cfg config) (ts [kinds]template, err error) {
	for k := range ts {
		if ts[k], err = newTemplate(kind(k), cfg); err != nil {
			return ts, err
		}
	}
	return ts, nil
}

func newTemplate(k kind, cfg config) (template, error) {
	m := dhcp4.Message{OpCode: dhcp4.OpcodeBootRequest, HWType: dhcp4.HWTypeEthernet, HopCount: 1, ClientHWAddr: make([]byte, 6)}
	m.GatewayIPAddr = cfg.Relays[0]
	m.SetMessageType(dhcp4.MessageTypeRequest)
	blank := make([]byte, 7)
	switch k {
	case discover:
		m.SetMessageType(dhcp4.MessageTypeDiscover)
	case request:
		m.SetOption(dhcp4.OptionRequestedIPAddress, blank[:4])
		m.SetOption(dhcp4.OptionServerIdentifier, blank[:4])
	case reboot:
		m.SetOption(dhcp4.OptionRequestedIPAddress, blank[:4])
	}
	if cfg.ClientID {
		m.SetOption(dhcp4.OptionClientIdentifier, blank)
	}
	m.SetOption(dhcp4.OptionParameterRequestList, []byte{1, 3, 6, 15, 51, 54, 58, 59})
	if cfg.RelayInfo {
		m.SetOption(dhcp4.OptionRelayAgentInformation, []byte{byte(dhcp4.AgentCircuitID), 4, 0, 0, 0, 0})
	}
	octets, err := m.MarshalBinary()
	if err != nil {
		return template{}, fmt.Errorf("template: %w", err)
	}
	t := template{octets: octets}
	for code, at := range options(octets) {
		switch code {
		case dhcp4.OptionClientIdentifier:
			t.id = at
		case dhcp4.OptionRequestedIPAddress:
			t.wished = at
		case dhcp4.OptionServerIdentifier:
			t.server = at
		case dhcp4.OptionRelayAgentInformation:
			t.circuit = at + 2
		}
	}
	t.usesAddress = k == renew
	return t, nil
}

// options gives code and place of the value of each option of a message.
func options(b []byte) func(yield func(dhcp4.OptionCode, int) bool) {
	return func(yield func(dhcp4.OptionCode, int) bool) {
		for at := atOptions; at+2 <= len(b) && b[at] != byte(dhcp4.OptionEnd); {
			if b[at] == byte(dhcp4.OptionPad) {
				at++
				continue
			}
			if !yield(dhcp4.OptionCode(b[at]), at+2) {
				return
			}
			at += 2 + int(b[at+1])
		}
	}
}

// hwAddr is the hardware address of the client with a number: locally administered.
func hwAddr(number uint32) (a [6]byte) {
	a[0] = 2
	binary.BigEndian.PutUint32(a[2:], number)
	return a
}

// appendTo appends the message of the client with a number to b.
func (t *template) appendTo(b []byte, number, xid uint32, relay [4]byte, addr, server uint32) []byte {
	from := len(b)
	b = append(b, t.octets...)
	m := b[from:]
	binary.BigEndian.PutUint32(m[atXID:], xid)
	copy(m[atGIAddr:], relay[:])
	hw := hwAddr(number)
	copy(m[atCHAddr:], hw[:])
	if t.usesAddress {
		binary.BigEndian.PutUint32(m[atCIAddr:], addr)
	}
	if t.wished > 0 {
		binary.BigEndian.PutUint32(m[t.wished:], addr)
	}
	if t.server > 0 {
		binary.BigEndian.PutUint32(m[t.server:], server)
	}
	if t.id > 0 {
		m[t.id] = byte(dhcp4.HWTypeEthernet)
		copy(m[t.id+1:], hw[:])
	}
	if t.circuit > 0 {
		binary.BigEndian.PutUint32(m[t.circuit:], number)
	}
	return b
}

// answer is what of a server's message counts.
type answer struct {
	kind         dhcp4.MessageType
	xid          uint32
	addr, server uint32
	hw           [6]byte
	lease        time.Duration
}

// parse reads a server's message. The second result is false if it is none.
func parseAnswer(b []byte) (a answer, ok bool) {
	if len(b) < atOptions || b[0] != byte(dhcp4.OpcodeBootReply) {
		return a, false
	}
	a.xid = binary.BigEndian.Uint32(b[atXID:])
	a.addr = binary.BigEndian.Uint32(b[atYIAddr:])
	a.hw = [6]byte(b[atCHAddr:])
	for code, at := range options(b) {
		n := int(b[at-1])
		if at+n > len(b) {
			return a, false
		}
		switch {
		case code == dhcp4.OptionDHCPMessageType && n == 1:
			a.kind = dhcp4.MessageType(b[at])
		case code == dhcp4.OptionServerIdentifier && n == 4:
			a.server = binary.BigEndian.Uint32(b[at:])
		case code == dhcp4.OptionIPAddressLeaseTime && n == 4:
			a.lease = time.Duration(binary.BigEndian.Uint32(b[at:])) * time.Second
		}
	}
	return a, a.kind != dhcp4.MessageTypeNone
}

// address is the inverse of binary.BigEndian.Uint32 on netip.Addr.As4.
func address(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}
