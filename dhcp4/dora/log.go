package dora

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
)

// maxPrinted is how long a client's name may be for the log.
const maxPrinted = 64

// line writes a line to the log, in the words of ISC dhcpd. Where the level is off it costs a comparison.
func (s *Server) line(level zapcore.Level, format string, args ...any) {
	if ce := s.log.Check(level, ""); ce != nil {
		ce.Message = fmt.Sprintf(format, args...)
		ce.Write()
	}
}

// maxLine is room for most lines of the log, in octets.
const maxLine = 256

// about writes a line that describes a message and what became of it.
func (s *Server) about(level zapcore.Level, q *query, what string) {
	if ce := s.log.Check(level, ""); ce != nil {
		var room [maxLine]byte
		b := q.appendDescription(room[:0])
		if what != "" {
			b = append(append(b, ": "...), what...)
		}
		ce.Message = string(b)
		ce.Write()
	}
}

// reasonOf returns what an error says, for the log, without the package that it comes from: "failover: not responding".
func reasonOf(err error) string {
	text := err.Error()
	if pkg, rest, ok := strings.Cut(text, ": "); ok && !strings.ContainsAny(pkg, " (") {
		return rest
	}
	return text
}

// describe returns the message in a few words: "DHCPDISCOVER from 08:00:27:d9:45:96 (host) via eth0".
func (q *query) describe() string { return string(q.appendDescription(nil)) }

// appendDescription appends what describe returns. Four of these lines are written for each new client, so they are not
// left to fmt.
func (q *query) appendDescription(b []byte) []byte {
	switch q.kind {
	case dhcp4.MessageTypeNone:
		return q.appendVia(q.appendWho(append(b, "BOOTREQUEST from "...)))
	case dhcp4.MessageTypeDiscover:
		b = append(b, "DHCPDISCOVER from "...)
	case dhcp4.MessageTypeRequest:
		b = appendAddr(append(b, "DHCPREQUEST for "...), q.target())
		if q.server.IsValid() {
			b = append(appendAddr(append(b, " ("...), q.server), ')')
		}
		b = append(b, " from "...)
	case dhcp4.MessageTypeDecline:
		b = append(appendAddr(append(b, "DHCPDECLINE of "...), q.wish), " from "...)
	case dhcp4.MessageTypeRelease:
		b = append(appendAddr(append(b, "DHCPRELEASE of "...), q.ClientIPAddr), " from "...)
	case dhcp4.MessageTypeInform:
		return q.appendVia(appendAddr(append(b, "DHCPINFORM from "...), q.informant()))
	default:
		return q.appendVia(q.appendWho(append(append(b, q.kind.String()...), " from "...)))
	}
	return q.appendVia(q.appendCalled(q.appendWho(b)))
}

// appendAddr appends a as fmt prints it.
func appendAddr(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(b, "invalid IP"...)
	}
	return a.AppendTo(b)
}

// replied writes that a message was answered: "DHCPACK on 10.0.10.9 to 08:00:27:d9:45:96 (host) via eth0".
func (s *Server) replied(q *query, word string, a netip.Addr) {
	if ce := s.log.Check(zap.InfoLevel, ""); ce != nil {
		var room [maxLine]byte
		b := appendAddr(append(append(room[:0], word...), " on "...), a)
		ce.Message = string(q.appendVia(q.appendCalled(q.appendWho(append(b, " to "...)))))
		ce.Write()
	}
}

// who is the client's hardware address, or its identifier where it has none.
func (q *query) who() string { return string(q.appendWho(nil)) }

func (q *query) appendWho(b []byte) []byte {
	switch {
	case q.client.HW != "":
		return q.client.HW.AppendTo(b)
	case q.client.ID != "":
		return hex.AppendEncode(b, []byte(q.client.ID))
	}
	return append(b, "<no identifier>"...)
}

// appendCalled appends the client's name in parentheses, if it has one, and in any case a space.
func (q *query) appendCalled(b []byte) []byte {
	if q.name == "" {
		return append(b, ' ')
	}
	unsuitable := len(q.name) > maxPrinted
	for i := range len(q.name) {
		unsuitable = unsuitable || q.name[i] < ' ' || q.name[i] > '~'
	}
	if unsuitable {
		return append(b, " (Hostname Unsuitable for Printing) "...)
	}
	return append(append(append(b, " ("...), q.name...), ") "...)
}

// via is the relay, or the interface, by which the message came.
func (q *query) via() string {
	switch {
	case isSet(q.GatewayIPAddr):
		return q.GatewayIPAddr.String()
	case q.Link.Name != "":
		return q.Link.Name
	case q.Local.IsValid():
		return q.Local.String()
	}
	return "unknown"
}

func (q *query) appendVia(b []byte) []byte {
	if len(b) > 0 && b[len(b)-1] != ' ' {
		b = append(b, ' ')
	}
	b = append(b, "via "...)
	if isSet(q.GatewayIPAddr) {
		return q.GatewayIPAddr.AppendTo(b)
	}
	return append(b, q.via()...)
}

// nameBy makes the log call the client as the record does, if it sent no name itself.
func (q *query) nameBy(l lease.Lease) {
	if q.name == "" && l.Client.Is(q.client) {
		q.name = l.HostName
	}
}
