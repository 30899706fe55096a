package dora

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
)

const (
	dhcpDiscover = dhcp4.MessageTypeDiscover
	dhcpRequest  = dhcp4.MessageTypeRequest
)

func codes(m *dhcp4.Message) (all []int) {
	for c := range m.Options() {
		all = append(all, int(c))
	}
	return all
}

func TestFirstLease(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.29").open()
	m := msg{kind: dhcpDiscover, host: "box", list: []byte{1, 28, 2, 3, 15, 6, 119}}
	offer := w.expect("discover", m, "DHCPOFFER 10.0.10.10 10m0s")
	if got, want := codes(offer), []int{53, 54, 51, 1, 28, 3, 6, 119}; !slices.Equal(got, want) {
		t.Errorf("options %v, want %v", got, want)
	}
	if l := w.book.Get(addr("10.0.10.10")); !l.IsVirgin() {
		t.Errorf("an offer is on record: %+v", l)
	}
	m.kind, m.wish, m.server = dhcpRequest, "10.0.10.10", "10.0.10.251"
	ack := w.expect("request", m, "DHCPACK 10.0.10.10 10m0s")
	for code, want := range map[dhcp4.OptionCode]string{
		dhcp4.OptionSubnetMask:          "\xff\xff\xff\x00",
		dhcp4.OptionRouter:              "\x0a\x00\x0a\xfe",
		dhcp4.OptionBroadcastAddress:    "\x0a\x00\x0a\xff",
		dhcp4.OptionDomainNameServer:    "\x01\x01\x01\x01\x09\x09\x09\x09",
		dhcp4.OptionDNSDomainSearchList: "\x06domain\x03com\x00",
		dhcp4.OptionServerIdentifier:    "\x0a\x00\x0a\xfb",
	} {
		if got, _ := ack.Option(code); string(got) != want {
			t.Errorf("%v is %q, want %q", code, got, want)
		}
	}
	want := lease.Lease{
		Addr: addr("10.0.10.10"), Status: lease.Active, Client: m.client(), HostName: "box",
		Since: start, LastTransaction: start, Expiry: start.Add(600 * time.Second),
	}
	if got := w.book.Get(want.Addr); got != want {
		t.Errorf("on record:\n got %+v\nwant %+v", got, want)
	}
	wantLog := []string{
		"DHCPDISCOVER from 02:00:00:00:00:01 (box) via eth0",
		"DHCPOFFER on 10.0.10.10 to 02:00:00:00:00:01 (box) via eth0",
		"DHCPREQUEST for 10.0.10.10 (10.0.10.251) from 02:00:00:00:00:01 (box) via eth0",
		"DHCPACK on 10.0.10.10 to 02:00:00:00:00:01 (box) via eth0",
	}
	if got := w.lines(); !reflect.DeepEqual(got, wantLog) {
		t.Errorf("log:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(wantLog, "\n"))
	}
}

func TestChoiceOfAddress(t *testing.T) {
	me, other := msg{}.client(), msg{mac: "02:00:00:00:00:02"}.client()
	freed := func(a string, c lease.Client, ago time.Duration) lease.Lease {
		return lease.Lease{Addr: addr(a), Status: lease.Free, Client: c, Since: start.Add(-ago), Expiry: start.Add(-ago)}
	}
	tests := []struct {
		name   string
		leases []lease.Lease
		m      msg
		want   string
	}{
		{"never used first", []lease.Lease{freed("10.0.10.10", other, time.Hour)}, msg{}, "10.0.10.11"},
		{"then free for longest", []lease.Lease{
			freed("10.0.10.10", other, time.Minute), freed("10.0.10.11", other, time.Hour), freed("10.0.10.12", other, time.Second),
			active("10.0.10.13", other),
		}, msg{}, "10.0.10.11"},
		{"the wish", nil, msg{wish: "10.0.10.12"}, "10.0.10.12"},
		{"not a wish for another client's lease", []lease.Lease{active("10.0.10.12", other)}, msg{wish: "10.0.10.12"}, "10.0.10.10"},
		{"not a wish outside of the pool", nil, msg{wish: "10.0.10.99"}, "10.0.10.10"},
		{"not a wish in another network", nil, msg{wish: "192.0.2.1"}, "10.0.10.10"},
		{"the last address before the wish", []lease.Lease{freed("10.0.10.13", me, time.Hour)}, msg{wish: "10.0.10.12"}, "10.0.10.13"},
		{"the youngest of the last addresses", []lease.Lease{
			freed("10.0.10.11", me, time.Hour), freed("10.0.10.12", me, time.Minute), freed("10.0.10.13", me, 2*time.Hour),
		}, msg{}, "10.0.10.12"},
		{"the lease before the last address", []lease.Lease{
			freed("10.0.10.11", me, time.Second), active("10.0.10.13", me),
		}, msg{wish: "10.0.10.12"}, "10.0.10.13"},
		{"not an address that was found in use", []lease.Lease{
			{Addr: addr("10.0.10.10"), Status: lease.Abandoned, Since: start, Expiry: start.Add(time.Hour)},
		}, msg{wish: "10.0.10.10"}, "10.0.10.11"},
		{"not an address set aside for another client", []lease.Lease{
			{Addr: addr("10.0.10.10"), Status: lease.Free, Flags: lease.Reserved, Client: other},
		}, msg{wish: "10.0.10.10"}, "10.0.10.11"},
		{"an address set aside for the client", []lease.Lease{
			{Addr: addr("10.0.10.12"), Status: lease.Backup, Flags: lease.Reserved, Client: me},
		}, msg{wish: "10.0.10.11"}, "10.0.10.12"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "10.0.10.10", "10.0.10.13").open()
			w.put(tt.leases...)
			tt.m.kind = dhcpDiscover
			got := w.send(tt.m)
			if got == nil || got.YourIPAddr != addr(tt.want) {
				t.Errorf("got %s, want %s; log %q", say(got), tt.want, w.lines())
			}
		})
	}
}

