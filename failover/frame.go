package failover

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// Bounds of a message (draft section 6.1; ISC dhcpd sends and wants a payload offset of 12, where the draft says 8).
const (
	maxFrame   = 2048 // octets, the header included
	headerSize = 12   // octets: length(2) type(1) payload offset(1) time(4) xid(4)
)

// MessageType is the kind of a message (draft section 6.1).
type MessageType uint8

// The twelve messages. Wireshark 4.0 shows 7 and 9 under each other's name.
const (
	TypePoolRequest      MessageType = 1  // POOLREQ
	TypePoolResponse     MessageType = 2  // POOLRESP
	TypeBindingUpdate    MessageType = 3  // BNDUPD
	TypeBindingAck       MessageType = 4  // BNDACK
	TypeConnect          MessageType = 5  // CONNECT
	TypeConnectAck       MessageType = 6  // CONNECTACK
	TypeUpdateRequestAll MessageType = 7  // UPDREQALL
	TypeUpdateDone       MessageType = 8  // UPDDONE
	TypeUpdateRequest    MessageType = 9  // UPDREQ
	TypeState            MessageType = 10 // STATE
	TypeContact          MessageType = 11 // CONTACT
	TypeDisconnect       MessageType = 12 // DISCONNECT
)

var messageTypes = [...]string{
	TypePoolRequest:      "POOLREQ",
	TypePoolResponse:     "POOLRESP",
	TypeBindingUpdate:    "BNDUPD",
	TypeBindingAck:       "BNDACK",
	TypeConnect:          "CONNECT",
	TypeConnectAck:       "CONNECTACK",
	TypeUpdateRequestAll: "UPDREQALL",
	TypeUpdateDone:       "UPDDONE",
	TypeUpdateRequest:    "UPDREQ",
	TypeState:            "STATE",
	TypeContact:          "CONTACT",
	TypeDisconnect:       "DISCONNECT",
}

// Valid reports whether t is one of the twelve.
func (t MessageType) Valid() bool { return t >= TypePoolRequest && t <= TypeDisconnect }

// String returns the draft's name, "BNDUPD", or "MessageType(13)" for what has none.
func (t MessageType) String() string {
	if t.Valid() {
		return messageTypes[t]
	}
	return "MessageType(" + strconv.Itoa(int(t)) + ")"
}

// ErrUnknownType says that a message is of none of the twelve types. It is wrapped in a *FrameError that holds the
// number. ISC dhcpd drops the connection on one, if it has options.
var ErrUnknownType = errors.New("unknown message type")

// FrameError says what is wrong with a message, read or to be written, and where.
type FrameError struct {
	Type   MessageType // zero if the message ended before its type
	Option OptionCode  // zero if the fault is not in an option
	Octet  int         // where the option, or the faulty field of the header, begins; from the start of the message
	Err    error       // io.ErrUnexpectedEOF if the message or the option is cut short, ErrUnknownType, or some other
}

// Error returns "failover: BNDUPD: option IP-flags at octet 60: 1 octets, want 2".
func (e *FrameError) Error() string {
	s := "failover: "
	if e.Type != 0 {
		s += e.Type.String() + ": "
	}
	if e.Option != 0 {
		s += "option " + e.Option.String() + " "
	}
	return s + "at octet " + strconv.Itoa(e.Octet) + ": " + e.Err.Error()
}

// Unwrap returns e.Err.
func (e *FrameError) Unwrap() error { return e.Err }

// Frame is one message of the failover protocol. It owns all it holds.
type Frame struct {
	Time   time.Time // of the sender's clock when it built the message; whole seconds on the wire
	XID    uint32    // a request's number, counted by each side for itself; an answer repeats it
	Body   Body      // what the message says; also tells its type
	Vendor string    // vendor-specific-options (29), raw; "" for none
	Digest Digest    // message-digest (17); zero for none
}

// Digest is the option message-digest (draft section 12.17): proof, made with a shared secret, of who sent a message.
// It covers the whole message with the octets of Sum zeroed. The codec carries it, and neither makes nor checks it.
// A Digest of type 0 without a sum is none.
type Digest struct {
	Type uint8  // 1 is HMAC-MD5, whose Sum is 16 octets
	Sum  string // raw
}

// Body is what one of the twelve messages says: a *Connect, *ConnectAck, *BindingUpdate, *BindingAck, *PoolRequest,
// *PoolResponse, *UpdateRequest, *UpdateRequestAll, *UpdateDone, *StateReport, *Contact or *Disconnect. There are no
// others. Draft section 7 has one part for each.
type Body interface {
	Type() MessageType
	body() // seals the interface
}

