package dora

import (
	"net/netip"

	"go.uber.org/zap"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// informant is the address of a client that sends a DHCPINFORM. Some forget ciaddr.
func (q *query) informant() netip.Addr {
	if isSet(q.ClientIPAddr) {
		return q.ClientIPAddr
	}
	return q.Src.Addr()
}

// inform tells a client that has an address the rest of the configuration (RFC 2131 4.3.5): no address, no times.
func (s *Server) inform(q *query) *dhcp4.Message {
	sub, why := s.informed(q)
	if why != "" {
		s.about(zap.InfoLevel, q, why)
		return nil
	}
	st := sub.settings
	if sh := sub.network.shareOf(q.ClientIPAddr); sh != nil {
		st = sh.settingsAt(sub)
	}
	var h *host
	if len(q.hosts) > 0 {
		h = q.hosts[0]
	}
	if _, fixed := s.reservation(q.hosts, sub.network); fixed != nil {
		h = fixed
	}
	t := terms{subnet: sub, settings: within(st, q.classes, h), host: h}
	s.about(zap.InfoLevel, q, "")
	m := s.answer(q, dhcp4.MessageTypeAck, t)
	if m != nil {
		s.counts.acks.Add(1)
		s.line(zap.InfoLevel, "DHCPACK to %v (%s) via %s", q.informant(), q.who(), q.via())
	}
	return m
}

// informed returns the subnet whose configuration a DHCPINFORM asks for, or why it gets no answer.
func (s *Server) informed(q *query) (*subnet, string) {
	a := q.informant()
	if !isSet(a) {
		return nil, "ignored (null source address)."
	}
	if !isSet(q.ClientIPAddr) && isSet(q.GatewayIPAddr) {
		a = q.GatewayIPAddr // the source is the relay's
	}
	if selected, ok := selectionOf(q.Request); ok {
		if !selected.IsValid() {
			return nil, "ignored (invalid subnet selection option)."
		}
		a = selected
	}
	sub := s.subnetOf(a)
	switch {
	case sub == nil:
		return nil, "unknown subnet for client address " + a.String()
	case !sub.settings.Authoritative.or(false):
		return nil, "not authoritative for subnet " + sub.prefix.Addr().String()
	}
	return sub, ""
}
