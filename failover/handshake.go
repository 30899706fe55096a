package failover

import (
	"errors"
	"fmt"
	"time"
)

const (
	protocolVersion = 1
	// vendorPrefix is how the vendor class of a Tandem begins.
	vendorPrefix = "tandem"
	vendorClass  = vendorPrefix + "-1"
)

// errBusy says that there is a connection already.
var errBusy = errors.New("already connected")

// ConnectFrame is the CONNECT with which a primary opens each connection (draft 7.8).
func (c Config) ConnectFrame(now time.Time) *Frame {
	c = c.withDefaults()
	return &Frame{Time: now, Body: &Connect{
		Name:         c.Name,
		MaxUnacked:   uint32(c.MaxUnacked),
		ReceiveTimer: c.ReceiveTimer,
		VendorClass:  vendorClass,
		Version:      protocolVersion,
		MCLT:         c.MCLT,
		HBA:          *c.HBA,
	}}
}

// AnswerConnect is the secondary's answer to the first message of a connection, and what it has settled. With an error
// the answer refuses, or is nil where none is due, and the connection is to be closed. claim takes the one place for a
// connection, or says that it is taken; it is asked last.
func (c Config) AnswerConnect(now time.Time, f *Frame, claim func() bool) (*Frame, Session, error) {
	c = c.withDefaults()
	b, ok := f.Body.(*Connect)
	if !ok {
		return nil, Session{}, fmt.Errorf("%w: %v before CONNECT", errProtocol, f.Body.Type())
	}
	ack := &ConnectAck{
		Name:         b.Name,
		MaxUnacked:   uint32(c.MaxUnacked),
		ReceiveTimer: c.ReceiveTimer,
		VendorClass:  vendorClass,
		Version:      protocolVersion,
	}
	if !b.Has(OptionTLSRequest) {
		ack.Omit(OptionTLSReply)
	}
	answer := &Frame{Time: now, XID: f.XID, Body: ack}
	refuse := func(r RejectReason, format string, args ...any) (*Frame, Session, error) {
		ack.Reason, ack.Text = r, fmt.Sprintf(format, args...)
		return answer, Session{}, fmt.Errorf("%w: %s", r, ack.Text)
	}
	switch {
	case c.Role != Secondary:
		return refuse(RejectInvalidPartner, "both servers are primary")
	case !b.Has(OptionRelationshipName):
		return refuse(RejectInvalidPartner, "missing relationship-name")
	case b.Name != c.Name:
		return refuse(RejectInvalidPartner, "unknown failover relationship name %s", b.Name)
	case skewed(now, f.Time):
		return refuse(RejectTimeMismatch, "time offset too large: %v", f.Time.Sub(now).Round(time.Second))
	case b.TLSRequest == 2:
		return refuse(RejectTLSUnsupported, "TLS is not supported")
	case !b.Has(OptionHashBucketAssignment):
		return refuse(RejectHashBucket, "invalid HBA")
	case !b.Has(OptionMCLT) || b.MCLT < time.Second:
		return refuse(RejectInvalidMCLT, "missing MCLT")
	case !claim():
		return refuse(RejectDuplicateConnection, "%v", errBusy)
	}
	return answer, Session{
		MaxUnacked:   int(b.MaxUnacked),
		ReceiveTimer: b.ReceiveTimer,
		VendorClass:  b.VendorClass,
		MCLT:         b.MCLT,
		HBA:          b.HBA,
	}, nil
}

// TakeConnectAck is what the primary makes of the answer to its CONNECT: what was settled, or an error and, where one
// is due, the DISCONNECT to send before the connection is closed.
func (c Config) TakeConnectAck(now time.Time, f *Frame, claim func() bool) (Session, *Frame, error) {
	b, ok := f.Body.(*ConnectAck)
	if !ok {
		return Session{}, nil, fmt.Errorf("%w: %v before CONNECTACK", errProtocol, f.Body.Type())
	}
	refuse := func(r RejectReason, text string) (Session, *Frame, error) {
		return Session{}, &Frame{Time: now, XID: 1, Body: &Disconnect{Reason: r, Text: text}}, fmt.Errorf("%w: %s", r, text)
	}
	switch {
	case b.Reason != 0:
		return Session{}, nil, fmt.Errorf("%w: %s", b.Reason, b.Text)
	case b.Name != c.Name:
		return refuse(RejectInvalidPartner, fmt.Sprintf("remote failover relationship name %s does not match", b.Name))
	case skewed(now, f.Time):
		return refuse(RejectTimeMismatch, fmt.Sprintf("time offset too large: %v", f.Time.Sub(now).Round(time.Second)))
	case !claim():
		return refuse(RejectDuplicateConnection, errBusy.Error())
	}
	return Session{
		MaxUnacked:   int(b.MaxUnacked),
		ReceiveTimer: b.ReceiveTimer,
		VendorClass:  b.VendorClass,
	}, nil, nil
}

// distrustConnect is the secondary's answer to a first message that err speaks against, and err. The answer is nil unless
// the message is CONNECT.
func distrustConnect(now time.Time, f *Frame, err error) (*Frame, error) {
	b, ok := f.Body.(*Connect)
	var r RejectReason
	if !ok || !errors.As(err, &r) {
		return nil, fmt.Errorf("%v: %w", f.Body.Type(), err)
	}
	ack := refuseConnect(now, b.Name, r, err.Error())
	ack.XID = f.XID
	return ack, fmt.Errorf("CONNECT: %w", err)
}

// distrustConnectAck is the DISCONNECT with which the primary answers a first message that err speaks against, and err.
// Where the message is itself a refusal there is no answer, and the error tells what it says: it ends the connection
// whoever sent it.
func distrustConnectAck(now time.Time, f *Frame, err error) (*Frame, error) {
	if b, ok := f.Body.(*ConnectAck); ok && b.Reason != 0 {
		return nil, fmt.Errorf("CONNECTACK: %w; it says: %w: %s", err, b.Reason, b.Text)
	}
	var r RejectReason
	if !errors.As(err, &r) {
		r = RejectUnknown
	}
	return &Frame{Time: now, XID: 1, Body: &Disconnect{Reason: r, Text: err.Error()}},
		fmt.Errorf("%v: %w", f.Body.Type(), err)
}

// refuseConnect is a CONNECTACK that refuses, and tells nothing of this server. ISC dhcpd wants the name in it.
func refuseConnect(now time.Time, name string, r RejectReason, text string) *Frame {
	ack := &ConnectAck{Name: name, Version: protocolVersion, Reason: r, Text: text}
	ack.Omit(OptionTLSReply)
	return &Frame{Time: now, Body: ack}
}

// skewed reports whether the two clocks are too far apart. No time is corrected: draft 6.1 would allow any skew, ISC
// dhcpd refuses more than a minute and corrects nothing below.
func skewed(now, theirs time.Time) bool {
	d := now.Truncate(time.Second).Sub(theirs)
	return d > maxSkew || d < -maxSkew
}
