package isc

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// load reads a configuration of one file named "x".
func load(t *testing.T, conf string, opts LoadOptions) (*Config, error) {
	t.Helper()
	if opts.Resolve == nil {
		opts.Resolve = resolve
	}
	return Load(fstest.MapFS{"x": {Data: []byte(conf)}}, "x", opts)
}

// resolve knows three names.
func resolve(host string) ([]netip.Addr, error) {
	switch host {
	case "one.example":
		return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
	case "two.example":
		return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("::ffff:192.0.2.2")}, nil
	case "six.example":
		return []netip.Addr{netip.MustParseAddr("2001:db8::1")}, nil
	}
	return nil, errors.New("no such host")
}

// Pieces of the configurations below.
const (
	peerDecl = `failover peer "f" { primary; address 10.0.0.2; peer address 10.0.0.3; mclt 60; split 128; load balance max seconds 3; }`
	peerPool = ` subnet 10.0.0.0 netmask 255.255.255.0 { pool { failover peer "f"; range 10.0.0.10 10.0.0.20; } }`
)

// statementCases are configurations, what Load says of them, and whether ISC dhcpd takes them.
var statementCases = []struct {
	name  string
	conf  string
	err   string // "line:column: message" of the first error; "" if there is none
	dhcpd bool   // dhcpd -t accepts it
}{
	// Syntax.
	{"an empty file", ``, ``, true},
	{"a comment", "# nothing", ``, true},
	{"keywords in any case", `DEFAULT-Lease-TIME 60;`, ``, true},
	{"a missing semicolon at the end", `default-lease-time 60`, `1:22: semicolon expected.`, false},
	{"a missing semicolon", "default-lease-time 60\nmax-lease-time 60;", `2:1: semicolon expected.`, false},
	{"a missing brace", `subnet 10.0.0.0 netmask 255.255.255.0 { `, `1:41: unexpected end of file`, false},
	{"one brace too many", `subnet 10.0.0.0 netmask 255.255.255.0 { } }`, `1:43: expecting a parameter or declaration`, false},
	{"a semicolon after a brace", `subnet 10.0.0.0 netmask 255.255.255.0 { };`, `1:42: expecting a parameter or declaration`, false},
	{"a semicolon after a key", `key k { algorithm hmac-md5; secret aGVsbG8=; };`, ``, true},
	{"a string without end", `filename "x;`, `1:10: eof in string constant`, false},
	{"an unknown statement", "\n  lease-tim 60;", `2:3: expecting a parameter or declaration: "lease-tim" is unknown`, false},
	{"an octet that is no word", `option domain-name "x"; @;`, `1:25: expecting a parameter or declaration, not "@"`, false},
	{"a number in octal", `default-lease-time 010;`, ``, true},
	{"a number in hexadecimal", `default-lease-time 0xff;`, ``, true},
	{"a number that is none", `default-lease-time 09;`, `1:20: Bogus number 09: not in base 8`, false},
	{"a word for a number", `default-lease-time long;`, `1:20: expecting number, not "long"`, false},
	{"a number out of range", `default-lease-time 4294967296;`, `1:20: 4294967296 is out of range, want 0 to 4294967295`, true},
	{"infinite", `default-lease-time infinite;`, ``, true},

	// Scopes.
	{"a shared network", `shared-network "n" { subnet 10.0.0.0 netmask 255.255.255.0 { } pool { range 10.0.0.1; } }`, ``, true},
	{"a shared network named without quotes", `shared-network a.b { subnet 10.0.0.0 netmask 255.255.255.0 { } }`, ``, true},
	{"a shared network without subnet", `shared-network n { }`, `1:1: empty shared-network decl`, false},
	{"a shared network without name", `shared-network "" { subnet 10.0.0.0 netmask 255.255.255.0 { } }`, `1:16: zero-length shared network name`, false},
	{"a shared network in another", `shared-network n { shared-network m { } }`, `1:20: shared-network parameters not allowed here.`, false},
	{"a subnet in a subnet", `subnet 10.0.0.0 netmask 255.0.0.0 { subnet 10.0.0.0 netmask 255.255.255.0 { } }`, `1:37: subnet declarations not allowed here.`, false},
	{"a subnet with host bits", `subnet 10.0.0.1 netmask 255.255.255.0 { }`, `1:1: subnet 10.0.0.1 netmask 255.255.255.0: bad subnet number/mask combination.`, false},
	{"a mask with holes", `subnet 10.0.0.0 netmask 255.0.255.0 { }`, `1:1: subnet 10.0.0.0 netmask 255.0.255.0: bad subnet number/mask combination.`, true},
	{"a subnet without mask", `subnet 10.0.0.0 { }`, `1:17: Expecting netmask`, false},
	{"half an address", `subnet 10.0.0 netmask 255.255.255.0 { }`, `1:15: too few numbers.`, false},
	{"an address with 256", `subnet 10.0.0.256 netmask 255.255.255.0 { }`, `1:15: 256 exceeds max (255) for precision.`, false},
	{"a subnet twice", `subnet 10.0.0.0 netmask 255.255.255.0 { } subnet 10.0.0.0 netmask 255.255.255.0 { }`, `1:43: subnet 10.0.0.0/24 overlaps subnet 10.0.0.0/24, declared at x:1:1`, true},
	{"a subnet within another", `subnet 10.0.0.0 netmask 255.255.255.0 { } subnet 10.0.0.0 netmask 255.0.0.0 { }`, `1:1: subnet 10.0.0.0/24 overlaps subnet 10.0.0.0/8, declared at x:1:43`, true},
	{"an interface", `subnet 10.0.0.0 netmask 255.255.255.0 { interface "eth0"; }`, ``, true},
	{"two interfaces", `subnet 10.0.0.0 netmask 255.255.255.0 { interface "eth0"; interface "eth1"; }`, `1:59: A subnet or shared network can't be connected to two interfaces.`, false},
	{"an interface of everything", `interface "eth0";`, `1:1: interface not allowed here.`, false},
	{"groups", `group { group g { default-lease-time 60; } host a { group g; } subnet 10.0.0.0 netmask 255.0.0.0 { group { host b { } } } }`, ``, true},
	{"a host of an unknown group", `host a { group g; }`, `1:16: unknown group g in host a`, false},
	{"a group in a host", `host a { group { } }`, `1:16: expecting string or identifier.`, false},
	{"a subnet in a pool", `subnet 10.0.0.0 netmask 255.255.255.0 { pool { range 10.0.0.1; subnet 10.1.0.0 netmask 255.255.0.0 { } } }`, `1:64: subnet declarations not allowed here.`, true},
	{"the subnets of a shared network in a group", `shared-network n { group { subnet 10.0.0.0 netmask 255.255.255.0 { } } }`, ``, false},

	// Pools and ranges.
	{"a range", `subnet 10.0.0.0 netmask 255.255.255.0 { range 10.0.0.5 10.0.0.9; }`, ``, true},
	{"a range of one", `subnet 10.0.0.0 netmask 255.255.255.0 { range 10.0.0.5; }`, ``, true},
	{"a range from high to low", `subnet 10.0.0.0 netmask 255.255.255.0 { range 10.0.0.9 10.0.0.5; }`, ``, true},
	{"a range for BOOTP", `subnet 10.0.0.0 netmask 255.255.255.0 { range dynamic-bootp 10.0.0.5 10.0.0.9; }`, ``, true},
	{"a range outside of its subnet", `subnet 10.0.0.0 netmask 255.255.255.0 { range 10.0.0.5 10.0.1.9; }`, `1:41: bad range, address 10.0.1.9 not in subnet 10.0.0.0/24`, false},
	{"a range that begins outside of its subnet", `subnet 10.0.1.0 netmask 255.255.255.0 { range 10.0.0.5 10.0.1.9; }`, `1:41: bad range, address 10.0.0.5 not in subnet 10.0.1.0/24`, false},
	{"a range of three", `subnet 10.0.0.0 netmask 255.255.255.0 { range 10.0.0.5 10.0.0.6 10.0.0.7; }`, `1:65: semicolon expected.`, false},
	{"a range in a shared network", `shared-network n { subnet 10.0.0.0 netmask 255.255.255.0 { } range 10.0.0.5; }`, `1:62: range declaration not allowed here.`, false},
	{"a range of everything", `range 10.0.0.5;`, `1:1: range declaration not allowed here.`, false},
	{"a pool of a shared network outside of its subnets", `shared-network n { subnet 10.0.0.0 netmask 255.255.255.0 { } pool { range 10.0.1.5; } }`, `1:69: address range not on network n`, false},
	{"a pool that is in two subnets", `shared-network n { subnet 10.0.0.0 netmask 255.255.255.0 { } subnet 10.0.1.0 netmask 255.255.255.0 { } pool { range 10.0.0.250 10.0.1.5; } }`, `1:111: bad range, address 10.0.1.5 not in subnet 10.0.0.0/24`, false},
	{"a pool before its subnet", `shared-network n { pool { range 10.0.0.5; } subnet 10.0.0.0 netmask 255.255.255.0 { } }`, ``, false},
	{"ranges that overlap", "subnet 10.0.0.0 netmask 255.255.255.0 {\n pool { range 10.0.0.5 10.0.0.9; }\n range 10.0.0.9 10.0.0.12; }", `3:2: lease 10.0.0.9 is declared twice! The other range is at x:2:9`, false},
	{"a range in a range", "subnet 10.0.0.0 netmask 255.255.255.0 {\n range 10.0.0.1 10.0.0.9; range 10.0.0.2; range 10.0.0.8; }", `2:27: lease 10.0.0.2 is declared twice! The other range is at x:2:2`, false},
	{"a pool without range", `subnet 10.0.0.0 netmask 255.255.255.0 { pool { } }`, `1:41: Pool declaration with no address range.`, false},
	{"a pool in a pool", `subnet 10.0.0.0 netmask 255.255.255.0 { pool { range 10.0.0.5; pool { } } }`, `1:64: pool declared within pool.`, false},
	{"a pool of everything", `pool { range 10.0.0.5; }`, `1:1: pool declared outside of network`, false},
	{"permissions of a pool", `subnet 10.0.0.0 netmask 255.255.255.0 { pool { range 10.0.0.5; allow known-clients; deny unknown clients; allow known clients; deny unknown-clients; allow all clients; deny dynamic bootp clients; } }`, ``, true},
	{"ignore in a pool", `subnet 10.0.0.0 netmask 255.255.255.0 { pool { range 10.0.0.5; ignore unknown-clients; } }`, ``, true},
	{"a permission that is none in a pool", `subnet 10.0.0.0 netmask 255.255.255.0 { pool { range 10.0.0.5; allow bootp; } }`, `1:70: expecting permit type.`, false},
	{"members of a class", `subnet 10.0.0.0 netmask 255.255.255.0 { pool { range 10.0.0.5; allow members of "c"; } }`, `1:70: members of a class are not supported`, false},
	{"authenticated clients", `subnet 10.0.0.0 netmask 255.255.255.0 { pool { range 10.0.0.5; allow authenticated clients; } }`, `1:70: authenticated clients are not supported`, true},
	{"permissions", `allow unknown-clients; deny bootp; ignore declines; allow booting; allow duplicates; deny client-updates; allow leasequery; allow dynamic-bootp;`, ``, true},
	{"a permission that is none", `allow everything;`, `1:7: expecting allow/deny key`, false},
	{"permissions as parameters", `boot-unknown-clients false; allow-bootp ignore; allow-booting on; declines off; duplicates on; leasequery on;`, ``, true},
	{"duplicates denied", `deny duplicates;`, `1:1: deny duplicates is not supported`, true},

	// Hosts.
	{"a host", `host a { hardware ethernet 8:0:27:D9:45:96; fixed-address 10.0.0.1, 10.0.1.1; option dhcp-client-identifier "x"; }`, ``, true},
	{"hardware of other types", `host a { hardware token-ring 1:2; } host b { hardware fddi 1:2; } host c { hardware infiniband 1:2; } host d { hardware unknown-12 1:2; }`, ``, true},
	{"hardware of no type", `host a { hardware arcnet 1:2; }`, `1:19: expecting a network hardware type`, false},
	{"hardware too long", `host a { hardware ethernet 1:2:3:4:5:6:7:8:9:a:b:c:d:e:f:10:11:12:13:14:15; }`, `1:10: hardware address too long`, false},
	{"hardware twice", `host a { hardware ethernet 1:2:3:4:5:6; hardware ethernet 1:2:3:4:5:6; }`, `1:41: Host a hardware address already configured.`, false},
	{"hardware with a large number", `host a { hardware ethernet 1:2:3:4:5:100; }`, `1:38: 100 exceeds max (255) for precision.`, false},
	{"hardware with a bad digit", `host a { hardware ethernet 1:2:3:4:5:0x6; }`, `1:38: Bogus number 0x6: not in base 16`, false},
	{"hardware of everything", `hardware ethernet 1:2:3:4:5:6;`, `1:1: hardware address parameter not allowed here.`, false},
	{"a fixed address of everything", `fixed-address 10.0.0.1;`, `1:1: fixed-address parameter not allowed here.`, false},
	{"fixed addresses twice", `host a { fixed-address 10.0.0.1; fixed-address 10.0.0.2; }`, `1:34: Only one fixed address declaration per host.`, false},
	{"a fixed address by name", `host a { fixed-address two.example; }`, ``, true},
	{"a host twice", `host a { hardware ethernet 1:2:3:4:5:6; } host a { hardware ethernet 1:2:3:4:5:7; }`, `1:43: host a: already exists`, false},
	{"a host without name", `host { }`, `1:6: expecting a name, not the end`, false},
	{"a host in a host", `host a { host b { } }`, `1:10: host declarations not allowed here.`, false},
	{"a uid", `host a { uid 1:2:3; } host b { uid "x"; }`, ``, true},
	{"a uid twice", `host a { uid 1:2:3; uid 1:2:3; }`, `1:21: Host 'a' already has a uid`, false},
	{"a host identifier", `host a { host-identifier option dhcp-client-identifier 1:2; }`, ``, true},
	{"a host identifier by another option", `host a { host-identifier option host-name "x"; }`, `1:10: host-identifier option host-name is not supported`, true},
	{"an authoritative host", `host a { authoritative; }`, `1:10: authority makes no sense here.`, false},

	// Parameters.
	{"authority", `authoritative; subnet 10.0.0.0 netmask 255.0.0.0 { not authoritative; }`, ``, true},
	{"not something", `not foo;`, `1:5: expecting assertion`, false},
	{"what the server can do", `default-lease-time 1; max-lease-time 2; min-lease-time 3; abandon-lease-time 4; ping-timeout 1; ping-timeout-ms 500;
		dhcp-cache-threshold 0; one-lease-per-client on; server-id-check true; always-broadcast off; echo-client-id true;
		use-host-decl-names on; filename "f"; server-name "s"; next-server 10.0.0.1; server-identifier 10.0.0.1; ping-check false;`, ``, true},
	{"what is as it is", `infinite-is-reserved off; min-secs 0; ignore-client-uids false; get-lease-hostnames false;
		use-lease-addr-for-default-route off; dont-use-fsync off; duplicates on; check-secs-byte-order off;
		adaptive-lease-time-threshold 100; ddns-updates off; ddns-update-style none; ping-cltt-secs 60;`, ``, true},
	{"what does nothing", `delayed-ack 28; max-ack-delay 1000; stash-agent-options false; update-static-leases on; ddns-domainname "x";
		ddns-hostname "x"; ddns-rev-domainname "y"; ddns-ttl 60; do-forward-updates off; update-optimization off;
		update-conflict-detection off; log-threshold-low 80; log-threshold-high 90; always-reply-rfc1048 on;
		preferred-lifetime 5; dhcpv6-lease-file-name "x"; limit-addrs-per-ia 3; zone x.example. { primary 10.0.0.1; } release-on-roam on;`, ``, true},
	{"an adaptive lease time", `adaptive-lease-time-threshold 80;`, `1:1: adaptive-lease-time-threshold is not supported: leases do not become shorter`, true},
	{"reserved leases", `infinite-is-reserved on;`, `1:1: infinite-is-reserved is not supported`, true},
	{"min-secs", `min-secs 1;`, `1:1: min-secs is not supported`, true},
	{"secs in the other byte order", `check-secs-byte-order on;`, `1:1: check-secs-byte-order is not supported`, true},
	{"no client identifiers", `ignore-client-uids on;`, `1:1: ignore-client-uids is not supported`, true},
	{"host names from the DNS", `get-lease-hostnames on;`, `1:1: get-lease-hostnames is not supported`, true},
	{"the client as its router", `use-lease-addr-for-default-route on;`, `1:1: use-lease-addr-for-default-route is not supported`, true},
	{"no fsync", `dont-use-fsync on;`, `1:1: dont-use-fsync is not supported: a lease is durable before its client is told`, true},
	{"updates of the DNS", `ddns-updates on;`, `1:1: ddns-updates is not supported: this server makes no updates of the DNS`, true},
	{"a style of updates", `ddns-update-style interim;`, `1:1: ddns-update-style other than none is not supported`, true},
	{"an unknown style of updates", `ddns-update-style foo;`, `1:19: unknown value`, false},
	{"a flag that is none", `ping-check maybe;`, `1:12: expecting boolean.`, false},
	{"a flag that is a number", `ping-check 1;`, `1:12: expecting identifier.`, false},
	{"a percentage too large", `dhcp-cache-threshold 101;`, `1:22: 101 is out of range, want 0 to 100`, true},
	{"an address of a name that has two", `next-server two.example;`, `1:13: one address is wanted here, the name has 2`, true},
	{"a name without IPv4 address", `next-server six.example;`, `1:13: six.example has no IPv4 address`, true},
	{"an unknown name", `next-server no.example;`, `1:13: no.example: no such host`, true},
	{"process parameters", `lease-file-name "/tmp/l"; pid-file-name "/tmp/p"; local-port 67; remote-port 68; local-address 127.0.0.1;
		limited-broadcast-address 255.255.255.255; log-facility local7; db-time-format local; lease-id-format hex; omapi-port 7911;`, ``, true},
	{"an unknown log facility", `log-facility foo;`, `1:14: unknown value`, false},
	{"a time format that is none", `db-time-format foo;`, `1:16: Expecting 'local' or 'default'.`, false},
	{"an OMAPI key", `omapi-key k; key k { algorithm hmac-md5; secret "aGVsbG8="; }`, ``, true},
	{"an OMAPI key that does not exist", `omapi-key k;`, `1:1: OMAPI key k: not found`, false},
	{"a key with two secrets", `key k { secret aGVsbG8=; secret aGVsbG8=; }`, `1:26: key k: too many secrets`, false},
	{"a secret that is not in base 64", `key k { algorithm hmac-md5; secret @; }`, `1:29: key k: the secret is not in base 64`, false},
	{"LDAP", `ldap-server "x";`, `1:1: ldap-server is not supported: the configuration is read from files alone`, false},
	{"a file name too long", `filename "` + strings.Repeat("x", 129) + `";`, `1:10: 129 octets are too long, at most 128 are possible`, true},
	{"a server DUID", `server-duid LL;`, ``, true},
	{"a site option space", `site-option-space "x";`, `1:1: site-option-space is not supported`, true},
	{"what belongs in the lease file", `authoring-byte-order little-endian;`, `1:1: authoring-byte-order belongs in the lease file`, false},

	// What is not supported.
	{"classes", `class "c" { match hardware; }`, `1:1: class is not supported`, true},
	{"conditions", `if option host-name = "x" { default-lease-time 60; } elsif known { } else { max-lease-time 60; }`, `1:1: if is not supported`, true},
	{"events", `on commit { set x = "1"; }`, `1:1: on is not supported`, true},
	{"an expression", `option domain-name = "x";`, `1:20: an expression is not supported`, true},
	{"DHCPv6", `subnet6 2001:db8::/64 { }`, `1:1: subnet6 is not supported: this server is for DHCPv4`, false},

	// Failover.
	{"a peer", peerDecl + peerPool, ``, true},
	{"a peer in a shared network", `shared-network n { ` + peerDecl + peerPool + ` }`, ``, true},
	{"a peer declared after its pool", peerPool + peerDecl, ``, false},
	{"a peer without pool", peerDecl, `1:15: ERROR: Failover peer, f, has no referring pools.`, false},
	{"a peer that a shared network alone names", peerDecl + ` shared-network n { failover peer "f"; subnet 10.0.0.0 netmask 255.255.255.0 { pool { range 10.0.0.5; } } }`, `1:15: ERROR: Failover peer, f, has no referring pools.`, false},
	{"a pool that leaves the peer of its shared network", peerDecl + peerPool + ` shared-network n { failover peer "f"; subnet 10.0.1.0 netmask 255.255.255.0 { pool { no failover peer range dynamic-bootp 10.0.1.5; } } }`, ``, true},
	{"a pool that leaves its peer with a semicolon", peerDecl + peerPool + ` shared-network n { failover peer "f"; subnet 10.0.1.0 netmask 255.255.255.0 { pool { no failover peer; range dynamic-bootp 10.0.1.5; } } }`, ``, false},
	{"an include right behind no failover peer", peerDecl + ` shared-network n { failover peer "f"; subnet 10.0.1.0 netmask 255.255.255.0 { pool { no failover peer include "y"; } } }`, `semicolon expected.`, false},
	{"no failover peer outside of a pool", `no failover peer;`, `1:1: expecting a parameter or declaration, not "no"`, false},
	{"a pool of an unknown peer", peerPool, `1:63: failover peer f: not found`, false},
	{"a pool of a peer without quotes", peerDecl + ` subnet 10.0.0.0 netmask 255.255.255.0 { pool { failover peer f; range 10.0.0.5; } }`, `1:182: expecting failover peer name.`, false},
	{"a shared network of an unknown peer", `shared-network n { failover peer "f"; subnet 10.0.0.0 netmask 255.255.255.0 { } }`, `1:34: reference to unknown failover peer f`, false},
	{"a reference outside of networks", peerDecl + peerPool + ` failover peer "f";`, `failover peer reference not in shared-network declaration`, false},
	{"a peer twice", peerDecl + peerPool + "\n" + peerDecl, `2:15: redeclaration of failover peer f`, false},
	{"a peer in a subnet", `subnet 10.0.0.0 netmask 255.255.255.0 { failover peer "f" { } }`, `1:41: failover peers may only be defined in shared-network declarations and the outer scope.`, false},
	{"BOOTP from a pool with a peer", peerDecl + ` subnet 10.0.0.0 netmask 255.255.255.0 { pool { failover peer "f"; range dynamic-bootp 10.0.0.10; } }`, `dynamic-bootp flag is not permitted for address range declarations where there is a failover peer in scope.`, false},
	{"BOOTP clients from a pool with a peer", peerDecl + ` subnet 10.0.0.0 netmask 255.255.255.0 { pool { failover peer "f"; allow dynamic bootp clients; range 10.0.0.10; } }`, ``, true},
}