// PoolRequest (POOLREQ) asks the partner to give up some of its available addresses.
type PoolRequest struct{}

// PoolResponse (POOLRESP) answers a PoolRequest.
type PoolResponse struct {
	Transferred uint32 // addresses-transferred (1): how many the partner is about to give
}

// UpdateRequest (UPDREQ) asks for every binding that this server has not acknowledged.
type UpdateRequest struct{}

// UpdateRequestAll (UPDREQALL) asks for every binding.
type UpdateRequestAll struct{}

// UpdateDone (UPDDONE) says that an UpdateRequest or UpdateRequestAll has been answered in full.
type UpdateDone struct{}

// Contact (CONTACT) says that the connection is alive.
type Contact struct{}

// Disconnect (DISCONNECT) is the last message before a connection is closed on purpose.
type Disconnect struct {
	Reason RejectReason // reject-reason (21)
	Text   string       // message (16), for people
}

// AppendBinary appends the message to b. The options stand in the order in which ISC dhcpd sends them, after the
// Digest (draft 12.17), before the Vendor. Text longer than 254 octets is cut, as is text with a NUL octet. It returns b as it was and a *FrameError if there is no Body, if the
// message would have more than 2048 octets, or if it holds what must not be sent: an address that is not IPv4, a
// binding status or a server state without a number, a flag without a name, a time before 1970 or after lease.Never, or
// an interval with a part of a second.
//
// Many messages may be appended to one buffer and written at once, and should be.
func (f *Frame) AppendBinary(b []byte) ([]byte, error) {
	if f.Body == nil {
		return b, &FrameError{Err: errors.New("no body")}
	}
	e := encoder{typ: f.Body.Type(), b: b, start: len(b)}
	e.header(f.Time, f.XID)
	if f.Digest != (Digest{}) {
		e.octets(OptionMessageDigest, string([]byte{f.Digest.Type})+f.Digest.Sum)
	}
	e.options(f.Body)
	e.omit = 0
	e.octets(OptionVendorSpecific, f.Vendor)
	n := len(e.b) - e.start
	if n > maxFrame {
		e.fail(0, "%d octets, a message has at most %d", n, maxFrame)
	}
	if e.err != nil {
		return b, e.err
	}
	binary.BigEndian.PutUint16(e.b[e.start:], uint16(n))
	return e.b, nil
}

// MarshalBinary is AppendBinary to a new slice.
func (f *Frame) MarshalBinary() ([]byte, error) { return f.AppendBinary(nil) }

// header appends the header with a length of 0, to be mended.
func (e *encoder) header(t time.Time, xid uint32) {
	secs := lease.ToUnix(t)
	if secs < 0 || secs > 0xffffffff {
		e.fail(0, "%v is not within 1970 and 2106", t)
	}
	e.b = append(e.b, 0, 0, byte(e.typ), headerSize)
	e.b = binary.BigEndian.AppendUint32(e.b, uint32(secs))
	e.b = binary.BigEndian.AppendUint32(e.b, xid)
}

// options appends what b says.
func (e *encoder) options(b Body) {
	switch b := b.(type) {
	case *PoolResponse:
		e.uint32(OptionAddressesTransferred, b.Transferred)
	case *BindingUpdate:
		e.bindingUpdate(b)
	case *BindingAck:
		e.bindingAck(b)
	case *Connect:
		e.connect(b)
	case *ConnectAck:
		e.connectAck(b)
	case *StateReport:
		e.stateReport(b)
	case *Disconnect:
		e.reason(b.Reason)
		e.text(OptionMessage, b.Text)
	case *PoolRequest, *UpdateRequest, *UpdateRequestAll, *UpdateDone, *Contact: // a header and no more
	}
}

// UnmarshalBinary reads the one message that b is. It keeps no part of b. Options that the message does not use, and
// options that nobody knows, are skipped; options that are missing are no error, see the bodies' Has. It returns a
// *FrameError, and leaves f alone, if
//   - b is shorter than its length field says, or an option reaches beyond the end (wrapping io.ErrUnexpectedEOF);
//   - the length is not 12 to 2048, or less than len(b); the payload offset is not 12 to the length;
//   - the message is of none of the twelve types (wrapping ErrUnknownType);
//   - an option has the wrong length for its code, or comes twice. Only assigned-IP-address may: it begins the next
//     binding of a BNDUPD or BNDACK.
func (f *Frame) UnmarshalBinary(b []byte) error {
	n, err := frameLength(b)
	if err != nil {
		return err
	}
	if len(b) < n {
		return &FrameError{Octet: len(b), Err: io.ErrUnexpectedEOF}
	}
	t := MessageType(b[2])
	if len(b) > n {
		return &FrameError{Type: t, Octet: n, Err: fmt.Errorf("%d octets after the message", len(b)-n)}
	}
	offset := int(b[3])
	if offset < headerSize || offset > n {
		return &FrameError{Type: t, Octet: 3, Err: fmt.Errorf("payload offset %d, want %d to %d", offset, headerSize, n)}
	}
	d := decoder{typ: t, b: b, at: offset}
	body := d.body()
	if d.err != nil {
		return d.err
	}
	*f = Frame{
		Time:   lease.FromUnix(int64(binary.BigEndian.Uint32(b[4:]))),
		XID:    binary.BigEndian.Uint32(b[8:]),
		Body:   body,
		Vendor: d.vendor,
		Digest: d.digest,
	}
	return nil
}

