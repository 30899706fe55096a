package dora

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
)

const (
	dhcpDecline = dhcp4.MessageTypeDecline
	dhcpRelease = dhcp4.MessageTypeRelease
	dhcpInform  = dhcp4.MessageTypeInform
	bootp       = dhcp4.MessageTypeNone
)

func TestDecline(t *testing.T) {
	tests := []struct {
		name    string
		m       msg
		offered bool // the address was only offered
		off     Toggle
		want    bool // abandoned
		log     string
	}{
		{name: "by the holder", m: msg{server: "10.0.10.251"}, want: true, log: "abandoned"},
		{name: "by whom it was offered to", m: msg{server: "10.0.10.251"}, offered: true, want: true, log: "abandoned"},
		{name: "without a server identifier", m: msg{}, want: true, log: "abandoned"},
		{name: "by another client", m: msg{mac: number(9), server: "10.0.10.251"}, log: "ignored (address is not the client's)"},
		{name: "by another client, of an offer", m: msg{mac: number(9)}, offered: true, log: "ignored (address is not the client's)"},
		{name: "to another server", m: msg{server: "10.0.10.252"}, log: "ignored (not our server id)"},
		{name: "where declines are not believed", m: msg{}, off: Off, log: "ignored"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "10.0.10.10", "10.0.10.11")
			w.cfg.Settings.AllowDeclines = tt.off
			w.open()
			if tt.offered {
				w.send(msg{kind: dhcpDiscover})
			} else {
				w.dora(msg{})
			}
			w.lines()
			tt.m.kind, tt.m.wish = dhcpDecline, "10.0.10.10"
			w.expect("decline", tt.m, "silence")
			l := w.book.Get(addr("10.0.10.10"))
			if (l.Status == lease.Abandoned) != tt.want {
				t.Errorf("the address is %v", l.Status)
			}
			log := w.lines()
			if want := "DHCPDECLINE of 10.0.10.10 from " + tt.m.client().String() + " via eth0: " + tt.log; !slices.Contains(log, want) {
				t.Errorf("log %q, want %q", log, want)
			}
			if !tt.want {
				return
			}
			if want := "Abandoning IP address 10.0.10.10: declined."; log[0] != want {
				t.Errorf("log %q, want %q", log, want)
			}
			if !l.Client.IsZero() || l.Expiry != start.Add(DefaultAbandonTime) {
				t.Errorf("on record %+v", l)
			}
			w.expect("the client starts again", msg{kind: dhcpDiscover, wish: "10.0.10.10"}, "DHCPOFFER 10.0.10.11 10m0s")
			w.expect("it asks for the address nevertheless", msg{kind: dhcpRequest, wish: "10.0.10.10"}, "silence")
		})
	}
	w := newWorld(t, "10.0.10.10", "10.0.10.11").open()
	w.send(msg{kind: dhcpDiscover})
	faster := active("10.0.10.10", msg{mac: number(9)}.client())
	w.put(faster)
	w.expect("of an offer that another client was faster to take", msg{kind: dhcpDecline, wish: "10.0.10.10"}, "silence")
	if got := w.book.Get(faster.Addr); got != faster {
		t.Errorf("it is %+v", got)
	}
	w.expect("of no address", msg{kind: dhcpDecline}, "silence")
	w.expect("of an address in no pool", msg{kind: dhcpDecline, wish: "10.0.10.77"}, "silence")
	w.expect("of an address elsewhere", msg{kind: dhcpDecline, wish: "192.0.2.1"}, "silence")
}

