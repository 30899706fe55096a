package failover

import (
	"time"

	"github.com/tandem-dhcp/tandem/pool"
)

// Connect (CONNECT) is the primary's first message on a connection (draft section 7.8).
//
// MCLT, HBA, Version and TLSRequest are always sent, be they zero; what a received Connect lacked of these, Has tells.
// All else is sent if it is not zero: to a receiver zero is the same as missing.
type Connect struct {
	Name           string        // relationship-name (22), compared octet for octet
	MaxUnacked     uint32        // max-unacked-bndupd (14): how many unanswered updates the sender takes
	ReceiveTimer   time.Duration // receive-timer (19), whole seconds: the sender gives up after this much silence
	VendorClass    string        // vendor-class-identifier (28); ISC dhcpd's is "isc-4.4.3-P1"
	Version        uint8         // protocol-version (20): 1
	TLSRequest     uint8         // TLS-request (27): 0 no, 1 desired, 2 required
	MCLT           time.Duration // MCLT (15), whole seconds
	HBA            pool.HBA      // hash-bucket-assignment (11)
	DelayedService time.Duration // delayed-service-parameter (10), 1 to 255 whole seconds; 0 for none

	absent optionSet
}

// ConnectAck (CONNECTACK) is the secondary's answer to a Connect. It repeats the Connect's XID.
//
// Version and TLSReply are always sent unless Omit says otherwise; all else is sent if it is not zero.
type ConnectAck struct {
	Name         string        // relationship-name (22); a refusal must hold it, too
	MaxUnacked   uint32        // max-unacked-bndupd (14)
	ReceiveTimer time.Duration // receive-timer (19), whole seconds
	VendorClass  string        // vendor-class-identifier (28)
	Version      uint8         // protocol-version (20): 1
	TLSReply     uint8         // TLS-reply (26): 0 no, 1 yes; for the answer to a Connect without TLS-request: Omit it
	Reason       RejectReason  // reject-reason (21); zero if the connection is accepted
	Text         string        // message (16), for people

	absent optionSet
}

// Has reports whether c has the option.
func (c *Connect) Has(code OptionCode) bool {
	if c.absent.has(code) {
		return false
	}
	switch code {
	case OptionRelationshipName:
		return c.Name != ""
	case OptionMaxUnacked:
		return c.MaxUnacked != 0
	case OptionReceiveTimer:
		return c.ReceiveTimer != 0
	case OptionVendorClass:
		return c.VendorClass != ""
	case OptionDelayedService:
		return c.DelayedService != 0
	}
	return always[TypeConnect].has(code)
}

// Omit makes AppendBinary leave the options out.
func (c *Connect) Omit(codes ...OptionCode) { c.absent |= setOf(codes...) }

func (e *encoder) connect(c *Connect) {
	e.omit = c.absent
	e.text(OptionRelationshipName, c.Name)
	e.limits(c.MaxUnacked, c.ReceiveTimer)
	e.text(OptionVendorClass, c.VendorClass)
	e.uint8(OptionProtocolVersion, c.Version)
	e.uint8(OptionTLSRequest, c.TLSRequest)
	e.seconds(OptionMCLT, c.MCLT)
	e.octets(OptionHashBucketAssignment, string(c.HBA[:]))
	switch s := c.DelayedService; {
	case s < 0 || s > 255*time.Second || s%time.Second != 0:
		e.fail(OptionDelayedService, "%v is not 0 to 255 whole seconds", s)
	case s != 0:
		e.uint8(OptionDelayedService, uint8(s/time.Second))
	}
}

// limits appends the two options that each side sets for the other. ISC dhcpd does without them in refusals of a
// relationship it does not know.
func (e *encoder) limits(maxUnacked uint32, receiveTimer time.Duration) {
	if maxUnacked != 0 {
		e.uint32(OptionMaxUnacked, maxUnacked)
	}
	if receiveTimer != 0 {
		e.seconds(OptionReceiveTimer, receiveTimer)
	}
}

func (d *decoder) connect() *Connect {
	c := &Connect{absent: always[TypeConnect]}
	for d.next() {
		switch d.code {
		case OptionRelationshipName:
			c.Name = string(d.value)
		case OptionMaxUnacked:
			c.MaxUnacked = d.uint32()
		case OptionReceiveTimer:
			c.ReceiveTimer = d.seconds()
		case OptionVendorClass:
			c.VendorClass = string(d.value)
		case OptionProtocolVersion:
			c.Version = d.uint8()
		case OptionTLSRequest:
			c.TLSRequest = d.uint8()
		case OptionMCLT:
			c.MCLT = d.seconds()
		case OptionHashBucketAssignment:
			// One of another length is as good as none, and refused as such (reason 18): ISC dhcpd keeps the
			// connection for that answer.
			if len(d.value) != len(c.HBA) {
				continue
			}
			c.HBA = pool.HBA(d.value)
		case OptionDelayedService:
			c.DelayedService = time.Duration(d.uint8()) * time.Second
		}
		c.absent &^= 1 << d.code
	}
	return c
}

// Has reports whether a has the option.
func (a *ConnectAck) Has(c OptionCode) bool {
	if a.absent.has(c) {
		return false
	}
	switch c {
	case OptionRelationshipName:
		return a.Name != ""
	case OptionMaxUnacked:
		return a.MaxUnacked != 0
	case OptionReceiveTimer:
		return a.ReceiveTimer != 0
	case OptionVendorClass:
		return a.VendorClass != ""
	case OptionRejectReason:
		return a.Reason != 0
	case OptionMessage:
		return a.Text != ""
	}
	return always[TypeConnectAck].has(c)
}

// Omit makes AppendBinary leave the options out.
func (a *ConnectAck) Omit(codes ...OptionCode) { a.absent |= setOf(codes...) }

func (e *encoder) connectAck(a *ConnectAck) {
	e.omit = a.absent
	e.text(OptionRelationshipName, a.Name)
	e.limits(a.MaxUnacked, a.ReceiveTimer)
	e.text(OptionVendorClass, a.VendorClass)
	e.uint8(OptionProtocolVersion, a.Version)
	e.uint8(OptionTLSReply, a.TLSReply)
	e.reason(a.Reason)
	e.text(OptionMessage, a.Text)
}

func (d *decoder) connectAck() *ConnectAck {
	a := new(ConnectAck)
	for d.next() {
		switch d.code {
		case OptionRelationshipName:
			a.Name = string(d.value)
		case OptionMaxUnacked:
			a.MaxUnacked = d.uint32()
		case OptionReceiveTimer:
			a.ReceiveTimer = d.seconds()
		case OptionVendorClass:
			a.VendorClass = string(d.value)
		case OptionProtocolVersion:
			a.Version = d.uint8()
		case OptionTLSReply:
			a.TLSReply = d.uint8()
		case OptionRejectReason:
			a.Reason = d.reason()
		case OptionMessage:
			a.Text = string(d.value)
		}
	}
	a.absent = always[TypeConnectAck] &^ d.seen
	return a
}
