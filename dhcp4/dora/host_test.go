package dora

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
)

const reservedMAC = "08:00:27:d9:45:96"

func reservation(a string) Host {
	return Host{Name: "DHCPc", HW: lease.MakeHWAddr(1, mac(reservedMAC)), Fixed: []netip.Addr{addr(a)}}
}

// A client with a dynamic lease is given a host declaration: its next request is refused, and it is bound to the
// reserved address.
func TestReservationForAClientWithALease(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.29").open()
	old := w.dora(msg{mac: reservedMAC})
	w.cfg.Hosts = []Host{reservation("10.0.10.9")}
	w.open()
	w.now = w.now.Add(300 * time.Second)
	w.expect("renewal", msg{kind: dhcpRequest, mac: reservedMAC, ciaddr: old.String(), unicast: true},
		"DHCPNAK: requested address is incorrect")
	want := []string{
		"DHCPREQUEST for 10.0.10.10 from 08:00:27:d9:45:96 via eth0: lease 10.0.10.10 unavailable.",
		"DHCPNAK on 10.0.10.10 to 08:00:27:d9:45:96 via eth0",
	}
	if got := w.lines(); !slices.Equal(got, want) {
		t.Errorf("log %q, want %q", got, want)
	}
	if got := w.dora(msg{mac: reservedMAC}); got != addr("10.0.10.9") {
		t.Errorf("bound to %v", got)
	}
	if l := w.book.Get(addr("10.0.10.9")); !l.IsVirgin() {
		t.Errorf("the reserved address is on record: %+v", l)
	}
	if l := w.book.Get(old); l.Status != lease.Free {
		t.Errorf("the old lease is %v", l.Status)
	}
	w.expect("renewal of the reserved address", msg{kind: dhcpRequest, mac: reservedMAC, ciaddr: "10.0.10.9", unicast: true}, "DHCPACK 10.0.10.9 10m0s")
	w.expect("init-reboot with another", msg{kind: dhcpRequest, mac: reservedMAC, wish: "10.0.10.28"}, "DHCPNAK: requested address is incorrect")
	w.expect("another client", msg{kind: dhcpRequest, wish: "10.0.10.9"}, "DHCPNAK: requested address not available")
}

// Fixed addresses are no matter of the partner's.
func TestReservationBesideAPartner(t *testing.T) {
	w, p := pair(t, "10.0.10.10", "10.0.10.29")
	w.cfg.Hosts = []Host{reservation("10.0.10.9")}
	w.open()
	p.answers, p.serves, p.fail, p.most = errGate, errGate, errGate, time.Second
	if got := w.dora(msg{mac: reservedMAC}); got != addr("10.0.10.9") {
		t.Errorf("bound to %v", got)
	}
}

// While another client holds the address, its new owner gets along with a dynamic one.
func TestReservedAddressIsStillHeld(t *testing.T) {
	w := newWorld(t, "10.0.10.9", "10.0.10.29").open()
	holder := msg{mac: number(7)}
	if got := w.dora(holder); got != addr("10.0.10.9") {
		t.Fatalf("bound to %v", got)
	}
	w.cfg.Hosts = []Host{reservation("10.0.10.9")}
	w.cfg.Networks[0].Pools, w.pools = nil, nil
	w.addPool(0, "10.0.10.9", "10.0.10.29")
	w.open()
	if got := w.dora(msg{mac: reservedMAC}); got == addr("10.0.10.9") || !got.IsValid() {
		t.Errorf("the owner is bound to %v", got)
	}
	holder.kind, holder.ciaddr, holder.unicast = dhcpRequest, "10.0.10.9", true
	w.expect("the holder's lease does not grow", holder, "DHCPNAK: requested address not available")
	w.now = w.now.Add(601 * time.Second)
	if got := w.dora(msg{mac: reservedMAC}); got != addr("10.0.10.9") {
		t.Errorf("afterwards the owner is bound to %v", got)
	}
}

