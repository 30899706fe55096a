package dhcp4

import (
	"iter"
	"strconv"
)

// RelayAgentCode is the code of a suboption of option 82 (RFC 3046).
type RelayAgentCode uint8

// Suboptions of the relay agent information.
const (
	AgentCircuitID           RelayAgentCode = 1   // RFC 3046
	AgentRemoteID            RelayAgentCode = 2   // RFC 3046
	AgentDOCSISDeviceClass   RelayAgentCode = 4   // RFC 3256
	AgentLinkSelection       RelayAgentCode = 5   // RFC 3527: an address of the client's link, in place of giaddr
	AgentSubscriberID        RelayAgentCode = 6   // RFC 3993
	AgentRADIUSAttributes    RelayAgentCode = 7   // RFC 4014
	AgentAuthentication      RelayAgentCode = 8   // RFC 4030
	AgentVendorSpecific      RelayAgentCode = 9   // RFC 4243
	AgentFlags               RelayAgentCode = 10  // RFC 5010: bit 0x80, the client sent by unicast
	AgentServerIDOverride    RelayAgentCode = 11  // RFC 5107: what the client is to take for the server identifier
	AgentIdentifier          RelayAgentCode = 12  // RFC 6925
	AgentRelaySourcePort     RelayAgentCode = 19  // RFC 8357: answer to the port the relay sent from
	AgentVirtualSubnet       RelayAgentCode = 151 // RFC 6607
	AgentVirtualSubnetAnswer RelayAgentCode = 152 // RFC 6607
)

var relayAgentNames = map[RelayAgentCode]string{
	AgentCircuitID:           "Circuit ID",
	AgentRemoteID:            "Remote ID",
	AgentDOCSISDeviceClass:   "DOCSIS Device Class",
	AgentLinkSelection:       "Link Selection",
	AgentSubscriberID:        "Subscriber ID",
	AgentRADIUSAttributes:    "RADIUS Attributes",
	AgentAuthentication:      "Authentication",
	AgentVendorSpecific:      "Vendor-Specific Information",
	AgentFlags:               "Relay Agent Flags",
	AgentServerIDOverride:    "Server Identifier Override",
	AgentIdentifier:          "Relay Agent Identifier",
	AgentRelaySourcePort:     "Relay Source Port",
	AgentVirtualSubnet:       "Virtual Subnet Selection",
	AgentVirtualSubnetAnswer: "Virtual Subnet Selection Control",
}

// String returns the suboption's name in words, or "RelayAgentCode(99)" for one without a constant here.
func (c RelayAgentCode) String() string {
	if name, ok := relayAgentNames[c]; ok {
		return name
	}
	return "RelayAgentCode(" + strconv.Itoa(int(c)) + ")"
}

// RelayAgentInfo returns option 82, all suboptions as the relay sent them.
func (m *Message) RelayAgentInfo() ([]byte, bool) { return m.Option(OptionRelayAgentInformation) }

// RelayAgentSub returns the value of a suboption of option 82, the first if there are several. The second result is false
// if it is absent, or stands behind one that reaches beyond option 82: see Check.
func (m *Message) RelayAgentSub(code RelayAgentCode) (value []byte, ok bool) {
	info, _ := m.RelayAgentInfo()
	for c, v := range RelayAgentSubs(info) {
		if c == code {
			return v, true
		}
	}
	return nil, false
}

// RelayAgentSubs gives the suboptions of a value of option 82 in their order. Pad and end do not exist there (RFC 3046
// 2.0). It ends before one that reaches beyond the value.
func RelayAgentSubs(info []byte) iter.Seq2[RelayAgentCode, []byte] {
	return func(yield func(RelayAgentCode, []byte) bool) {
		for len(info) >= 2 && 2+int(info[1]) <= len(info) {
			end := 2 + int(info[1])
			if !yield(RelayAgentCode(info[0]), info[2:end:end]) {
				return
			}
			info = info[end:]
		}
	}
}