// frameLength returns the length field of the message that b begins with.
func frameLength(b []byte) (int, error) {
	if len(b) < 2 {
		return 0, &FrameError{Octet: len(b), Err: io.ErrUnexpectedEOF}
	}
	n := int(binary.BigEndian.Uint16(b))
	if n < headerSize || n > maxFrame {
		return 0, &FrameError{Err: fmt.Errorf("length %d, want %d to %d", n, headerSize, maxFrame)}
	}
	return n, nil
}

// body reads the options, if the type is known.
func (d *decoder) body() Body {
	switch d.typ {
	case TypePoolRequest:
		return d.none(&PoolRequest{})
	case TypePoolResponse:
		return d.poolResponse()
	case TypeBindingUpdate:
		return d.bindingUpdate()
	case TypeBindingAck:
		return d.bindingAck()
	case TypeConnect:
		return d.connect()
	case TypeConnectAck:
		return d.connectAck()
	case TypeUpdateRequestAll:
		return d.none(&UpdateRequestAll{})
	case TypeUpdateDone:
		return d.none(&UpdateDone{})
	case TypeUpdateRequest:
		return d.none(&UpdateRequest{})
	case TypeState:
		return d.stateReport()
	case TypeContact:
		return d.none(&Contact{})
	case TypeDisconnect:
		return d.disconnect()
	}
	d.fail(0, 2, ErrUnknownType)
	return nil
}

// none returns b, which no option tells anything, after a look at the options that every message may have.
func (d *decoder) none(b Body) Body {
	for d.next() {
	}
	return b
}

func (d *decoder) poolResponse() *PoolResponse {
	p := new(PoolResponse)
	for d.next() {
		p.Transferred = d.uint32()
	}
	return p
}

func (d *decoder) disconnect() *Disconnect {
	g := new(Disconnect)
	for d.next() {
		switch d.code {
		case OptionRejectReason:
			g.Reason = d.reason()
		case OptionMessage:
			g.Text = string(d.value)
		}
	}
	return g
}

// Type returns TypePoolRequest.
func (*PoolRequest) Type() MessageType { return TypePoolRequest }

// Type returns TypePoolResponse.
func (*PoolResponse) Type() MessageType { return TypePoolResponse }

// Type returns TypeBindingUpdate.
func (*BindingUpdate) Type() MessageType { return TypeBindingUpdate }

// Type returns TypeBindingAck.
func (*BindingAck) Type() MessageType { return TypeBindingAck }

// Type returns TypeConnect.
func (*Connect) Type() MessageType { return TypeConnect }

// Type returns TypeConnectAck.
func (*ConnectAck) Type() MessageType { return TypeConnectAck }

// Type returns TypeUpdateRequestAll.
func (*UpdateRequestAll) Type() MessageType { return TypeUpdateRequestAll }

// Type returns TypeUpdateDone.
func (*UpdateDone) Type() MessageType { return TypeUpdateDone }

// Type returns TypeUpdateRequest.
func (*UpdateRequest) Type() MessageType { return TypeUpdateRequest }

// Type returns TypeState.
func (*StateReport) Type() MessageType { return TypeState }

// Type returns TypeContact.
func (*Contact) Type() MessageType { return TypeContact }

// Type returns TypeDisconnect.
func (*Disconnect) Type() MessageType { return TypeDisconnect }

func (*PoolRequest) body()      {}
func (*PoolResponse) body()     {}
func (*BindingUpdate) body()    {}
func (*BindingAck) body()       {}
func (*Connect) body()          {}
func (*ConnectAck) body()       {}
func (*UpdateRequestAll) body() {}
func (*UpdateDone) body()       {}
func (*UpdateRequest) body()    {}
func (*StateReport) body()      {}
func (*Contact) body()          {}
func (*Disconnect) body()       {}