func TestHostByIdentifier(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.29")
	w.cfg.Hosts = []Host{
		{Name: "id", ID: "\x00me", Fixed: []netip.Addr{addr("10.0.10.5")}},
		{Name: "hw", HW: lease.MakeHWAddr(1, mac("")), Fixed: []netip.Addr{addr("10.0.10.6")}},
	}
	w.open()
	w.expect("by identifier", msg{kind: dhcpDiscover, mac: number(3), id: "\x00me"}, "DHCPOFFER 10.0.10.5 10m0s")
	w.expect("identifier before hardware address", msg{kind: dhcpDiscover, id: "\x00me"}, "DHCPOFFER 10.0.10.5 10m0s")
	w.expect("by hardware address", msg{kind: dhcpDiscover, id: "\x00you"}, "DHCPOFFER 10.0.10.6 10m0s")
}

func TestHostInSeveralNetworks(t *testing.T) {
	w := twoNetworks(t)
	h := reservation("10.0.10.9")
	h.Fixed = append(h.Fixed, addr("10.0.21.9"))
	w.cfg.Hosts = []Host{h}
	w.open()
	w.expect("at home", msg{kind: dhcpDiscover, mac: reservedMAC}, "DHCPOFFER 10.0.10.9 10m0s")
	w.expect("away", msg{kind: dhcpDiscover, mac: reservedMAC, giaddr: "10.0.20.1"}, "DHCPOFFER 10.0.21.9 12h0m0s")
	w.expect("where nothing is reserved", msg{kind: dhcpDiscover, mac: reservedMAC, giaddr: "10.0.30.1"}, "DHCPOFFER 10.0.30.10 12h0m0s")
	w.expect("moved", msg{kind: dhcpRequest, mac: reservedMAC, wish: "10.0.10.9", giaddr: "10.0.20.1"}, "silence")
	w.cfg.Settings.Authoritative = On
	w.open()
	w.expect("moved, authoritative", msg{kind: dhcpRequest, mac: reservedMAC, wish: "10.0.10.9", giaddr: "10.0.20.1"},
		"DHCPNAK: requested address on bad subnet")
}

func TestSettingsOfHostAndClass(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.29")
	options := func(name string) []Option { return []Option{{dhcp4.OptionDomainName, name}} }
	w.cfg.Settings = Settings{Options: options("global"), UseHostDeclNames: On}
	w.cfg.Hosts = []Host{
		{Name: "roamer", HW: lease.MakeHWAddr(1, mac(number(1))), Settings: Settings{Options: options("host"), MaxLease: 500 * time.Second}},
		{Name: "fixed", HW: lease.MakeHWAddr(1, mac(number(2))), Fixed: []netip.Addr{addr("10.0.10.5")}, Settings: Settings{Options: options("fixed")}},
	}
	w.cfg.Classes = []Class{{Name: "phones", Settings: Settings{Options: options("class"), Filename: "phone.cfg"},
		Match: func(m *dhcp4.Message) bool { return m.ClassIdentifier() == "phone" }}}
	w.open()
	phone := func(m *dhcp4.Message) { m.SetText(dhcp4.OptionClassIdentifier, "phone") }
	list := []byte{12, 15}
	tests := []struct {
		name               string
		m                  msg
		domain, host, file string
		time               time.Duration
	}{
		{"nobody", msg{mac: number(9)}, "global", "", "", 600 * time.Second},
		{"a phone", msg{mac: number(8), with: phone}, "class", "", "phone.cfg", 600 * time.Second},
		{"a host without an address of its own", msg{mac: number(1)}, "host", "roamer", "", 500 * time.Second},
		{"a host that is a phone", msg{mac: number(1), with: phone}, "host", "roamer", "phone.cfg", 500 * time.Second},
		{"a host with an address", msg{mac: number(2)}, "fixed", "fixed", "", 600 * time.Second},
	}
	for _, tt := range tests {
		tt.m.kind, tt.m.list = dhcpDiscover, list
		m := w.send(tt.m)
		d, _ := m.IPAddressLeaseTime()
		if m.Text(15) != tt.domain || m.HostName() != tt.host || string(m.BootFileName) != tt.file || d != tt.time {
			t.Errorf("%s: domain %q, host %q, file %q, time %v", tt.name, m.Text(15), m.HostName(), m.BootFileName, d)
		}
	}
}

