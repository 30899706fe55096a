package dora

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// errNoIdentifier says that a reply would be without option 54, by which the client is to know this server.
var errNoIdentifier = errors.New("no server identifier: the interface has no address, and none is configured")

// terms are what a client is told.
type terms struct {
	addr     netip.Addr // yiaddr; invalid for a DHCPACK to a DHCPINFORM
	subnet   *subnet    // of the address
	settings *Settings
	host     *host     // nil if none is declared for the client
	until    time.Time // end of the lease; zero: no time is told
}

// identifiers returns all server identifiers that the configuration has.
func (t *topology) identifiers() map[netip.Addr]bool {
	ids := make(map[netip.Addr]bool)
	add := func(st *Settings) {
		if st.ServerIdentifier.IsValid() {
			ids[st.ServerIdentifier] = true
		}
	}
	add(t.outer)
	for _, s := range t.subnets {
		add(s.settings)
	}
	for _, n := range t.networks {
		add(n.settings)
		for _, p := range n.pools {
			for _, st := range p.settings {
				add(st)
			}
		}
	}
	for _, hosts := range t.hostsByHW {
		for _, h := range hosts {
			add(&h.Settings)
		}
	}
	for _, hosts := range t.hostsByID {
		for _, h := range hosts {
			add(&h.Settings)
		}
	}
	for _, c := range t.classes {
		add(&c.Settings)
	}
	return ids
}

// identifier returns the address by which this server calls itself towards the client. It is invalid if there is none.
func (s *Server) identifier(q *query, st *Settings) netip.Addr {
	if v, ok := q.RelayAgentSub(dhcp4.AgentServerIDOverride); ok && len(v) == 4 {
		return netip.AddrFrom4([4]byte(v)) // RFC 5107: the relay stands for this server
	}
	switch {
	case st.ServerIdentifier.IsValid():
		return st.ServerIdentifier
	case q.Local.IsValid():
		return q.Local
	}
	return s.address
}

// names says whom a message names in option 54.
func (s *Server) names(q *query, st *Settings) serverName {
	switch q.server {
	case netip.Addr{}:
		return noServer
	case s.identifier(q, st), q.Local, q.Dst.Addr(), s.address:
		return thisServer
	}
	if s.ids[q.server] {
		return thisServer
	}
	return otherServer
}

// begin returns a reply with the header, and what is echoed.
func (s *Server) begin(q *query, kind dhcp4.MessageType, st *Settings) *dhcp4.Message {
	m := q.NewReply(&q.Reply, kind)
	if !st.EchoClientID.or(false) {
		m.DelOption(dhcp4.OptionClientIdentifier)
	}
	return m
}

// answer builds a DHCPOFFER, DHCPACK or BOOTREPLY. It returns nil if the server has no identifier to put into it.
func (s *Server) answer(q *query, kind dhcp4.MessageType, t terms) *dhcp4.Message {
	id := s.identifier(q, t.settings)
	if !id.IsValid() && kind != dhcp4.MessageTypeNone {
		s.about(zap.ErrorLevel, q, errNoIdentifier.Error())
		return nil
	}
	m := s.begin(q, kind, t.settings)
	m.YourIPAddr = t.addr
	m.ServerIPAddr = t.settings.NextServer
	if t.settings.ServerName != "" {
		m.ServerHostName = []byte(t.settings.ServerName)
	}
	if t.settings.Filename != "" {
		m.BootFileName = []byte(t.settings.Filename)
	}
	if t.settings.AlwaysBroadcast.or(false) {
		m.Flags |= dhcp4.FlagBroadcast
	}
	if kind != dhcp4.MessageTypeNone {
		m.SetServerIdentifier(id)
		if !t.until.IsZero() {
			t.setTimes(m, t.until.Sub(q.now).Truncate(time.Second))
		}
	}
	t.setOptions(q, m)
	fit(m)
	return m
}

// fit removes options that the client has no room for, those that it cares for least first. It does without them, as
// with ISC dhcpd.
func fit(m *dhcp4.Message) {
	const header = 236 + 4 + 1 // and cookie, and end option
	size := header
	for _, v := range m.Options() {
		size += len(v) + 2*(1+len(v)/255)
	}
	if size <= m.MaximumSize {
		return
	}
	var tooLong *dhcp4.OptionError
	for {
		_, err := m.MarshalBinary()
		if !errors.As(err, &tooLong) || !errors.Is(err, dhcp4.ErrTooLong) {
			return // it fits; or something is wrong that the encoder will tell
		}
		if _, ok := m.Option(tooLong.Code); !ok || tooLong.Code == dhcp4.OptionRelayAgentInformation {
			return
		}
		m.DelOption(tooLong.Code)
	}
}

// setTimes sets the lease time, and T1 and T2 as far as they are configured and precede it and each other. Without them
// a client takes the half and seven eighths (RFC 2131 4.4.5).
func (t *terms) setTimes(m *dhcp4.Message, d time.Duration) {
	m.SetIPAddressLeaseTime(d)
	for _, code := range [...]dhcp4.OptionCode{dhcp4.OptionRebindingTimeValue, dhcp4.OptionRenewTimeValue} {
		v, ok := t.settings.option(code)
		if !ok || len(v) != 4 {
			continue
		}
		if at := time.Duration(binary.BigEndian.Uint32([]byte(v))) * time.Second; at < d {
			m.SetText(code, v)
			d = at
		}
	}
}

// ownPlace reports whether an option has a place of its own in a reply, or none, whatever the client asks for.
func ownPlace(code dhcp4.OptionCode) bool {
	switch code {
	case dhcp4.OptionRenewTimeValue, dhcp4.OptionRebindingTimeValue, dhcp4.OptionParameterRequestList:
		return true
	}
	return false
}

// setOptions adds what the client asked for, in its order, or all there is if it asked for nothing. The subnet mask goes
// to a client that gets an address in any case: some rely on it.
func (t *terms) setOptions(q *query, m *dhcp4.Message) {
	if v, ok := q.Option(dhcp4.OptionSubnetSelection); ok {
		m.SetOption(dhcp4.OptionSubnetSelection, v) // RFC 3011: the server returns it
	}
	wanted := q.ParameterRequestList()
	if v, ok := t.settings.option(dhcp4.OptionParameterRequestList); ok {
		wanted = []byte(v)
	}
	if len(wanted) == 0 {
		for _, code := range [...]dhcp4.OptionCode{
			dhcp4.OptionSubnetMask, dhcp4.OptionRouter, dhcp4.OptionDomainNameServer, dhcp4.OptionHostName,
		} {
			t.set(m, code)
		}
		for _, o := range t.settings.Options {
			if _, ok := m.Option(o.Code); !ok {
				t.set(m, o.Code)
			}
		}
		return
	}
	for _, code := range wanted {
		t.set(m, dhcp4.OptionCode(code))
	}
	if t.addr.IsValid() {
		t.set(m, dhcp4.OptionSubnetMask)
	}
}

// set adds one option, if it has a value here.
func (t *terms) set(m *dhcp4.Message, code dhcp4.OptionCode) {
	if ownPlace(code) {
		return
	}
	if v, ok := t.settings.option(code); ok {
		m.SetText(code, v)
		return
	}
	switch {
	case code == dhcp4.OptionSubnetMask:
		var mask [4]byte
		binary.BigEndian.PutUint32(mask[:], ^uint32(0)<<(32-t.subnet.prefix.Bits()))
		m.SetOption(code, mask[:])
	case code == dhcp4.OptionHostName && t.host != nil && t.host.Name != "" && t.settings.UseHostDeclNames.or(false):
		m.SetText(code, t.host.Name)
	}
}