func TestOfferIsKept(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.11").open()
	a, b, c := msg{kind: dhcpDiscover, mac: number(1)}, msg{kind: dhcpDiscover, mac: number(2)}, msg{kind: dhcpDiscover, mac: number(3)}
	w.expect("a", a, "DHCPOFFER 10.0.10.10 10m0s")
	w.expect("a again", a, "DHCPOFFER 10.0.10.10 10m0s")
	b.wish = "10.0.10.10"
	w.expect("b wishes for a's", b, "DHCPOFFER 10.0.10.11 10m0s")
	w.expect("nothing is left for c", c, "silence")
	if got := w.lines(); !slices.Contains(got, "DHCPDISCOVER from 02:00:00:00:00:03 via eth0: network 10.0.10.0/24: no free leases") {
		t.Errorf("log %q", got)
	}
	w.now = w.now.Add(offerHold)
	if got := w.send(c); got == nil {
		t.Error("a and b did not ask, but their addresses are not for c")
	}
}

// Whoever was faster has the address; an offer of it to somebody else does not count any more.
func TestLeaseBeforeOffer(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.11").open()
	w.send(msg{kind: dhcpDiscover, mac: number(1)})
	w.put(active("10.0.10.10", msg{mac: number(2)}.client()))
	w.now = w.now.Add(30 * time.Second)
	w.expect("discover", msg{kind: dhcpDiscover, mac: number(2)}, "DHCPOFFER 10.0.10.10 10m0s")
	w.expect("renewal", msg{kind: dhcpRequest, mac: number(2), ciaddr: "10.0.10.10"}, "DHCPACK 10.0.10.10 9m30s")
	w.expect("who had the offer", msg{kind: dhcpRequest, mac: number(1), wish: "10.0.10.10", server: "10.0.10.251"},
		"DHCPNAK: requested address not available")
	w.expect("starts again", msg{kind: dhcpDiscover, mac: number(1)}, "DHCPOFFER 10.0.10.11 10m0s")
}

func TestOfferIsDroppedForAnotherServer(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.10").open()
	a, b := msg{kind: dhcpDiscover, mac: number(1)}, msg{kind: dhcpDiscover, mac: number(2)}
	w.expect("a", a, "DHCPOFFER 10.0.10.10 10m0s")
	w.expect("b", b, "silence")
	a.kind, a.wish, a.server = dhcpRequest, "10.0.10.10", otherAddr.String()
	w.expect("a takes the other server's", a, "silence")
	w.expect("b again", b, "DHCPOFFER 10.0.10.10 10m0s")
}

