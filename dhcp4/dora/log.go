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

// about writes a line that describes a message and what became of it.
func (s *Server) about(level zapcore.Level, q *query, what string) {
	if ce := s.log.Check(level, ""); ce != nil {
		ce.Message = q.describe()
		if what != "" {
			ce.Message += ": " + what
		}
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
func (q *query) describe() string {
	switch q.kind {
	case dhcp4.MessageTypeNone:
		return fmt.Sprintf("BOOTREQUEST from %s via %s", q.who(), q.via())
	case dhcp4.MessageTypeDiscover:
		return fmt.Sprintf("DHCPDISCOVER from %s %svia %s", q.who(), q.called(), q.via())
	case dhcp4.MessageTypeRequest:
		server := ""
		if q.server.IsValid() {
			server = fmt.Sprintf(" (%v)", q.server)
		}
		return fmt.Sprintf("DHCPREQUEST for %v%s from %s %svia %s", q.target(), server, q.who(), q.called(), q.via())
	case dhcp4.MessageTypeDecline:
		return fmt.Sprintf("DHCPDECLINE of %v from %s %svia %s", q.wish, q.who(), q.called(), q.via())
	case dhcp4.MessageTypeRelease:
		return fmt.Sprintf("DHCPRELEASE of %v from %s %svia %s", q.ClientIPAddr, q.who(), q.called(), q.via())
	case dhcp4.MessageTypeInform:
		return fmt.Sprintf("DHCPINFORM from %v via %s", q.informant(), q.via())
	}
	return fmt.Sprintf("%v from %s via %s", q.kind, q.who(), q.via())
}

// replied writes that a message was answered: "DHCPACK on 10.0.10.9 to 08:00:27:d9:45:96 (host) via eth0".
func (s *Server) replied(q *query, word string, a netip.Addr) {
	if s.log.Core().Enabled(zap.InfoLevel) {
		s.log.Info(fmt.Sprintf("%s on %v to %s %svia %s", word, a, q.who(), q.called(), q.via()))
	}
}

// who is the client's hardware address, or its identifier where it has none.
func (q *query) who() string {
	switch {
	case q.client.HW != "":
		return q.client.HW.String()
	case q.client.ID != "":
		return hex.EncodeToString([]byte(q.client.ID))
	}
	return "<no identifier>"
}

// called is the client's name in parentheses, if it has one.
func (q *query) called() string {
	if q.name == "" {
		return ""
	}
	if len(q.name) > maxPrinted {
		return "(Hostname Unsuitable for Printing) "
	}
	for i := range len(q.name) {
		if q.name[i] < ' ' || q.name[i] > '~' {
			return "(Hostname Unsuitable for Printing) "
		}
	}
	return "(" + q.name + ") "
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

// nameBy makes the log call the client as the record does, if it sent no name itself.
func (q *query) nameBy(l lease.Lease) {
	if q.name == "" && l.Client.Is(q.client) {
		q.name = l.HostName
	}
}
