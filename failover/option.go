package failover

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tandem-dhcp/tandem/lease"
)

// OptionCode is the number of an option of the failover protocol (draft section 12). These are not DHCP options.
type OptionCode uint16

// The options of draft section 12, in its alphabetical numbering. ISC dhcpd 3.0 used another.
const (
	OptionAddressesTransferred      OptionCode = 1
	OptionAssignedIPAddress         OptionCode = 2
	OptionBindingStatus             OptionCode = 3
	OptionClientIdentifier          OptionCode = 4
	OptionClientHardwareAddress     OptionCode = 5
	OptionClientLastTransactionTime OptionCode = 6
	OptionClientReplyOptions        OptionCode = 7
	OptionClientRequestOptions      OptionCode = 8
	OptionDDNS                      OptionCode = 9 // never sent: ISC dhcpd drops the connection on it
	OptionDelayedService            OptionCode = 10
	OptionHashBucketAssignment      OptionCode = 11
	OptionIPFlags                   OptionCode = 12
	OptionLeaseExpiry               OptionCode = 13
	OptionMaxUnacked                OptionCode = 14
	OptionMCLT                      OptionCode = 15
	OptionMessage                   OptionCode = 16
	OptionMessageDigest             OptionCode = 17
	OptionPotentialExpiry           OptionCode = 18
	OptionReceiveTimer              OptionCode = 19
	OptionProtocolVersion           OptionCode = 20
	OptionRejectReason              OptionCode = 21
	OptionRelationshipName          OptionCode = 22
	OptionServerFlags               OptionCode = 23
	OptionServerState               OptionCode = 24
	OptionStartTimeOfState          OptionCode = 25
	OptionTLSReply                  OptionCode = 26
	OptionTLSRequest                OptionCode = 27
	OptionVendorClass               OptionCode = 28
	OptionVendorSpecific            OptionCode = 29
)

// options has, for each code, the draft's name and how many octets its value has, 0 meaning any number.
var options = [...]struct {
	name string
	size int
}{
	OptionAddressesTransferred:      {"addresses-transferred", 4},
	OptionAssignedIPAddress:         {"assigned-IP-address", 4},
	OptionBindingStatus:             {"binding-status", 1},
	OptionClientIdentifier:          {"client-identifier", 0},
	OptionClientHardwareAddress:     {"client-hardware-address", 0},
	OptionClientLastTransactionTime: {"client-last-transaction-time", 4},
	OptionClientReplyOptions:        {"client-reply-options", 0},
	OptionClientRequestOptions:      {"client-request-options", 0},
	OptionDDNS:                      {"DDNS", 0},
	OptionDelayedService:            {"delayed-service-parameter", 1},
	OptionHashBucketAssignment:      {"hash-bucket-assignment", 0}, // 32, see decoder.connect
	OptionIPFlags:                   {"IP-flags", 2},               // the draft's drawing says 1 and shows 2
	OptionLeaseExpiry:               {"lease-expiration-time", 4},
	OptionMaxUnacked:                {"max-unacked-bndupd", 4},
	OptionMCLT:                      {"MCLT", 4},
	OptionMessage:                   {"message", 0},
	OptionMessageDigest:             {"message-digest", 0},
	OptionPotentialExpiry:           {"potential-expiration-time", 4},
	OptionReceiveTimer:              {"receive-timer", 4},
	OptionProtocolVersion:           {"protocol-version", 1},
	OptionRejectReason:              {"reject-reason", 1},
	OptionRelationshipName:          {"relationship-name", 0},
	OptionServerFlags:               {"server-flags", 1},
	OptionServerState:               {"server-state", 1},
	OptionStartTimeOfState:          {"start-time-of-state", 4},
	OptionTLSReply:                  {"TLS-reply", 1},
	OptionTLSRequest:                {"TLS-request", 1},
	OptionVendorClass:               {"vendor-class-identifier", 0},
	OptionVendorSpecific:            {"vendor-specific-options", 0},
}

// String returns the draft's name, "MCLT", or "OptionCode(99)" for what has none.
func (c OptionCode) String() string {
	if c > 0 && int(c) < len(options) {
		return options[c].name
	}
	return "OptionCode(" + strconv.Itoa(int(c)) + ")"
}

// optionSet is a set of OptionCodes.
type optionSet uint32