func TestNeverTwice(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.10").open()
	a := w.dora(msg{mac: number(1)})
	theirs := msg{kind: dhcpRequest, mac: number(2), wish: a.String()}
	w.expect("another client reboots with it", theirs, "DHCPNAK: requested address not available")
	theirs.server = serverAddr.String()
	w.expect("another client selects it", theirs, "DHCPNAK: requested address not available")
	w.expect("another client renews it", msg{kind: dhcpRequest, mac: number(2), ciaddr: a.String(), unicast: true},
		"DHCPNAK: requested address not available")
	w.expect("one with an identifier is another client", msg{kind: dhcpRequest, mac: number(1), id: "\x01x", wish: a.String()},
		"DHCPNAK: requested address not available")
	if got := w.book.Get(a).Client; got != (msg{mac: number(1)}).client() {
		t.Errorf("the lease is %v's", got)
	}
}

func TestNakIsBroadcast(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.10").open()
	w.dora(msg{mac: number(1)})
	nak := w.send(msg{kind: dhcpRequest, mac: number(2), wish: "10.0.10.10", list: []byte{1, 3, 6}})
	if !nak.Flags.Has(dhcp4.FlagBroadcast) {
		t.Error("without the broadcast flag")
	}
	if got, want := codes(nak), []int{53, 54, 56}; !slices.Equal(got, want) {
		t.Errorf("options %v, want %v", got, want)
	}
	want := []string{
		"DHCPREQUEST for 10.0.10.10 from 02:00:00:00:00:02 via eth0: lease 10.0.10.10 unavailable.",
		"DHCPNAK on 10.0.10.10 to 02:00:00:00:00:02 via eth0",
	}
	if got := w.lines(); !reflect.DeepEqual(got[len(got)-2:], want) {
		t.Errorf("log %q, want %q", got, want)
	}
}

func TestRenewal(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.10").open()
	w.dora(msg{host: "box"})
	renew := msg{kind: dhcpRequest, ciaddr: "10.0.10.10", unicast: true}
	begin := w.book.Get(addr("10.0.10.10"))

	w.now = start.Add(150 * time.Second)
	w.expect("within the first quarter", renew, "DHCPACK 10.0.10.10 7m30s")
	if got := w.book.Get(begin.Addr); got != begin {
		t.Errorf("something was written: %+v", got)
	}
	renew.host = "crate"
	w.expect("with another name", renew, "DHCPACK 10.0.10.10 10m0s")
	renew.host = ""

	w.now = start.Add(450 * time.Second)
	ack := w.expect("at half time", renew, "DHCPACK 10.0.10.10 10m0s")
	if ack.ClientIPAddr != begin.Addr {
		t.Errorf("ciaddr %v", ack.ClientIPAddr)
	}
	want := begin
	want.HostName, want.LastTransaction, want.Expiry = "crate", w.now, w.now.Add(600*time.Second)
	if got := w.book.Get(begin.Addr); got != want {
		t.Errorf("on record:\n got %+v\nwant %+v", got, want)
	}
	w.now = start.Add(900 * time.Second)
	w.expect("rebinding", msg{kind: dhcpRequest, ciaddr: "10.0.10.10"}, "DHCPACK 10.0.10.10 10m0s")
	w.now = start.Add(1350 * time.Second)
	w.expect("init-reboot", msg{kind: dhcpRequest, wish: "10.0.10.10"}, "DHCPACK 10.0.10.10 10m0s")
	w.now = start.Add(1800 * time.Second)
	w.expect("discover", msg{kind: dhcpDiscover}, "DHCPOFFER 10.0.10.10 10m0s")
	if got := w.server.Stats(); got.Cached != 1 || got.Acks != 6 {
		t.Errorf("%+v", got)
	}
}

// A client that is told "60 seconds" half way through a second has its address for all of them.
func TestLeaseOutlivesWhatTheClientWasTold(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.10").open()
	w.now = start.Add(900 * time.Millisecond)
	w.dora(msg{})
	if got, told := w.book.Get(addr("10.0.10.10")).Expiry, w.now.Add(600*time.Second); got.Before(told) {
		t.Errorf("on record until %v, the client has it until %v", got, told)
	}
	w.now = start.Add(100*time.Second + 500*time.Millisecond)
	w.expect("what is left", msg{kind: dhcpRequest, ciaddr: "10.0.10.10"}, "DHCPACK 10.0.10.10 8m20s")
}

