package isc

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/pool"
)

const addresses = `address 10.0.0.2; peer address 10.0.0.3; `

// allHBA is 32 octets, as hba wants them.
var allHBA = strings.TrimSuffix(strings.Repeat("ff:", 32), ":")

// peerCases are the bodies of declarations, what Load says of them, and whether ISC dhcpd takes them (dhcpd -t).
var peerCases = []struct {
	name, body string
	err        string
	dhcpd      bool
}{
	{"the least of a primary", addresses + `mclt 60; split 128;`, ``, true},
	{"the least of a secondary", `secondary; ` + addresses, ``, true},
	{"hash buckets", addresses + `primary; mclt 60; hba ` + allHBA + `;`, ``, true},
	{"split twice", addresses + `mclt 60; split 300; split 128;`, `split must be between 0 and 256, inclusive`, false},
	{"split and hba", addresses + `mclt 60; split 128; hba ` + allHBA + `;`, ``, true},
	{"split 0", addresses + `mclt 60; split 0;`, ``, true},
	{"split 256", addresses + `mclt 60; split 256;`, ``, true},
	{"split 257", addresses + `mclt 60; split 257;`, `split must be between 0 and 256, inclusive`, false},
	{"split below 0", addresses + `mclt 60; split -1;`, `-1 exceeds max`, false},
	{"a short hba", addresses + `mclt 60; hba ff:ff;`, `HBA must be exactly 32 bytes.`, false},
	{"split on a secondary", `secondary; ` + addresses + `split 128;`, `secondary may not define load balance settings.`, false},
	{"split before secondary", addresses + `split 128; secondary;`, `secondary may not define load balance settings.`, false},
	{"hba on a secondary", `secondary; ` + addresses + `hba ` + allHBA + `;`, `secondary may not define load balance settings.`, false},
	{"mclt on a secondary", `secondary; mclt 60; ` + addresses, ``, true},
	{"a primary without mclt", addresses + `split 128;`, `primary failover server must have mclt.`, false},
	{"a primary with mclt 0", addresses + `mclt 0; split 128;`, `primary failover server must have mclt.`, false},
	{"a primary without split", addresses + `mclt 60;`, `primary failover server must have hba or split.`, false},
	{"no peer address", `address 10.0.0.2; mclt 60; split 128;`, `peer address may not be omitted`, false},
	{"no address", `peer address 10.0.0.3; mclt 60; split 128;`, `failover peer f: no local address.`, true}, // dhcpd notices when it starts
	{"a port too large", addresses + `port 65536; mclt 60; split 128;`, `65536 exceeds max (65535)`, true},
	{"a word for a port", addresses + `port dhcp; mclt 60; split 128;`, `expecting number, not "dhcp"`, false},
	{"load balance with another word", addresses + `mclt 60; split 128; load balance min seconds 3;`, `expecting "max"`, false},
	{"an unknown statement", addresses + `mclt 60; split 128; colour red;`, `invalid statement in peer declaration: "colour"`, false},
	{"an unknown statement of the partner", addresses + `mclt 60; split 128; peer colour red;`, `invalid statement in peer declaration: "colour"`, false},
	{"an include", addresses + `mclt 60; split 128; include "y";`, `invalid statement in peer declaration: "include"`, false},
	{"a missing semicolon", addresses + `mclt 60 split 128;`, `semicolon expected.`, false},
	{"everything", addresses + `primary; port 1; peer port 2; max-response-delay 3; max-unacked-updates 4; mclt 5; split 6;
		load balance max seconds 7; auto-partner-down 8; max-lease-misbalance 9; max-lease-ownership 10; min-balance 11;
		max-balance 12; peer max-response-delay 13; peer max-unacked-updates 14;`, ``, true},
	{"a peer with several addresses", `address one.example; peer address two.example; mclt 60; split 128;`, ``, true},
	{"a server with several addresses", `address two.example; peer address 10.0.0.3; mclt 60; split 128;`, `one address is wanted here`, true},
}

func TestPeers(t *testing.T) {
	for _, tc := range peerCases {
		t.Run(tc.name, func(t *testing.T) {
			_, err := load(t, `failover peer "f" { `+tc.body+` }`+peerPool, LoadOptions{})
			switch {
			case tc.err == "" && err != nil:
				t.Errorf("%s\n%v", tc.body, err)
			case tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)):
				t.Errorf("%s\n got %v\nwant %s", tc.body, err, tc.err)
			}
		})
	}
}

func TestPeerValues(t *testing.T) {
	half, err := pool.Split(6)
	if err != nil {
		t.Fatal(err)
	}
	ours, partners := netip.MustParseAddr("10.0.0.2"), []netip.Addr{netip.MustParseAddr("10.0.0.3")}
	tests := []struct {
		name, body string
		want       Peer
	}{
		{
			"defaults", `secondary; ` + addresses,
			Peer{
				Secondary: true, Address: ours, PartnerAddresses: partners, Port: 647, PartnerPort: 647,
				MaxResponseDelay: 20 * time.Second, MaxUnackedUpdates: 100, MaxLeaseMisbalance: 15, MaxLeaseOwnership: 10,
				MinBalance: time.Minute, MaxBalance: time.Hour,
			},
		},
		{
			"zero is the default", `secondary; ` + addresses + `port 0; peer port 0; max-response-delay 0; max-unacked-updates 0; mclt 0;
				load balance max seconds 0; max-lease-misbalance 0; max-lease-ownership 0; min-balance 0; max-balance 0;`,
			Peer{
				Secondary: true, Address: ours, PartnerAddresses: partners, Port: 647, PartnerPort: 647,
				MaxResponseDelay: 20 * time.Second, MaxUnackedUpdates: 100, MaxLeaseMisbalance: 15, MaxLeaseOwnership: 10,
				MinBalance: time.Minute, MaxBalance: time.Hour,
			},
		},
		{
			"everything", peerCases[len(peerCases)-3].body,
			Peer{
				Address: ours, PartnerAddresses: partners, Port: 1, PartnerPort: 2, MaxResponseDelay: 3 * time.Second,
				MaxUnackedUpdates: 4, MCLT: 5 * time.Second, HBA: half, LoadBalanceMaxSeconds: 7, AutoPartnerDown: 8 * time.Second,
				MaxLeaseMisbalance: 9, MaxLeaseOwnership: 10, MinBalance: 11 * time.Second, MaxBalance: 12 * time.Second,
				PartnerMaxResponseDelay: 13 * time.Second, PartnerMaxUnackedUpdates: 14,
			},
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			c, err := load(t, `failover peer "f" { `+tc.body+` }`+peerPool, LoadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			tc.want.Name, tc.want.Pos = "f", Pos{"x", 1, 15}
			if got := c.Peers[0]; !reflect.DeepEqual(got, tc.want) {
				t.Errorf(" got %+v\nwant %+v", got, tc.want)
			}
		})
	}
}