func TestPermits(t *testing.T) {
	isPhone := Class{Name: "phones", Match: func(m *dhcp4.Message) bool { return m.ClassIdentifier() == "phone" }}
	phone := func(m *dhcp4.Message) { m.SetText(dhcp4.OptionClassIdentifier, "phone") }
	known, stranger := msg{mac: reservedMAC}, msg{mac: number(5)}
	tests := []struct {
		name        string
		allow, deny []Permit
		m           msg
		want        bool
	}{
		{"no list: known", nil, nil, known, true},
		{"no list: unknown", nil, nil, stranger, true},
		{"known only: known", []Permit{{Who: KnownClients}}, nil, known, true},
		{"known only: unknown", []Permit{{Who: KnownClients}}, nil, stranger, false},
		{"unknown denied: known", nil, []Permit{{Who: UnknownClients}}, known, true},
		{"unknown denied: unknown", nil, []Permit{{Who: UnknownClients}}, stranger, false},
		{"deny before allow", []Permit{{Who: AllClients}}, []Permit{{Who: KnownClients}}, known, false},
		{"members: one", []Permit{{Who: ClassMembers, Class: "phones"}}, nil, msg{mac: number(6), with: phone}, true},
		{"members: none", []Permit{{Who: ClassMembers, Class: "phones"}}, nil, stranger, false},
		{"all denied", nil, []Permit{{Who: AllClients}}, stranger, false},
		{"bootp denied: DHCP", nil, []Permit{{Who: BootpClients}}, stranger, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "10.0.10.10", "10.0.10.29")
			w.cfg.Hosts = []Host{{Name: "known", HW: lease.MakeHWAddr(1, mac(reservedMAC))}}
			w.cfg.Classes = []Class{isPhone}
			p := &w.cfg.Networks[0].Pools[0]
			p.Allow, p.Deny = tt.allow, tt.deny
			w.open()
			tt.m.kind = dhcpDiscover
			if got := w.send(tt.m); (got != nil) != tt.want {
				t.Errorf("discover: %s", say(got))
			}
			tt.m.kind, tt.m.ciaddr = dhcpRequest, "10.0.10.20"
			if got := w.send(tt.m); got == nil || (got.MessageType() == dhcp4.MessageTypeAck) != tt.want {
				t.Errorf("renewal: %s", say(got))
			}
		})
	}
}

func TestRefusedClients(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.29")
	w.cfg.Settings.AllowUnknown = Off
	banned := reservation("10.0.10.9")
	banned.Settings.AllowBooting = Off
	w.cfg.Hosts = []Host{banned, {Name: "friend", HW: lease.MakeHWAddr(1, mac(number(1)))}}
	w.open()
	w.expect("a stranger", msg{kind: dhcpDiscover, mac: number(2)}, "silence")
	w.expect("a stranger asks", msg{kind: dhcpRequest, mac: number(2), ciaddr: "10.0.10.12"}, "silence")
	w.expect("a banned host", msg{kind: dhcpDiscover, mac: reservedMAC}, "silence")
	w.expect("a banned host asks", msg{kind: dhcpRequest, mac: reservedMAC, wish: "10.0.10.9"}, "silence")
	w.expect("a friend", msg{kind: dhcpDiscover, mac: number(1)}, "DHCPOFFER 10.0.10.10 10m0s")
	log := w.lines()
	for _, want := range []string{
		"DHCPDISCOVER from 02:00:00:00:00:02 via eth0: unknown client",
		"DHCPREQUEST for 10.0.10.12 from 02:00:00:00:00:02 via eth0: unknown client",
		"DHCPDISCOVER from 08:00:27:d9:45:96 via eth0: booting disallowed",
	} {
		if !slices.Contains(log, want) {
			t.Errorf("log %q, want %q", log, want)
		}
	}
}

func TestOneLeasePerClient(t *testing.T) {
	w := twoNetworks(t)
	w.cfg.Networks[1].Settings.OneLeasePerClient = On
	w.open()
	home := w.dora(msg{})
	w.dora(msg{giaddr: "10.0.30.1"})
	if got := w.book.Get(home).Status; got != lease.Active {
		t.Errorf("the lease in another network is %v", got)
	}
	w.dora(msg{giaddr: "10.0.20.1"})
	if got := w.book.Get(home).Status; got != lease.Free {
		t.Errorf("the lease in another network is %v, though it may have one only", got)
	}
}