func TestUnknownAddresses(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.29").open()
	w.expect("in no pool", msg{kind: dhcpRequest, wish: "10.0.10.99"}, "silence")
	w.expect("never given to this client", msg{kind: dhcpRequest, wish: "10.0.10.20"}, "silence")
	w.expect("on another network, but we do not know all", msg{kind: dhcpRequest, wish: "192.168.1.5"}, "silence")
	w.expect("held, though not by the record", msg{kind: dhcpRequest, ciaddr: "10.0.10.20", unicast: true}, "DHCPACK 10.0.10.20 10m0s")
	w.expect("no address at all", msg{kind: dhcpRequest}, "silence")
	want := []string{
		"DHCPREQUEST for 10.0.10.99 from 02:00:00:00:00:01 via eth0: unknown lease 10.0.10.99.",
		"DHCPREQUEST for 10.0.10.20 from 02:00:00:00:00:01 via eth0: unknown lease 10.0.10.20.",
		"DHCPREQUEST for 192.168.1.5 from 02:00:00:00:00:01 via eth0: ignored (not authoritative).",
	}
	if got := w.lines()[:3]; !reflect.DeepEqual(got, want) {
		t.Errorf("log %q, want %q", got, want)
	}

	w.cfg.Settings.Authoritative = On
	w.open()
	w.expect("in no pool", msg{kind: dhcpRequest, wish: "10.0.10.99"}, "silence")
	w.expect("never given to this client", msg{kind: dhcpRequest, wish: "10.0.10.21"}, "DHCPNAK: requested address not available")
	w.expect("on another network", msg{kind: dhcpRequest, wish: "192.168.1.5"}, "DHCPNAK: requested address on bad subnet")
	w.expect("rebinding from another network", msg{kind: dhcpRequest, ciaddr: "192.168.1.5"}, "DHCPNAK: requested address on bad subnet")
	w.expect("renewing from who knows where", msg{kind: dhcpRequest, ciaddr: "192.168.1.5", unicast: true}, "silence")
	if got := w.lines()[3]; got != "DHCPREQUEST for 192.168.1.5 from 02:00:00:00:00:01 via eth0: wrong network." {
		t.Errorf("log %q", got)
	}
}

func TestNetworks(t *testing.T) {
	w := twoNetworks(t).open()
	w.expect("local", msg{kind: dhcpDiscover}, "DHCPOFFER 10.0.10.10 10m0s")
	w.expect("by a relay", msg{kind: dhcpDiscover, giaddr: "10.0.21.1"}, "DHCPOFFER 10.0.20.10 12h0m0s")
	w.expect("by an unknown relay", msg{kind: dhcpDiscover, giaddr: "10.9.9.1"}, "silence")
	if got, want := w.lines(), "DHCPDISCOVER from 02:00:00:00:00:01 via 10.9.9.1: unknown network segment"; got[len(got)-1] != want {
		t.Errorf("log %q, want %q", got, want)
	}
	// Routed renewal: the server learns from ciaddr alone where the client is.
	w.dora(msg{giaddr: "10.0.20.1"})
	w.now = w.now.Add(6 * time.Hour)
	w.expect("routed renewal", msg{kind: dhcpRequest, ciaddr: "10.0.20.10", unicast: true}, "DHCPACK 10.0.20.10 12h0m0s")
	// The subnet mask is that of the address, though nobody configured one.
	m := w.send(msg{kind: dhcpDiscover, giaddr: "10.0.20.1", list: []byte{3}})
	if v, _ := m.Option(dhcp4.OptionSubnetMask); string(v) != "\xff\xff\xff\x00" {
		t.Errorf("mask %x", v)
	}
	if got := m.GatewayIPAddr; got != addr("10.0.20.1") {
		t.Errorf("giaddr %v", got)
	}
}

func TestPoolsOfOneNetwork(t *testing.T) {
	w := twoNetworks(t).open()
	seen := make(map[netip.Addr]bool)
	for n := range 40 {
		a := w.dora(msg{mac: number(n), giaddr: "10.0.20.1"})
		if seen[a] {
			t.Fatalf("%v twice", a)
		}
		seen[a] = true
	}
	w.expect("both are full", msg{kind: dhcpDiscover, mac: number(99), giaddr: "10.0.20.1"}, "silence")
}