func setOf(codes ...OptionCode) optionSet {
	var s optionSet
	for _, c := range codes {
		s |= 1 << c
	}
	return s
}

func (s optionSet) has(c OptionCode) bool { return s&(1<<c) != 0 } // no code above 31 is ever in

// anywhere are the options that every message may have.
var anywhere = setOf(OptionMessageDigest, OptionVendorSpecific)

// always has, for each type of message, the options that it has even where their value is zero. All others are
// present if their value is not zero.
var always = [...]optionSet{
	TypeBindingUpdate: setOf(OptionAssignedIPAddress, OptionBindingStatus, OptionLeaseExpiry, OptionPotentialExpiry,
		OptionStartTimeOfState),
	TypeBindingAck: setOf(OptionAssignedIPAddress),
	TypeConnect:    setOf(OptionProtocolVersion, OptionTLSRequest, OptionMCLT, OptionHashBucketAssignment),
	TypeConnectAck: setOf(OptionProtocolVersion, OptionTLSReply),
	TypeState:      setOf(OptionServerState, OptionServerFlags, OptionStartTimeOfState),
	TypeDisconnect: 0, // and so a row for each type
}

// reads has, for each type of message, the options that are looked at. The rest is skipped, whatever its length and
// number, as ISC dhcpd does; DDNS among it.
var reads = [...]optionSet{
	TypePoolResponse: setOf(OptionAddressesTransferred),
	TypeBindingUpdate: always[TypeBindingUpdate] | setOf(OptionClientIdentifier, OptionClientHardwareAddress,
		OptionClientLastTransactionTime, OptionClientReplyOptions, OptionClientRequestOptions, OptionIPFlags),
	TypeBindingAck: always[TypeBindingAck] | setOf(OptionRejectReason, OptionMessage),
	TypeConnect: always[TypeConnect] | setOf(OptionRelationshipName, OptionMaxUnacked, OptionReceiveTimer,
		OptionVendorClass, OptionDelayedService),
	TypeConnectAck: always[TypeConnectAck] | setOf(OptionRelationshipName, OptionMaxUnacked, OptionReceiveTimer,
		OptionVendorClass, OptionRejectReason, OptionMessage),
	TypeState:      always[TypeState],
	TypeDisconnect: setOf(OptionRejectReason, OptionMessage),
}

var errDuplicate = errors.New("a second time")

// decoder walks the options of one message. Its errors stick.
type decoder struct {
	typ  MessageType
	b    []byte // the whole message
	at   int    // where the next option begins
	seen optionSet
	err  error

	vendor string // the options that every message may have
	digest Digest

	code  OptionCode // of the option that next found
	value []byte     // its octets, of the right number; part of b
}

func (d *decoder) fail(c OptionCode, at int, err error) bool {
	d.err = &FrameError{Type: d.typ, Option: c, Octet: at, Err: err}
	return false
}

// next moves to the next option that d.typ reads, and reports whether there is one.
func (d *decoder) next() bool {
	for d.err == nil && d.at < len(d.b) {
		at, rest := d.at, d.b[d.at:]
		if len(rest) < 2 {
			return d.fail(0, at, io.ErrUnexpectedEOF)
		}
		c := OptionCode(binary.BigEndian.Uint16(rest))
		if len(rest) < 4 || len(rest)-4 < int(binary.BigEndian.Uint16(rest[2:])) {
			return d.fail(c, at, io.ErrUnexpectedEOF)
		}
		v := rest[4 : 4+int(binary.BigEndian.Uint16(rest[2:]))]
		d.at += 4 + len(v)
		if !(reads[d.typ] | anywhere).has(c) {
			continue
		}
		if want := options[c].size; want != 0 && len(v) != want {
			return d.fail(c, at, fmt.Errorf("%d octets, want %d", len(v), want))
		}
		if d.seen.has(c) {
			// Draft 6.3: an address begins the next binding. ISC dhcpd takes one only.
			if c != OptionAssignedIPAddress {
				return d.fail(c, at, errDuplicate)
			}
			d.seen &= anywhere
		}
		d.seen |= 1 << c
		switch c {
		case OptionMessageDigest:
			if len(v) == 0 {
				return d.fail(c, at, io.ErrUnexpectedEOF)
			}
			d.digest = Digest{v[0], string(v[1:])}
		case OptionVendorSpecific:
			d.vendor = string(v)
		default:
			d.code, d.value = c, v
			return true
		}
	}
	return false
}

