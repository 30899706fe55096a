package isc

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// optionCases are options, the code and octets they become, and whether ISC dhcpd takes them.
var optionCases = []struct {
	conf  string
	want  string // "code octets in hexadecimal", or what the error says
	dhcpd bool
}{
	{`option subnet-mask 255.255.255.0;`, "1 ffffff00", true},
	{`option time-offset -18000;`, "2 ffffb9b0", true},
	{`option time-offset 0x10;`, "2 00000010", true},
	{`option routers 10.0.0.1;`, "3 0a000001", true},
	{`option routers 10.0.0.1, 10.0.0.2;`, "3 0a0000010a000002", true},
	{`option routers two.example, 10.0.0.2;`, "3 c0000201c00002020a000002", true},
	{`option swap-server two.example;`, "16 c0000201", true},
	{`option routers 10.0.0.1 10.0.0.2;`, "1:25: semicolon expected.", false},
	{`option routers 10.0.0.1,;`, "1:25: expecting IP address or hostname", false},
	{`option routers;`, "1:15: expecting IP address or hostname", false},
	{`option subnet-mask 255.255.255.0, 255.255.255.0;`, "1:33: semicolon expected.", false},
	{`option routers 10.0.0;`, "1:22: too few numbers.", false},
	{`option host-name "a\"b\\c\x41\101\n";`, "12 6122625c6341410a", true},
	{`option host-name foo;`, "12 666f6f", true},
	{`option host-name 12;`, "1:18: expecting string.", false},
	{`option boot-size 65535;`, "13 ffff", true},
	{`option boot-size 65536;`, "1:18: 65536 is out of range, want 0 to 65535", false},
	{`option boot-size -1;`, "1:18: -1 is out of range, want 0 to 65535", true},
	{`option ip-forwarding on;`, "19 01", true},
	{`option ip-forwarding false;`, "19 00", true},
	{`option ip-forwarding 1;`, "1:22: expecting identifier.", false},
	{`option policy-filter 10.0.0.0 255.0.0.0, 10.1.0.0 255.255.0.0;`, "21 0a000000ff0000000a010000ffff0000", true},
	{`option policy-filter 10.0.0.0;`, "1:30: expecting IP address or hostname", false},
	{`option default-ip-ttl 255;`, "23 ff", true},
	{`option default-ip-ttl 256;`, "1:23: 256 is out of range, want 0 to 255", false},
	{`option path-mtu-plateau-table 68, 1500;`, "25 004405dc", true},
	{`option arp-cache-timeout 4294967295;`, "35 ffffffff", true},
	{`option vendor-encapsulated-options 1:2:AB:ff;`, "43 0102abff", true},
	{`option vendor-encapsulated-options "ab";`, "43 6162", true},
	{`option vendor-encapsulated-options 1:zz;`, "1:38: expecting hexadecimal number.", false},
	{`option vendor-encapsulated-options xy;`, "1:36: expecting string or hexadecimal data.", false},
	{`option vendor-class-identifier "PXEClient";`, "60 505845436c69656e74", true},
	{`option dhcp-renewal-time 100;`, "58 00000064", true},
	{`option slp-directory-agent true 10.0.0.1, 10.0.0.2;`, "78 010a0000010a000002", true},
	{`option slp-service-scope false "abc";`, "79 00616263", true},
	{`option slp-service-scope true;`, "79 01", true},
	{`option bcms-controller-names "a.b", "c.b";`, "88 01610162000163016200", true},
	{`option pxe-client-id 1 2:3;`, "97 010203", true},
	{`option domain-search "eng.apple.com.", "marketing.apple.com";`,
		"119 03656e67056170706c6503636f6d00096d61726b6574696e67c004", true}, // the example of RFC 3397
	{`option domain-search "a.b.a.b", "a.b";`, "119 0161016201610162" + "00" + "c004", true},
	{`option domain-search "a.com b.com";`, `1:22: "a.com b.com" is not one domain name`, true},
	{`option domain-search a.com;`, "1:22: Expecting a domain string.", false},
	{`option domain-search "";`, `1:22: domain "" of 0 octets`, true},
	{`option domain-search "a..b";`, `1:22: domain "a..b": label ""`, false},
	{`option rdnss-selection 1 10.0.0.1 10.0.0.2 "a.b", "c.b";`, "146 010a0000010a000002" + "0161016200" + "0163016200", true},
	{`option v4-lost lost.example.com;`, "137 046c6f7374076578616d706c6503636f6d00", true},
	{`option tftp-server-address 10.0.0.1;`, "150 0a000001", true},
	{`option v4-portparams 1 2 3;`, "159 01020003", true},
	{`option option-6rd 14 47 2001:db8:: 10.0.0.1, 10.0.0.2;`, "212 0e2f20010db80000000000000000000000000a0000010a000002", true},
	{`option unknown-224 1:2;`, "224 0102", true},
	{`option unknown-3 10:0:0:1;`, "1:18: 10: no such host", false}, // it has the form of routers
	{`option unknown-0 1;`, "Option codes 0 and 255 are illegal in the dhcp space.", false},
	{`option foo 1;`, "1:8: unknown option dhcp.foo", false},
	{`option foo.bar 1;`, "no option space named foo.", false},
	{`option 3 10.0.0.1;`, "1:8: expecting identifier.", false},
	{`supersede domain-name "x";`, "15 78", true},

	// Definitions.
	{`option a code 180 = boolean; option a on;`, "180 01", true},
	{`option a code 180 = integer 8; option a -1;`, "180 ff", true},
	{`option a code 180 = signed integer 16; option a -2;`, "180 fffe", true},
	{`option a code 180 = unsigned integer 32; option a 5;`, "180 00000005", true},
	{`option a code 180 = ip-address; option a 10.0.0.1;`, "180 0a000001", true},
	{`option a code 180 = ip6-address; option a ::1;`, "180 00000000000000000000000000000001", true},
	{`option a code 180 = text; option a "x";`, "180 78", true},
	{`option a code 180 = string; option a 1:2;`, "180 0102", true},
	{`option a code 180 = domain-name; option a x.y;`, "180 0178017900", true},
	{`option a code 180 = domain-list; option a "x.y", "z.y";`, "180 01780179" + "00017a017900", true},
	{`option a code 180 = domain-list compressed; option a "x.y", "z.y";`, "180 017801790001" + "7ac002", true},
	{`option a code 180 = array of ip-address; option a 10.0.0.1, 10.0.0.2;`, "180 0a0000010a000002", true},
	{`option a code 180 = array of integer 8; option a 1, 2;`, "180 0102", true},
	{`option a code 180 = { boolean, integer 32, text }; option a on 1772 "c";`, "180 01000006ec63", true},
	{`option a code 180 = array of { ip-address, integer 8 }; option a 10.0.0.1 1, 10.0.0.2 2;`, "180 0a000001010a00000202", true},
	{`option a code 180 = { integer 8, array of ip-address }; option a 1 10.0.0.1, 10.0.0.2;`, "180 010a0000010a000002", true},
	{`option rfc3442 code 121 = array of unsigned integer 8; option rfc3442 24, 10, 1, 2, 10, 0, 0, 1;`, "121 180a01020a000001", true},
	{`option host-name code 180 = integer 8; option host-name 1;`, "180 01", true},
	{`option a code 180 = integer 64;`, `"64" bit precision is not supported.`, false},
	{`option a code 180 = float;`, `unknown data type "float"`, false},
	{`option a code 180 = array of text;`, "arrays of text strings not yet supported.", false},
	{`option a code 180 = array of array of integer 8;`, "unknown data type", false},
	{`option a code 180 = array of { array of integer 8 };`, "no nested arrays.", false},
	{`option a code 180 = { text, integer 8 };`, "must be at end of record.", false},
	{`option a code 180 = { integer 8;`, "expecting right brace.", false},
	{`option a code 180 integer 8;`, `expecting "="`, false},
	{`option a code x = integer 8;`, `expecting number, not "x"`, false},
	{`option a code 255 = integer 8;`, `255 exceeds max (254)`, true},
	{`group { option a code 180 = boolean; }`, "option definitions may not be scoped.", false},

	// Spaces.
	{`option space s; option s.a code 2 = text; option s.b code 1 = integer 8; option s.a "x"; option s.b 7; vendor-option-space s;`,
		"43 010107020178", true},
	{`option space s; option s.a code 2 = text; option e code 181 = encapsulate s; option s.a "x";`, "181 020178", true},
	{`option space s code width 1 length width 1 hash size 3; option s.a code 2 = text; option s.a "x";`, "", true},
	{`option space s code width 2;`, "a code width of 2 octets is not supported", true},
	{`option space s code width 1 1;`, "Unexpected token.", false},
	{`option space s code size 1;`, `expecting "width"`, false},
	{`option space s code width x;`, `expecting number, not "x"`, false},
	{`option space s hash width 1;`, `expecting "size"`, false},
	{`option space 1;`, "expecting identifier.", false},
	{`option space s; option s.a code 2 = text; option e code 181 = encapsulate s; option other code 181 = text; option s.a "x";`, "", true},
	{`option space s; option e code 181 = { integer 8, encapsulate s };`, "a space is encapsulated by a standard option alone", true},
	{`option a code 180 = { integer 8, optional text };`, `unknown data type "optional"`, false},
	{`option space s; option space s;`, "option space s is declared twice", true},
	{`option space s; option s.a 1;`, "unknown option s.a", false},
	{`vendor-option-space s;`, "no option space named s.", true},
	{`option e code 181 = encapsulate s;`, "unknown option space s", false},
	{`group { option space s; }`, "option space definitions may not be scoped.", false},

	// Options that are something else.
	{`option dhcp-server-identifier 10.0.0.1;`, "", true},
	{`option dhcp-lease-time 60;`, "", true},
	{`option agent.circuit-id "x";`, "", true},
	{`option dhcp-client-identifier "x";`, "", true},
	{`option dhcp-parameter-request-list 1, 3;`, "option dhcp-parameter-request-list is not supported", true},
}