func TestRelayInformation(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.10").open()
	const info = "\x01\x03\x0a\x0b\x0c\x02\x06\x11\x22\x33\x44\x55\x66"
	m := msg{kind: dhcpDiscover, giaddr: "10.0.10.240", info: info, id: "\x01abc"}
	offer := w.send(m)
	if v, _ := offer.RelayAgentInfo(); string(v) != info {
		t.Errorf("option 82 comes back as %x", v)
	}
	if c := codes(offer); c[len(c)-1] != 82 {
		t.Errorf("option 82 is not last: %v", c)
	}
	if slices.Contains(codes(offer), 61) {
		t.Error("option 61 comes back unasked")
	}
	w.dora(m)
	w.now = w.now.Add(300 * time.Second)
	ack := w.expect("renewal, not by the relay", msg{kind: dhcpRequest, id: "\x01abc", ciaddr: "10.0.10.10", unicast: true}, "DHCPACK 10.0.10.10 10m0s")
	if _, ok := ack.RelayAgentInfo(); ok {
		t.Error("option 82 to a client that did not come by the relay")
	}
	if got := w.book.Get(addr("10.0.10.10")).RelayInfo; got != info {
		t.Errorf("after the renewal the record has %x", got)
	}
	w.cfg.Settings.EchoClientID = On
	w.open()
	w.now = w.now.Add(offerHold)
	if v, _ := w.send(m).ClientIdentifier(); string(v) != "\x01abc" {
		t.Errorf("option 61 comes back as %q", v)
	}
}

func TestServerIdentifier(t *testing.T) {
	id := func(m *dhcp4.Message) string {
		a, _ := m.ServerIdentifier()
		return a.String()
	}
	w := newWorld(t, "10.0.10.10", "10.0.10.10")
	w.cfg.Networks[0].Links = []string{"tun0"}
	w.cfg.Address = otherAddr
	w.open()
	bare := func(kind dhcp4.MessageType) *dhcp4.Request {
		m := msg{kind: kind, wish: "10.0.10.10"}
		req := m.request(t, w.now)
		req.Local, req.Link.Name = netip.Addr{}, "tun0"
		return req
	}
	m, err := w.server.ServeDHCP(t.Context(), bare(dhcpDiscover))
	if err != nil || m == nil || id(m) != otherAddr.String() {
		t.Errorf("an interface without address, %s: %v", say(m), err)
	}
	w.cfg.Address = netip.Addr{}
	w.open()
	m, err = w.server.ServeDHCP(t.Context(), bare(dhcpDiscover))
	if err != nil || m != nil {
		t.Errorf("no identifier at all, %s: %v", say(m), err)
	}
	w.cfg.Networks[0].Settings.ServerIdentifier = addr("10.0.10.1")
	w.open()
	if got := id(w.send(msg{kind: dhcpDiscover})); got != "10.0.10.1" {
		t.Errorf("configured: %v", got)
	}
	w.expect("and known again", msg{kind: dhcpRequest, wish: "10.0.10.10", server: "10.0.10.1"}, "DHCPACK 10.0.10.10 10m0s")
	override := "\x0b\x04\x0a\x00\x0a\x07"
	if got := id(w.send(msg{kind: dhcpDiscover, giaddr: "10.0.10.7", info: override})); got != "10.0.10.7" {
		t.Errorf("overridden by the relay: %v", got)
	}
	w.expect("and known again", msg{kind: dhcpRequest, giaddr: "10.0.10.7", info: override, wish: "10.0.10.10", server: "10.0.10.7"},
		"DHCPACK 10.0.10.10 10m0s")
	w.expect("another's", msg{kind: dhcpRequest, wish: "10.0.10.10", server: "10.0.10.9"}, "silence")
	w.cfg.Settings.ServerIDCheck = Off
	w.open()
	w.expect("another's, not looked at", msg{kind: dhcpRequest, wish: "10.0.10.10", server: "10.0.10.9"}, "DHCPACK 10.0.10.10 10m0s")
}