func TestRelease(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.11").open()
	a := w.dora(msg{host: "box"})
	w.lines()
	w.now = w.now.Add(time.Minute)
	m := msg{kind: dhcpRelease, ciaddr: a.String(), server: "10.0.10.251", unicast: true}
	for _, tt := range []struct {
		name string
		with func(*msg)
		log  string
	}{
		{"another client's", func(m *msg) { m.mac = number(9) }, "DHCPRELEASE of 10.0.10.10 from 02:00:00:00:00:09 via eth0 (not found)"},
		{"another server's", func(m *msg) { m.server = "10.0.10.252" },
			"DHCPRELEASE of 10.0.10.10 from 02:00:00:00:00:01 (box) via eth0: ignored (not our server id)"},
		{"an unknown address", func(m *msg) { m.ciaddr = "10.0.10.99" }, "DHCPRELEASE of 10.0.10.99 from 02:00:00:00:00:01 via eth0 (not found)"},
	} {
		before, m := w.book.Get(a), m
		tt.with(&m)
		w.expect(tt.name, m, "silence")
		if got := w.book.Get(a); got != before {
			t.Errorf("%s: the lease changes: %+v", tt.name, got)
		}
		if got := w.lines(); !slices.Equal(got, []string{tt.log}) {
			t.Errorf("%s: log %q, want %q", tt.name, got, tt.log)
		}
	}
	w.expect("its own", m, "silence")
	want := lease.Lease{Addr: a, Status: lease.Free, Client: m.client(), Since: w.now, Expiry: w.now, LastTransaction: w.now}
	if got := w.book.Get(a); got != want {
		t.Errorf("on record:\n got %+v\nwant %+v", got, want)
	}
	if got, want := w.lines(), "DHCPRELEASE of 10.0.10.10 from 02:00:00:00:00:01 (box) via eth0 (found)"; !slices.Equal(got, []string{want}) {
		t.Errorf("log %q, want %q", got, want)
	}
	w.expect("again", m, "silence")
	w.expect("it comes back", msg{kind: dhcpRequest, wish: a.String()}, "DHCPACK 10.0.10.10 10m0s")
}

func TestReleaseBesideAPartner(t *testing.T) {
	w, p := pair(t, "10.0.10.10", "10.0.10.11")
	a := w.dora(msg{})
	var asked lease.Change
	p.before = func(c lease.Change) lease.Change { asked = c; return c }
	w.now = w.now.Add(time.Minute)
	w.expect("release", msg{kind: dhcpRelease, ciaddr: a.String(), unicast: true}, "silence")
	if l := asked.New; l.Status != lease.Released || l.Expiry != w.now || l.SentPotentialExpiry != w.now || l.Client != (msg{}).client() {
		t.Errorf("the gate is asked for %+v", l)
	}
}

func TestInform(t *testing.T) {
	w := twoNetworks(t)
	w.cfg.Networks[0].Settings.Authoritative = On
	w.open()
	m := msg{kind: dhcpInform, ciaddr: "10.0.10.200", list: []byte{3, 6, 51}}
	ack := w.expect("inform", m, "DHCPACK")
	if got, want := codes(ack), []int{53, 54, 3, 6}; !slices.Equal(got, want) {
		t.Errorf("options %v, want %v", got, want)
	}
	if ack.ClientIPAddr != addr("10.0.10.200") || isSet(ack.YourIPAddr) {
		t.Errorf("ciaddr %v, yiaddr %v", ack.ClientIPAddr, ack.YourIPAddr)
	}
	want := []string{
		"DHCPINFORM from 10.0.10.200 via eth0",
		"DHCPACK to 10.0.10.200 (02:00:00:00:00:01) via eth0",
	}
	if got := w.lines(); !slices.Equal(got, want) {
		t.Errorf("log %q, want %q", got, want)
	}
	w.expect("not authoritative", msg{kind: dhcpInform, ciaddr: "10.0.20.200"}, "silence")
	w.expect("unknown subnet", msg{kind: dhcpInform, ciaddr: "192.0.2.1"}, "silence")
	w.expect("nobody", msg{kind: dhcpInform}, "silence")
	w.expect("ciaddr forgotten", msg{kind: dhcpInform, with: func(*dhcp4.Message) {}}, "silence")
	w.expect("by a relay that knows the client", msg{kind: dhcpInform, giaddr: "10.0.10.1"}, "DHCPACK")
	if n := w.book.Len(); n != 0 {
		t.Errorf("%d leases", n)
	}
}