func TestStatements(t *testing.T) {
	for _, tc := range statementCases {
		t.Run(tc.name, func(t *testing.T) {
			_, err := load(t, tc.conf, LoadOptions{})
			if tc.err == "" {
				if err != nil {
					t.Errorf("%s\n%v", tc.conf, err)
				}
				return
			}
			if err == nil {
				t.Fatalf("%s\naccepted, want %s", tc.conf, tc.err)
			}
			first, _, _ := strings.Cut(err.Error(), "\n")
			if !strings.Contains(first, tc.err) || !strings.HasPrefix(first, "x:") {
				t.Errorf("%s\n got %s\nwant x:%s", tc.conf, first, tc.err)
			}
		})
	}
}

// TestStatementsInLenientMode checks that lenient mode differs by what is not supported or not known, and by nothing else.
func TestStatementsInLenientMode(t *testing.T) {
	for _, tc := range statementCases {
		c, err := load(t, tc.conf, LoadOptions{Lenient: true})
		passes := tc.err == "" || strings.Contains(tc.err, "not supported") || strings.Contains(tc.err, " is unknown")
		if (err == nil) != passes {
			t.Errorf("%s: %s\n%v", tc.name, tc.conf, err)
		}
		if err != nil {
			continue
		}
		if (len(c.Skipped) > 0) != (tc.err != "") {
			t.Errorf("%s: skipped %v, want %s", tc.name, c.Skipped, tc.err)
		}
		for _, e := range c.Skipped {
			if !errors.Is(&e, errors.ErrUnsupported) {
				t.Errorf("%s: %v is not ErrUnsupported", tc.name, &e)
			}
		}
	}
}