func TestLeaseTimeIsTheClientsWishWithinBounds(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.10").open()
	w.expect("short", msg{kind: dhcpDiscover, want: 400 * time.Second}, "DHCPOFFER 10.0.10.10 6m40s")
	w.expect("too short", msg{kind: dhcpDiscover, want: time.Second}, "DHCPOFFER 10.0.10.10 5m0s")
	w.expect("for ever", msg{kind: dhcpDiscover, want: Infinite}, "DHCPOFFER 10.0.10.10 10m0s")
	w.cfg.Networks[0].Subnets[0].Settings.MaxLease = Infinite
	w.open()
	w.dora(msg{want: Infinite})
	if got := w.book.Get(addr("10.0.10.10")).Expiry; got != lease.Never {
		t.Errorf("for ever is until %v", got)
	}
}

func TestTimesInReply(t *testing.T) {
	times := func(t1, t2 string) []Option {
		return []Option{{dhcp4.OptionRenewTimeValue, t1}, {dhcp4.OptionRebindingTimeValue, t2}}
	}
	tests := []struct {
		name    string
		options []Option
		want    []int
	}{
		{"none configured", nil, []int{53, 54, 51, 3, 1}},
		{"both", times("\x00\x00\x00\x64", "\x00\x00\x00\xc8"), []int{53, 54, 51, 3, 59, 58, 1}},
		{"T2 not before the end", times("\x00\x00\x00\x64", "\x00\x00\x02\x58"), []int{53, 54, 51, 3, 58, 1}},
		{"T1 not before T2", times("\x00\x00\x00\xc8", "\x00\x00\x00\xc8"), []int{53, 54, 51, 3, 59, 1}},
	}
	for _, tt := range tests {
		w := newWorld(t, "10.0.10.10", "10.0.10.10")
		w.cfg.Settings.Options = tt.options
		w.open()
		if got := codes(w.send(msg{kind: dhcpDiscover, list: []byte{3}})); !slices.Equal(got, tt.want) {
			t.Errorf("%s: options %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestOptionsInReply(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.10")
	w.cfg.Settings.Options = []Option{{dhcp4.OptionDomainName, "global"}, {224, "site"}}
	w.cfg.Networks[0].Pools[0].Settings.Options = []Option{{dhcp4.OptionDomainName, "pool"}}
	w.cfg.Networks[0].Settings = Settings{NextServer: addr("10.0.10.2"), ServerName: "boots", Filename: "vmlinuz", AlwaysBroadcast: On}
	w.open()
	all := w.send(msg{kind: dhcpDiscover})
	if got, want := codes(all), []int{53, 54, 51, 1, 3, 6, 15, 28, 119, 224}; !slices.Equal(got, want) {
		t.Errorf("who asks for nothing gets %v, want %v", got, want)
	}
	if v := all.Text(dhcp4.OptionDomainName); v != "pool" {
		t.Errorf("the inner scope does not win: %q", v)
	}
	if all.ServerIPAddr != addr("10.0.10.2") || string(all.ServerHostName) != "boots" || string(all.BootFileName) != "vmlinuz" {
		t.Errorf("siaddr %v, sname %q, file %q", all.ServerIPAddr, all.ServerHostName, all.BootFileName)
	}
	if !all.Flags.Has(dhcp4.FlagBroadcast) {
		t.Error("without the broadcast flag")
	}
	w.cfg.Settings.Options = append(w.cfg.Settings.Options, Option{dhcp4.OptionParameterRequestList, "\x0f"})
	w.open()
	if got, want := codes(w.send(msg{kind: dhcpDiscover, list: []byte{3, 6}})), []int{53, 54, 51, 15, 1}; !slices.Equal(got, want) {
		t.Errorf("with a list of our own %v, want %v", got, want)
	}
}

func TestReplyFitsTheClient(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.10")
	long := strings.Repeat("x", 240)
	w.cfg.Settings.Options = []Option{{224, long}, {225, long}, {226, "short"}}
	w.open()
	m := w.send(msg{kind: dhcpDiscover, list: []byte{3, 224, 225, 226}})
	if m == nil {
		t.Fatal("no answer because not all fits")
	}
	if _, ok := m.Option(3); !ok {
		t.Error("the router is left out")
	}
	if _, ok := m.Option(225); ok {
		t.Error("all fits after all: the test is too small")
	}
}
