package isc

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/dora"
	"github.com/tandem-dhcp/tandem/lease"
)

// scopes has a parameter in every scope, and a second one that the outermost alone sets, at its end.
const scopes = `
default-lease-time 1;
group {
  default-lease-time 2;
  shared-network n {
    default-lease-time 3;
    group g {
      default-lease-time 4;
      option domain-name "g";
      subnet 10.0.0.0 netmask 255.255.255.0 {
        default-lease-time 5;
        pool { default-lease-time 6; range 10.0.0.1; }
        pool { range 10.0.0.2; }
        host inside { hardware ethernet 1:2:3:4:5:6; }
        group { host grouped { default-lease-time 7; uid "x"; } default-lease-time 8; option domain-name "h"; }
      }
      subnet 10.0.1.0 netmask 255.255.255.0 { }
    }
    pool { range 10.0.1.1; }
  }
}
host named { group g; uid "y"; }
host plain { uid "z"; }
max-lease-time 9;
`

func TestScopes(t *testing.T) {
	c, err := load(t, scopes, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n := c.Networks[0]
	hosts := make(map[string]Scope)
	for _, h := range c.Hosts {
		hosts[h.Name] = h.Scope
	}
	tests := []struct {
		name  string
		scope Scope
		own   string // default-lease-time, domain-name, max-lease-time
		all   string
	}{
		{"global", c.Scope, "1 - 9", "1 - 9"},
		{"shared network, with the group around it", n.Scope, "3 - -", "3 - 9"},
		{"subnet, with the group around it", n.Subnets[0].Scope, "5 g -", "5 g 9"},
		{"subnet that says nothing, with the group around it", n.Subnets[1].Scope, "4 g -", "4 g 9"},
		{"pool", n.Pools[0].Scope, "6 - -", "6 g 9"},
		{"pool that says nothing", n.Pools[1].Scope, "- - -", "5 g 9"},
		{"pool of the shared network", n.Pools[2].Scope, "- - -", "3 - 9"},
		{"host in a subnet", hosts["inside"], "- - -", "1 - 9"},
		{"host in a group", hosts["grouped"], "7 h -", "7 h 9"},
		{"host of a named group", hosts["named"], "4 g -", "4 g 9"},
		{"host", hosts["plain"], "- - -", "1 - 9"},
	}
	say := func(p Parameters) string {
		lease := func(s Setting[time.Duration]) string {
			if !s.IsSet() {
				return "-"
			}
			return fmt.Sprint(seconds(s.Value))
		}
		domain := "-"
		if o, ok := p.Option(dhcp4.OptionDomainName); ok {
			domain = o.Value
		}
		return lease(p.DefaultLeaseTime) + " " + domain + " " + lease(p.MaxLeaseTime)
	}
	for _, tc := range tests {
		if own, all := say(tc.scope.Own), say(tc.scope.All); own != tc.own || all != tc.all {
			t.Errorf("%s: got own %s, all %s, want %s, %s", tc.name, own, all, tc.own, tc.all)
		}
	}
}

// TestLooseRanges checks what becomes of ranges outside of pools.
func TestLooseRanges(t *testing.T) {
	c, err := load(t, `subnet 10.0.0.0 netmask 255.255.255.0 {
		range 10.0.0.1 10.0.0.2; range dynamic-bootp 10.0.0.9; range 10.0.0.5;
		pool { allow known-clients; deny dynamic bootp clients; range 10.0.0.7; } }`, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range c.Networks[0].Pools {
		var who []string
		for _, a := range p.Allow {
			who = append(who, fmt.Sprintf("+%d", a.Who))
		}
		for _, d := range p.Deny {
			who = append(who, fmt.Sprintf("-%d", d.Who))
		}
		for _, g := range p.Ranges {
			who = append(who, fmt.Sprintf("%v-%v", g.First, g.Last))
		}
		got = append(got, strings.Join(who, " "))
	}
	want := []string{
		fmt.Sprintf("+%d -%d 10.0.0.7-10.0.0.7", dora.KnownClients, dora.BootpClients),
		fmt.Sprintf("-%d 10.0.0.1-10.0.0.2 10.0.0.5-10.0.0.5", dora.BootpClients),
		fmt.Sprintf("+%d 10.0.0.9-10.0.0.9", dora.AllClients),
	}
	if !slices.Equal(got, want) {
		t.Errorf(" got %q\nwant %q", got, want)
	}
}

func TestHosts(t *testing.T) {
	c, err := load(t, `
		host a { hardware infiniband 1:2:ff; fixed-address 10.0.0.1, two.example; }
		host b.example. { option dhcp-client-identifier "\0foo"; }
		host c { host-identifier option dhcp-client-identifier 1:AB; }`, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	a := netip.MustParseAddr
	want := []Host{
		{Name: "a", HW: lease.MakeHWAddr(32, []byte{1, 2, 255}), Fixed: []netip.Addr{a("10.0.0.1"), a("192.0.2.1"), a("192.0.2.2")}},
		{Name: "b.example.", ID: "\x00foo"},
		{Name: "c", ID: "\x01\xab"},
	}
	for i, h := range c.Hosts {
		h.Scope, h.fixedPos = Scope{}, Pos{}
		if !reflect.DeepEqual(h, want[i]) {
			t.Errorf("got %+v, want %+v", h, want[i])
		}
	}
}

func TestServer(t *testing.T) {
	c, err := load(t, `lease-file-name "/l"; pid-file-name "/p"; local-address 127.0.0.1; local-port 1067; remote-port 1068;
		limited-broadcast-address 10.255.255.255; omapi-port 7911; omapi-key k; log-facility local7; db-time-format local;
		lease-id-format hex; key k { algorithm hmac-sha256; secret ZmFpbG92ZXItbGFiLW9tYXBpLXNlY3JldA==; };`, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := Server{
		LeaseFileName: "/l", PIDFileName: "/p", LocalAddress: netip.MustParseAddr("127.0.0.1"), LocalPort: 1067, RemotePort: 1068,
		LimitedBroadcastAddress: netip.MustParseAddr("10.255.255.255"), OMAPIPort: 7911, OMAPIKey: "k", LogFacility: "local7",
		LocalTime: true, HexIdentifiers: true,
	}
	if c.Server != want {
		t.Errorf(" got %+v\nwant %+v", c.Server, want)
	}
	key := Key{Pos: c.Keys[0].Pos, Name: "k", Algorithm: "hmac-sha256", Secret: "ZmFpbG92ZXItbGFiLW9tYXBpLXNlY3JldA=="}
	if len(c.Keys) != 1 || c.Keys[0] != key {
		t.Errorf("keys %+v", c.Keys)
	}
}

func TestParameters(t *testing.T) {
	c, err := load(t, `default-lease-time infinite; max-lease-time 2; min-lease-time 0; abandon-lease-time 4; ping-timeout 5;
		dhcp-cache-threshold 7; not authoritative; ping-check off; always-broadcast on; use-host-decl-names true;
		one-lease-per-client true; echo-client-id on; server-id-check on; deny unknown-clients; ignore bootp; allow booting;
		declines ignore; allow leasequery; option dhcp-server-identifier 10.0.0.1; next-server one.example; server-name "s";
		filename "f";`, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p := c.Scope.All
	got := fmt.Sprint(p.DefaultLeaseTime.Value == Infinite, p.MaxLeaseTime.Value, p.MinLeaseTime.Or(time.Hour), p.AbandonLeaseTime.Value,
		p.PingTimeout.Value, p.CacheThreshold.Value, p.Authoritative.Or(true), p.PingCheck.Or(true), p.AlwaysBroadcast.Value,
		p.UseHostDeclNames.Value, p.OneLeasePerClient.Value, p.EchoClientID.Value, p.ServerIDCheck.Value, p.UnknownClients.Or(Allow),
		p.Bootp.Or(Allow), p.Booting.Or(Deny), p.Declines.Or(Allow), p.Leasequery.Or(Deny), p.ServerIdentifier.Value, p.NextServer.Value,
		p.ServerName.Value, p.Filename.Value)
	want := fmt.Sprint(true, 2*time.Second, time.Duration(0), 4*time.Second, 5*time.Second, 7, false, false, true, true, true, true, true,
		Deny, Ignore, Allow, Ignore, Allow, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("192.0.2.1"), "s", "f")
	if got != want {
		t.Errorf(" got %s\nwant %s", got, want)
	}
}

func TestWarnings(t *testing.T) {
	const net = `subnet 10.0.0.0 netmask 255.255.255.0 { range 10.0.0.5 10.0.0.9; } `
	tests := []struct{ conf, want string }{
		{"default-lease-time 60; max-lease-time 50;", "1:1: default-lease-time 60 is cut down to max-lease-time 50"},
		{"max-lease-time 50; group { subnet 10.0.0.0 netmask 255.0.0.0 { default-lease-time 60; } }", "1:64: default-lease-time 60 is cut down to max-lease-time 50"},
		{"default-lease-time 86401;", "1:1: default-lease-time 86401 is cut down to max-lease-time 86400"},
		{"min-lease-time 60; max-lease-time 50;", "1:1: min-lease-time 60 is more than max-lease-time 50"},
		{"host a { }", "1:1: host a has neither hardware nor dhcp-client-identifier"},
		{`host a { uid "x"; fixed-address 10.0.1.1; }`, "1:19: host a: fixed address 10.0.1.1 is in no subnet"},
		{net + `host a { uid "x"; fixed-address 10.0.0.5; }`, "fixed address 10.0.0.5 is in the range at x:1:41"},
		{net + `host a { uid "x"; fixed-address 10.0.0.1; } host b { uid "y"; fixed-address 10.0.0.1; }`, "host b: fixed address 10.0.0.1 is that of host a, too, at x:1:86"},
		{`host a { hardware ethernet 1:2; }`, "1:10: host a: an Ethernet address has 6 octets, this one has 2"},
		{`subnet 10.0.0.0 netmask 255.0.0.0 { host a { uid "x"; } host b { uid "y"; } }`, "1:37: Host declarations are global."},
		{`omapi-port 7911;`, "1:1: omapi-port has no effect: this server has no OMAPI"},
		{`group { omapi-port 7911; }`, "1:9: omapi-port has no effect here: it counts in the outermost scope alone"},
		{`option dhcp-lease-time 60;`, "1:8: option dhcp-lease-time has no effect: write default-lease-time"},
		{`option agent.circuit-id "x";`, "1:8: option agent.circuit-id has no effect"},
		{`option dhcp-client-identifier "x";`, "1:8: option dhcp-client-identifier has no effect outside of a host declaration"},
		{`ignore client-updates;`, "1:1: ignore client-updates has no effect: this server makes no updates of the DNS"},
		{`zone example. { }`, "1:1: zone has no effect: this server makes no updates of the DNS"},
		{`failover peer "f" { address 10.0.0.2; peer address 10.0.0.3; mclt 60; split 128; load balance max seconds 3; }` + peerPool,
			"1:15: failover peer f: neither primary nor secondary, which is taken for primary"},
		{`failover peer "f" { primary; address 10.0.0.2; peer address 10.0.0.3; mclt 60; split 128; }` + peerPool,
			"1:15: load balancing will be disabled for failover peer, f, because its load balance max secs is 0"},
		{`failover peer "f" { secondary; mclt 60; address 10.0.0.2; peer address 10.0.0.3; load balance max seconds 3; }` + peerPool,
			"1:15: failover peer f: mclt has no effect on a secondary"},
		{`failover peer "f" { secondary; address 10.0.0.2; peer address two.example; load balance max seconds 3; }` + peerPool,
			"1:15: failover peer f: of the addresses of the peer the first is used, 192.0.2.1"},
		{`allow leasequery;`, "1:1: allow leasequery has no effect: no leasequery is answered"},
	}
	for _, tc := range tests {
		c, err := load(t, tc.conf, LoadOptions{})
		if err != nil {
			t.Errorf("%s\n%v", tc.conf, err)
			continue
		}
		if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].Error(), tc.want) {
			t.Errorf("%s\n got %v\nwant %s", tc.conf, c.Warnings, tc.want)
		}
	}
}