// TestAgainstDhcpd asks ISC dhcpd itself, where it is installed, whether it takes each configuration of the tables.
func TestAgainstDhcpd(t *testing.T) {
	dhcpd, err := exec.LookPath("dhcpd")
	if err != nil {
		if dhcpd, err = exec.LookPath("/usr/sbin/dhcpd"); err != nil {
			t.Skip("dhcpd is not installed")
		}
	}
	if testing.Short() {
		t.Skip("it is started once for each configuration")
	}
	if v, _ := exec.Command(dhcpd, "--version").CombinedOutput(); !strings.Contains(string(v), "isc-dhcpd-4.4.3") {
		t.Skipf("the tables are about 4.4.3, this is %s", v)
	}
	dir := t.TempDir()
	leases := filepath.Join(dir, "leases")
	if err := os.WriteFile(leases, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ask := func(conf string) (accepted bool, said string) {
		file := filepath.Join(dir, "conf")
		if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(dhcpd, "-4", "-t", "-cf", file, "-lf", leases).CombinedOutput()
		return err == nil, string(out)
	}
	if ok, said := ask(""); !ok {
		t.Skipf("dhcpd does not run here: %s", said)
	}
	for _, tc := range statementCases {
		if ok, said := ask(tc.conf); ok != tc.dhcpd {
			t.Errorf("%s\n%s\naccepted: %v\n%s", tc.name, tc.conf, ok, said)
		}
	}
	for _, tc := range peerCases {
		conf := `failover peer "f" { ` + tc.body + ` }` + peerPool
		if ok, said := ask(conf); ok != tc.dhcpd {
			t.Errorf("%s\n%s\naccepted: %v\n%s", tc.name, conf, ok, said)
		}
	}
	for _, tc := range optionCases {
		if ok, said := ask(tc.conf); ok != tc.dhcpd {
			t.Errorf("%s\naccepted: %v\n%s", tc.conf, ok, said)
		}
	}
	for _, o := range standardOptions {
		conf := "option " + o.name + sample(standardForm(o.form)) + ";"
		if ok, said := ask(conf); !ok {
			t.Errorf("%s\n%s", conf, said)
		}
		if _, err := load(t, conf, LoadOptions{}); err != nil && o.code != dhcp4.OptionParameterRequestList {
			t.Error(err)
		}
	}
}

// sample returns a value of the form f, with two elements of an array.
func sample(f form) string {
	one := ""
	for _, fd := range f.fields {
		v := map[fieldKind]string{
			fieldAddr: "10.0.0.1", fieldAddr6: "2001:db8::1", fieldFlag: "on", fieldText: `"x"`, fieldData: "1:2", fieldDomain: "x.example",
			fieldDomains: `"x.example", "y.example"`, fieldPackedDomains: `"x.example", "y.example"`, fieldNothing: "",
		}[fd.kind]
		if fd.kind >= fieldInt8 && fd.kind <= fieldUint32 {
			v = "100"
		}
		if fd.array {
			v += ", " + v
		}
		one += " " + v
	}
	if f.array {
		one += "," + one
	}
	return one
}
