package dhcp4

// NewReply empties reply and makes it an answer of type t to m, without an address yet: op 2; htype, xid, flags, giaddr
// and chaddr of m; option 53; options 61 (RFC 6842) and 82 (RFC 3046 2.2) as m has them. For DHCPACK and BOOTP
// (MessageTypeNone, which gets neither 53 nor 61) it has the ciaddr of m (RFC 2131 table 3). A DHCPNAK through a relay
// has the broadcast flag, so that the relay broadcasts it to a client whose address may be wrong (RFC 2131 4.3.2).
//
// AppendBinary will follow m's parameter request list and its maximum message size: option 57 less the headers of IP and
// UDP, but at most an Ethernet frame; without it DefaultMaximumSize, or for BOOTP the size of the request.
//
// The answer owns its octets. A nil reply is a new one. NewReply returns reply.
func (m *Message) NewReply(reply *Message, t MessageType) *Message {
	if reply == nil {
		reply = new(Message)
	}
	reply.Reset()
	reply.OpCode = OpcodeBootReply
	reply.HWType, reply.TransactionID, reply.Flags = m.HWType, m.TransactionID, m.Flags
	reply.GatewayIPAddr = m.GatewayIPAddr
	if t == MessageTypeAck || t == MessageTypeNone {
		reply.ClientIPAddr = m.ClientIPAddr
	}
	if t == MessageTypeNak && isSet(m.GatewayIPAddr) {
		reply.Flags |= FlagBroadcast
	}
	reply.MaximumSize = m.replySize()

	l := &reply.options
	hw := l.keep(m.ClientHWAddr)
	reply.ClientHWAddr = l.own[hw.at : hw.at+hw.n : hw.at+hw.n]
	reply.order = l.keep(needed[:])
	if i := m.options.find(OptionParameterRequestList); i >= 0 {
		reply.order.n += l.keep(m.value(m.options.at(i))).n
	}
	if t != MessageTypeNone {
		reply.SetMessageType(t)
		m.echo(reply, OptionClientIdentifier)
	}
	m.echo(reply, OptionRelayAgentInformation)
	return reply
}

// echo gives reply an option of m, if it is there.
func (m *Message) echo(reply *Message, code OptionCode) {
	if i := m.options.find(code); i >= 0 {
		set(reply, code, m.value(m.options.at(i)))
	}
}

// needed goes before what the client asks for: without these it cannot use an answer (RFC 2131 table 3).
var needed = [...]byte{byte(OptionServerIdentifier), byte(OptionIPAddressLeaseTime)}

// replySize returns the MaximumSize of an answer to m.
func (m *Message) replySize() int {
	switch {
	case m.options.find(OptionMaximumDHCPMessageSize) >= 0:
		return min(int(m.MaximumMessageSize())-udpOverhead, maxReplySize)
	case m.MessageType() == MessageTypeNone:
		// RFC 951 and RFC 1542 know no larger answer than the question, as ISC dhcpd has it.
		return min(max(m.received, MinMessageSize), maxReplySize)
	}
	return DefaultMaximumSize
}