func TestOptions(t *testing.T) {
	for _, tc := range optionCases {
		c, err := load(t, tc.conf, LoadOptions{})
		if err != nil {
			first, _, _ := strings.Cut(err.Error(), "\n")
			if tc.want == "" || !strings.Contains(first, tc.want) {
				t.Errorf("%s\n got %v\nwant %s", tc.conf, err, tc.want)
			}
			continue
		}
		var got []string
		for _, o := range c.Scope.All.Options {
			got = append(got, fmt.Sprintf("%d %s", uint8(o.Code), hex.EncodeToString([]byte(o.Value))))
		}
		if g := strings.Join(got, ", "); g != tc.want {
			t.Errorf("%s\n got %s\nwant %s", tc.conf, g, tc.want)
		}
	}
}

// TestUnknownOptions checks that lenient mode lists an option of which nothing is known.
func TestUnknownOptions(t *testing.T) {
	c, err := load(t, `option foo 1; option dhcp6.domain-search "x"; option space s code width 2;`, LoadOptions{Lenient: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range c.Skipped {
		got = append(got, e.Pos.String())
	}
	if want := []string{"x:1:8", "x:1:22", "x:1:62"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", c.Skipped, want)
	}
}

// TestStandardOptions checks that each form of the tables can be read, and that no name or code is there twice.
func TestStandardOptions(t *testing.T) {
	names, codes := make(map[string]bool), make(map[dhcp4.OptionCode]bool)
	for _, o := range standardOptions {
		if names[o.name] || codes[o.code] {
			t.Errorf("%d %s is there twice", o.code, o.name)
		}
		names[o.name], codes[o.code] = true, true
	}
	if got := len(newSpaces().byName[dhcpSpace].byName); got != len(standardOptions) {
		t.Errorf("%d options, want %d", got, len(standardOptions))
	}
}

// TestOptionsOfSpacesByScope checks that an option which is made of the options of a space is made anew where one of
// those differs.
func TestOptionsOfSpacesByScope(t *testing.T) {
	c, err := load(t, `option space s; option s.a code 1 = integer 8; option s.b code 2 = integer 8; vendor-option-space s;
		option s.a 1;
		subnet 10.0.0.0 netmask 255.255.255.0 { option s.b 2; pool { range 10.0.0.1; option s.a 3; } }
		subnet 10.0.1.0 netmask 255.255.255.0 { }
		subnet 10.0.2.0 netmask 255.255.255.0 { option vendor-encapsulated-options 9; pool { range 10.0.2.1; option s.a 4; } }`, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	of := func(p Parameters) string {
		o, _ := p.Option(dhcp4.OptionVendorSpecificInformation)
		return hex.EncodeToString([]byte(o.Value))
	}
	for _, tc := range []struct {
		where     string
		scope     Scope
		own, all_ string
	}{
		{"global", c.Scope, "010101", "010101"},
		{"subnet that adds one", c.Networks[0].Scope, "010101020102", "010101020102"},
		{"pool that changes one", c.Networks[0].Pools[0].Scope, "010103020102", "010103020102"},
		{"subnet that says nothing", c.Networks[1].Scope, "", "010101"},
		{"subnet that gives the whole", c.Networks[2].Scope, "09", "09"},
		{"pool in it", c.Networks[2].Pools[0].Scope, "", "09"},
	} {
		if own, all := of(tc.scope.Own), of(tc.scope.All); own != tc.own || all != tc.all_ {
			t.Errorf("%s: got own %s all %s, want %s %s", tc.where, own, all, tc.own, tc.all_)
		}
	}
}
