package dhcp4

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Sizes of RFC 951, RFC 2131 and RFC 2132, in octets of DHCP: without the headers of IP (20) and UDP (8).
const (
	// MinMessageSize is the least a message is long on the wire: BOOTP's, 300 octets, which some clients and relays
	// insist on (RFC 951, RFC 1542 2.1). AppendBinary pads to it.
	MinMessageSize = 300
	// DefaultMaximumSize is what a client takes that does not say more in option 57: an IP datagram of 576 octets
	// (RFC 2131 2).
	DefaultMaximumSize = 576 - udpOverhead
	// maxReplySize is what NewReply allows at most, whatever option 57 says: an Ethernet frame, because a reply to a
	// client without an address leaves in a single one.
	maxReplySize = 1500 - udpOverhead
	// maxMessageSize is the largest payload of a UDP datagram.
	maxMessageSize = 65535 - udpOverhead
	udpOverhead    = 20 + 8
)

// OpCode is the op field: who speaks.
type OpCode uint8

// The two op codes of RFC 951.
const (
	OpcodeBootRequest OpCode = 1 // a client, or a relay for it
	OpcodeBootReply   OpCode = 2 // a server
)

// String returns "BOOTREQUEST", "BOOTREPLY" or "OpCode(7)".
func (o OpCode) String() string {
	switch o {
	case OpcodeBootRequest:
		return "BOOTREQUEST"
	case OpcodeBootReply:
		return "BOOTREPLY"
	}
	return "OpCode(" + strconv.Itoa(int(o)) + ")"
}

// HWType is the htype field, a number of IANA's registry of ARP hardware types.
type HWType uint8

// Hardware types that occur with DHCP.
const (
	HWTypeEthernet   HWType = 1
	HWTypeIEEE802    HWType = 6 // token ring and FDDI
	HWTypeARCNET     HWType = 7
	HWTypeIEEE1394   HWType = 24 // RFC 2855: hlen 0, always broadcast
	HWTypeInfiniband HWType = 32 // RFC 4390: hlen 0, always broadcast
)

// String returns the name IANA gives the type, or "HWType(99)" for one without a constant here.
func (t HWType) String() string {
	switch t {
	case HWTypeEthernet:
		return "Ethernet"
	case HWTypeIEEE802:
		return "IEEE 802"
	case HWTypeARCNET:
		return "ARCNET"
	case HWTypeIEEE1394:
		return "IEEE 1394"
	case HWTypeInfiniband:
		return "InfiniBand"
	}
	return "HWType(" + strconv.Itoa(int(t)) + ")"
}

// TransactionID is the xid field, by which a client knows the answer to its question.
type TransactionID [4]byte

// String returns the four octets as "0x1a2b3c4d".
func (x TransactionID) String() string { return fmt.Sprintf("0x%08x", binary.BigEndian.Uint32(x[:])) }

// Flags is the flags field of RFC 2131 figure 2.
type Flags uint16

// FlagBroadcast asks for answers to 255.255.255.255, from a client that cannot receive unicast before it has an address.
const FlagBroadcast Flags = 0x8000

// Has reports whether all bits of g are set in f.
func (f Flags) Has(g Flags) bool { return f&g == g }

// MessageType is the value of option 53.
type MessageType uint8

// Message types of RFC 2131, 3203, 4388, 6926, 7724.
const (
	MessageTypeNone             MessageType = 0 // no option 53: BOOTP
	MessageTypeDiscover         MessageType = 1
	MessageTypeOffer            MessageType = 2
	MessageTypeRequest          MessageType = 3
	MessageTypeDecline          MessageType = 4
	MessageTypeAck              MessageType = 5
	MessageTypeNak              MessageType = 6
	MessageTypeRelease          MessageType = 7
	MessageTypeInform           MessageType = 8
	MessageTypeForceRenew       MessageType = 9
	MessageTypeLeaseQuery       MessageType = 10
	MessageTypeLeaseUnassigned  MessageType = 11
	MessageTypeLeaseUnknown     MessageType = 12
	MessageTypeLeaseActive      MessageType = 13
	MessageTypeBulkLeaseQuery   MessageType = 14
	MessageTypeLeaseQueryDone   MessageType = 15
	MessageTypeActiveLeaseQuery MessageType = 16
	MessageTypeLeaseQueryStatus MessageType = 17
	MessageTypeTLS              MessageType = 18
)

var messageTypeNames = [...]string{
	MessageTypeNone:             "BOOTP",
	MessageTypeDiscover:         "DHCPDISCOVER",
	MessageTypeOffer:            "DHCPOFFER",
	MessageTypeRequest:          "DHCPREQUEST",
	MessageTypeDecline:          "DHCPDECLINE",
	MessageTypeAck:              "DHCPACK",
	MessageTypeNak:              "DHCPNAK",
	MessageTypeRelease:          "DHCPRELEASE",
	MessageTypeInform:           "DHCPINFORM",
	MessageTypeForceRenew:       "DHCPFORCERENEW",
	MessageTypeLeaseQuery:       "DHCPLEASEQUERY",
	MessageTypeLeaseUnassigned:  "DHCPLEASEUNASSIGNED",
	MessageTypeLeaseUnknown:     "DHCPLEASEUNKNOWN",
	MessageTypeLeaseActive:      "DHCPLEASEACTIVE",
	MessageTypeBulkLeaseQuery:   "DHCPBULKLEASEQUERY",
	MessageTypeLeaseQueryDone:   "DHCPLEASEQUERYDONE",
	MessageTypeActiveLeaseQuery: "DHCPACTIVELEASEQUERY",
	MessageTypeLeaseQueryStatus: "DHCPLEASEQUERYSTATUS",
	MessageTypeTLS:              "DHCPTLS",
}