func TestBootp(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.29")
	w.cfg.Hosts = []Host{reservation("10.0.10.9")}
	w.open()
	m := w.expect("dynamic", msg{kind: bootp}, "BOOTREPLY 10.0.10.10")
	if got, want := codes(m), []int{1, 3, 6, 28, 119}; !slices.Equal(got, want) {
		t.Errorf("options %v, want %v", got, want)
	}
	want := lease.Lease{
		Addr: addr("10.0.10.10"), Status: lease.Active, Flags: lease.BOOTP, Client: msg{}.client(),
		Since: start, LastTransaction: start, Expiry: lease.Never,
	}
	if got := w.book.Get(want.Addr); got != want {
		t.Errorf("on record:\n got %+v\nwant %+v", got, want)
	}
	m = w.expect("reserved", msg{kind: bootp, mac: reservedMAC}, "BOOTREPLY 10.0.10.9")
	if m.ServerIPAddr != serverAddr {
		t.Errorf("siaddr %v", m.ServerIPAddr)
	}
	log := w.lines()
	for _, want := range []string{
		"BOOTREQUEST from 02:00:00:00:00:01 via eth0",
		"BOOTREPLY on 10.0.10.10 to 02:00:00:00:00:01 via eth0",
		"BOOTREPLY for 10.0.10.9 to DHCPc (08:00:27:d9:45:96) via eth0",
	} {
		if !slices.Contains(log, want) {
			t.Errorf("log %q, want %q", log, want)
		}
	}
	w.now = w.now.Add(1000 * time.Hour)
	w.expect("again", msg{kind: bootp}, "BOOTREPLY 10.0.10.10")
	w.expect("then as a DHCP client", msg{kind: dhcpDiscover}, "DHCPOFFER 10.0.10.10 10m0s")
	w.dora(msg{})
	if got := w.book.Get(want.Addr); got.Flags != 0 || got.Expiry != w.now.Add(600*time.Second) {
		t.Errorf("on record %+v", got)
	}

	w.cfg.Networks[0].Pools[0].Deny = []Permit{{Who: BootpClients}}
	w.open()
	w.expect("dynamic, where that is denied", msg{kind: bootp, mac: number(2)}, "silence")
	w.expect("reserved, where that is denied", msg{kind: bootp, mac: reservedMAC}, "BOOTREPLY 10.0.10.9")
	w.cfg.Settings.AllowBootp = Off
	w.open()
	w.expect("reserved, where all of it is denied", msg{kind: bootp, mac: reservedMAC}, "silence")
}

func TestWhatIsNoRequest(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.29").open()
	w.expect("a type for clients", msg{kind: dhcp4.MessageTypeOffer}, "silence")
	w.expect("no hardware address, no identifier", msg{kind: dhcpDiscover, with: func(m *dhcp4.Message) { m.ClientHWAddr = []byte{} }}, "silence")
	w.expect("an endless identifier", msg{kind: dhcpDiscover, id: string(make([]byte, 300))}, "silence")
	req := msg{kind: dhcpDiscover}.request(t, w.now)
	req.OpCode = dhcp4.OpcodeBootReply
	if m, err := w.server.ServeDHCP(t.Context(), req); m != nil || err != nil {
		t.Errorf("an answer to an answer: %s, %v", say(m), err)
	}
	req = msg{kind: dhcpDiscover}.request(t, time.Time{})
	req.Local, req.Src, req.Dst = serverAddr, netip.AddrPort{}, netip.AddrPort{}
	if m, err := w.server.ServeDHCP(t.Context(), req); m == nil || err != nil {
		t.Errorf("without a time of arrival: %s, %v", say(m), err)
	}
}