func (d *decoder) uint8() uint8   { return d.value[0] }
func (d *decoder) uint16() uint16 { return binary.BigEndian.Uint16(d.value) }
func (d *decoder) uint32() uint32 { return binary.BigEndian.Uint32(d.value) }

func (d *decoder) seconds() time.Duration { return time.Duration(d.uint32()) * time.Second }

func (d *decoder) addr() netip.Addr { return netip.AddrFrom4([4]byte(d.value)) }

// time reads any value above 0x7fffffff as lease.Never, as ISC dhcpd does when it reads its lease file, so that
// whatever was received may be kept and sent.
func (d *decoder) time() time.Time {
	return lease.FromUnix(min(int64(d.uint32()), lease.Never.Unix()))
}

// reason reads the reserved 0 as RejectUnknown: the option is there, so this is a refusal.
func (d *decoder) reason() RejectReason {
	if r := RejectReason(d.uint8()); r != 0 {
		return r
	}
	return RejectUnknown
}

// encoder appends one message. Its errors stick.
type encoder struct {
	typ   MessageType
	b     []byte
	start int       // of the message, in b
	omit  optionSet // leave these out
	err   error
}

func (e *encoder) fail(c OptionCode, format string, args ...any) {
	if e.err == nil {
		e.err = &FrameError{Type: e.typ, Option: c, Octet: len(e.b) - e.start, Err: fmt.Errorf(format, args...)}
	}
}

func (e *encoder) uint8(c OptionCode, v uint8) {
	if !e.omit.has(c) {
		e.b = append(e.b, byte(c>>8), byte(c), 0, 1, v)
	}
}

func (e *encoder) uint16(c OptionCode, v uint16) {
	if !e.omit.has(c) {
		e.b = append(e.b, byte(c>>8), byte(c), 0, 2, byte(v>>8), byte(v))
	}
}

func (e *encoder) uint32(c OptionCode, v uint32) {
	if !e.omit.has(c) {
		e.b = append(e.b, byte(c>>8), byte(c), 0, 4, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
}

// octets appends v unless it is empty.
func (e *encoder) octets(c OptionCode, v string) {
	if v == "" || e.omit.has(c) {
		return
	}
	if len(v) > maxFrame {
		e.fail(c, "%d octets, a message has at most %d", len(v), maxFrame)
		return
	}
	e.b = append(e.b, byte(c>>8), byte(c), byte(len(v)>>8), byte(len(v)))
	e.b = append(e.b, v...)
}

// text appends v as it may be sent, unless it is empty.
func (e *encoder) text(c OptionCode, v string) { e.octets(c, sendableText(v)) }

// reason appends r unless it is zero.
func (e *encoder) reason(r RejectReason) {
	if r != 0 {
		e.uint8(OptionRejectReason, uint8(r))
	}
}

func (e *encoder) addr(c OptionCode, a netip.Addr) {
	if e.omit.has(c) {
		return
	}
	if !a.Is4() {
		e.fail(c, "%v is not an IPv4 address", a)
		return
	}
	v := a.As4()
	e.uint32(c, binary.BigEndian.Uint32(v[:]))
}

// time appends t in whole seconds, 0 for the zero time. A time before 1970, or after lease.Never, is an error: one
// that was cut to fit would be another promise than the one on record.
func (e *encoder) time(c OptionCode, t time.Time) {
	if e.omit.has(c) {
		return
	}
	secs := lease.ToUnix(t)
	if !t.IsZero() && secs <= 0 || secs > lease.Never.Unix() {
		e.fail(c, "%v is not within 1970 and %v", t, lease.Never)
		return
	}
	e.uint32(c, uint32(secs))
}

// seconds appends d. Parts of a second are an error, for the same reason as in time.
func (e *encoder) seconds(c OptionCode, d time.Duration) {
	if e.omit.has(c) {
		return
	}
	if d < 0 || d%time.Second != 0 || d/time.Second > 0xffffffff {
		e.fail(c, "%v is not 0 to %d whole seconds", d, uint32(0xffffffff))
		return
	}
	e.uint32(c, uint32(d/time.Second))
}

// maxText is how many octets of text are sent at most: "keep below 255".
const maxText = 254

// sendableText returns what is sent of s: all up to a NUL octet or maxText, whichever comes first, and no half rune.
func sendableText(s string) string {
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for n > maxText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