// String returns the name the RFCs use, such as "DHCPDISCOVER", "BOOTP" for MessageTypeNone, or "MessageType(77)".
func (t MessageType) String() string {
	if int(t) < len(messageTypeNames) {
		return messageTypeNames[t]
	}
	return "MessageType(" + strconv.Itoa(int(t)) + ")"
}

// Message is a DHCP or BOOTP message: a view of a datagram after UnmarshalBinary, or one being built by NewReply and
// SetOption. The zero Message is empty and ready to use; one that is used again (UnmarshalBinary, Reset, NewReply) keeps
// its memory, so that a server at work allocates nothing.
//
// A Message must not be copied by value, because the copy would write over its octets: use Clone. It may be read by
// several goroutines at once.
//
// Names of fields are those of github.com/insomniacslk/dhcp/dhcpv4. Addresses are valid IPv4 after UnmarshalBinary,
// 0.0.0.0 where the sender set none; the invalid netip.Addr encodes as 0.0.0.0.
type Message struct {
	OpCode        OpCode        // op
	HWType        HWType        // htype
	HopCount      uint8         // hops
	TransactionID TransactionID // xid
	NumSeconds    uint16        // secs: since the client began, as it says
	Flags         Flags         // flags

	ClientIPAddr  netip.Addr // ciaddr: the address the client has and answers ARP for
	YourIPAddr    netip.Addr // yiaddr: the address it is given
	ServerIPAddr  netip.Addr // siaddr: the next server of its boot process
	GatewayIPAddr netip.Addr // giaddr: the relay it is heard through

	// ClientHWAddr is chaddr as long as hlen says, 0 to 16 octets. After UnmarshalBinary a view of the datagram.
	ClientHWAddr []byte
	// ServerHostName (sname, at most 64 octets) and BootFileName (file, at most 128) end before the first NUL. They
	// are empty where the field holds options (option 52). After UnmarshalBinary views of the datagram.
	ServerHostName []byte
	BootFileName   []byte

	// MaximumSize bounds what AppendBinary writes, in octets of DHCP, without IP and UDP headers. Zero is what a UDP
	// datagram holds; less than MinMessageSize counts as that. NewReply sets it; UnmarshalBinary sets zero.
	MaximumSize int

	received int    // octets of the datagram, 0 if built
	datagram []byte // what options with own false are views of
	options  optionList
	order    span  // in options.own: the codes that AppendBinary puts first, an octet each
	fault    error // the first wrong value set, for AppendBinary to return
}

// Reset empties m for building another message. Views of its options and of its own octets end.
func (m *Message) Reset() {
	m.OpCode, m.HWType, m.HopCount = 0, 0, 0
	m.TransactionID, m.NumSeconds, m.Flags = TransactionID{}, 0, 0
	m.ClientIPAddr, m.YourIPAddr = netip.Addr{}, netip.Addr{}
	m.ServerIPAddr, m.GatewayIPAddr = netip.Addr{}, netip.Addr{}
	m.ClientHWAddr, m.ServerHostName, m.BootFileName = nil, nil, nil
	m.MaximumSize, m.received, m.datagram = 0, 0, nil
	m.options.reset()
	m.order, m.fault = span{}, nil
}

// Clone returns a copy of m that owns its octets and outlives the datagram.
func (m *Message) Clone() *Message {
	c := &Message{
		OpCode: m.OpCode, HWType: m.HWType, HopCount: m.HopCount,
		TransactionID: m.TransactionID, NumSeconds: m.NumSeconds, Flags: m.Flags,
		ClientIPAddr: m.ClientIPAddr, YourIPAddr: m.YourIPAddr,
		ServerIPAddr: m.ServerIPAddr, GatewayIPAddr: m.GatewayIPAddr,
		ClientHWAddr:   append([]byte(nil), m.ClientHWAddr...),
		ServerHostName: append([]byte(nil), m.ServerHostName...),
		BootFileName:   append([]byte(nil), m.BootFileName...),
		MaximumSize:    m.MaximumSize, received: m.received, fault: m.fault,
	}
	for code, value := range m.Options() {
		c.SetOption(code, value)
	}
	c.order = c.options.keep(m.options.own[m.order.at : m.order.at+m.order.n])
	return c
}

// String returns one line for a log: type, xid, client and the addresses that are set.
func (m *Message) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v xid %v chaddr %x", m.MessageType(), m.TransactionID, m.ClientHWAddr)
	for _, f := range []struct {
		name string
		addr netip.Addr
	}{{"ciaddr", m.ClientIPAddr}, {"yiaddr", m.YourIPAddr}, {"siaddr", m.ServerIPAddr}, {"giaddr", m.GatewayIPAddr}} {
		if isSet(f.addr) {
			fmt.Fprintf(&b, " %s %v", f.name, f.addr)
		}
	}
	return b.String()
}

// isSet reports whether a header field holds an address: neither the invalid one nor 0.0.0.0.
func isSet(a netip.Addr) bool { return a.IsValid() && !a.IsUnspecified() }
