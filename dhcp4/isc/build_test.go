package isc

import (
	"context"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/dora"
	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// book returns an empty ledger for c.
func book(t testing.TB, c *Config) *lease.Book {
	t.Helper()
	b, err := lease.OpenBook(context.Background(), lease.NewMemory(), lease.BookConfig{ScopeOf: c.ScopeOf()})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// gate is a Gate that is told apart by its name.
type gate struct {
	dora.Gate
	name string
}

// TestSetup wires the seed configuration of both sides.
func TestSetup(t *testing.T) {
	for _, side := range []string{"primary", "secondary"} {
		c, err := Load(seed(t, side, "dhcpd.conf.SHARED.with-host"), "etc/dhcpd.conf", LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Setup(book(t, c))
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Failover) != 1 || len(s.Alone) != 0 || len(s.Pools()) != 1 {
			t.Fatalf("%d relationships, %d pools alone, %d pools", len(s.Failover), len(s.Alone), len(s.Pools()))
		}
		p := s.Pools()[0]
		if p.Size() != 241 || p.Name() != "10.0.10.0/24" {
			t.Errorf("pool %s has %d addresses", p.Name(), p.Size())
		}
		half, err := pool.Split(128)
		if err != nil {
			t.Fatal(err)
		}
		want := failover.Config{
			Name: "ha-dhcp", Local: netip.MustParseAddrPort("10.0.10.251:678"), Partner: netip.MustParseAddrPort("10.0.10.252:678"),
			Role: failover.Primary, MCLT: time.Hour, HBA: &half, MaxSecs: 3, ReceiveTimer: time.Minute, MaxUnacked: 10,
			Balance: pool.Balance{MaxMisbalance: 15, MaxOwnership: 10, MinBalance: time.Minute, MaxBalance: time.Hour},
			Pools:   []*pool.Pool{p},
			Shared: []failover.Setting{
				{Name: "default-lease-time of 10.0.10.0/24", Value: "604800"}, {Name: "max-lease-time of 10.0.10.0/24", Value: "604800"}},
		}
		if side == "secondary" {
			want.Role, want.MCLT, want.HBA, want.Local, want.Partner = failover.Secondary, 0, nil, want.Partner, want.Local
		}
		if got := s.Failover[0]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %+v\nwant %+v", side, got, want)
		}
		d, err := s.Dora(func(peer string) dora.Gate { return gate{name: peer} })
		if err != nil {
			t.Fatal(err)
		}
		if g := d.Networks[0].Pools[0].Gate; g != (gate{name: "ha-dhcp"}) {
			t.Errorf("gate %v", g)
		}
		if d.Address != want.Local.Addr() || d.Settings.ServerIDCheck != dora.Off {
			t.Errorf("address %v, server-id-check %v", d.Address, d.Settings.ServerIDCheck)
		}
		if n := d.Networks[0]; n.Settings.MaxLease != 604800*time.Second || len(n.Settings.Options) != 5 || n.Subnets[0].Prefix.String() != "10.0.10.0/24" {
			t.Errorf("network %+v", n)
		}
		if h := d.Hosts[0]; h.Name != "DHCPc" || h.Fixed[0] != netip.MustParseAddr("10.0.10.9") {
			t.Errorf("host %+v", h)
		}
	}
}

func TestSettings(t *testing.T) {
	c, err := load(t, `default-lease-time infinite; max-lease-time 2; min-lease-time 0; abandon-lease-time 4; ping-timeout-ms 5;
		dhcp-cache-threshold 100; not authoritative; ping-check off; always-broadcast on; use-host-decl-names true;
		one-lease-per-client true; echo-client-id on; server-id-check on; deny unknown-clients; ignore bootp; allow booting;
		deny declines; server-identifier 10.0.0.1; next-server 10.0.0.2; server-name "s"; filename "f"; option domain-name "d";`, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := dora.Settings{
		DefaultLease: dora.Infinite, MaxLease: 2 * time.Second, MinLease: time.Second, AbandonTime: 4 * time.Second,
		PingTimeout: 5 * time.Millisecond, CacheThreshold: 99, Authoritative: dora.Off, PingCheck: dora.Off, AlwaysBroadcast: dora.On,
		UseHostDeclNames: dora.On, OneLeasePerClient: dora.On, EchoClientID: dora.On, ServerIDCheck: dora.On, AllowUnknown: dora.Off,
		AllowBootp: dora.Off, AllowBooting: dora.On, AllowDeclines: dora.Off, ServerIdentifier: netip.MustParseAddr("10.0.0.1"),
		NextServer: netip.MustParseAddr("10.0.0.2"), ServerName: "s", Filename: "f",
		Options: []dora.Option{{Code: dhcp4.OptionDomainName, Value: "d"}},
	}
	if got := settings(&c.Scope.Own); !reflect.DeepEqual(got, want) {
		t.Errorf(" got %+v\nwant %+v", got, want)
	}
	if got := settings(&Parameters{}); !reflect.DeepEqual(got, dora.Settings{}) {
		t.Errorf("of nothing: %+v", got)
	}
	if got := settings(&Parameters{CacheThreshold: Setting[int]{0, Pos{Line: 1}}}).CacheThreshold; got >= 0 {
		t.Errorf("dhcp-cache-threshold 0 is %d, want never", got)
	}
}

// TestMerging checks which pools of a network become one, and that fixed addresses are not in them.
func TestMerging(t *testing.T) {
	c, err := load(t, peerDecl+`shared-network n {
		subnet 10.0.0.0 netmask 255.255.255.0 { pool { failover peer "f"; range 10.0.0.1 10.0.0.10; } interface "eth0"; }
		subnet 10.0.1.0 netmask 255.255.255.0 { pool { failover peer "f"; range 10.0.1.1 10.0.1.10; } }
		pool { range 10.0.0.20 10.0.0.21; allow known-clients; allow all clients; }
		pool { range 10.0.0.30 10.0.0.31; allow all clients; allow known-clients; allow known-clients; }
		pool { range 10.0.0.40 10.0.0.41; allow known-clients; }
		pool { range 10.0.0.50 10.0.0.51; allow known-clients; max-lease-time 60; }
	} host a { uid "a"; fixed-address 10.0.0.5; } host nobody { }`, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Setup(book(t, c))
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for _, p := range s.Pools() {
		sizes = append(sizes, p.Size())
	}
	if want := []int{19, 4, 2, 2}; !reflect.DeepEqual(sizes, want) {
		t.Errorf("sizes %v, want %v", sizes, want)
	}
	if len(s.Alone) != 3 || len(s.Failover[0].Pools) != 1 {
		t.Errorf("%d alone, %d of the peer", len(s.Alone), len(s.Failover[0].Pools))
	}
	d, err := s.Dora(func(peer string) dora.Gate { return gate{name: peer} })
	if err != nil {
		t.Fatal(err)
	}
	n := d.Networks[0]
	if len(n.Links) != 1 || n.Links[0] != "eth0" || len(d.Hosts) != 1 {
		t.Errorf("links %v, hosts %v", n.Links, d.Hosts)
	}
	if want := []dora.Permit{{Who: dora.KnownClients}}; !reflect.DeepEqual(n.Pools[3].Allow, want) || n.Pools[3].Settings.MaxLease != time.Minute {
		t.Errorf("last pool %+v", n.Pools[3])
	}
	if in := c.ScopeOf(); in(netip.MustParseAddr("10.0.0.1")) != in(netip.MustParseAddr("10.0.1.1")) {
		t.Error("two subnets of one network are two scopes")
	}
}

// TestSetupErrors checks that what the other packages refuse has a place.
func TestSetupErrors(t *testing.T) {
	for _, tc := range []struct{ conf, want string }{
		{"subnet 0.0.0.0 netmask 0.0.0.0 {\n pool { range 0.0.0.1 9.0.0.0; } }", "x:2:2: pool: "},
		{strings.Replace(peerDecl, "mclt", "max-response-delay 2; mclt", 1) + peerPool, "x:1:15: failover: Config.ReceiveTimer is 2s"},
	} {
		c, err := load(t, tc.conf, LoadOptions{})
		if err != nil {
			t.Errorf("%s\n%v", tc.conf, err)
			continue
		}
		if _, err := c.Setup(book(t, c)); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%s\n got %v\nwant %s", tc.conf, err, tc.want)
		}
	}
}
