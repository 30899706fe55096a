//go:build linux

package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A relation is a failover relationship of the two servers of a lab, and its pool.
type relation struct {
	name        string
	primary     string // the node
	first, last string // of its range
	permit      string // of its pool
	peer        string // further statements of the failover peer
}

// linkLease is the lease time, linkMCLT the MCLT of the pairs that linkConfig makes.
const (
	linkLease = 600 * time.Second
	linkMCLT  = 60 * time.Second
)

// linkConfig is the dhcpd.conf of a node. Hosts are known clients. A server that has just heard of a lease from its partner
// would answer the DHCPREQUEST for it, too, but for server-id-check.
func linkConfig(node string, hosts []string, all ...relation) string {
	var b strings.Builder
	other := nodeSecondary
	if node == nodeSecondary {
		other = nodePrimary
	}
	fmt.Fprintf(&b, "authoritative;\nping-check off;\nserver-id-check on;\ndefault-lease-time %[1]d;\nmax-lease-time %[1]d;\n", int(linkLease.Seconds()))
	for _, r := range all {
		role := "secondary;"
		if r.primary == node {
			role = fmt.Sprintf("primary; mclt %d; split 128;", int(linkMCLT.Seconds()))
		}
		fmt.Fprintf(&b, "failover peer %q {\n  %s\n  address %v; port 647; peer address %v; peer port 647;\n"+
			"  max-response-delay 10; max-unacked-updates 10; load balance max seconds 3;\n  %s\n}\n",
			r.name, role, serverAddr[node], serverAddr[other], r.peer)
	}
	for i, mac := range hosts {
		fmt.Fprintf(&b, "host h%d { hardware ethernet %s; }\n", i, mac)
	}
	fmt.Fprintf(&b, "subnet 10.0.10.0 netmask 255.255.255.0 {\n")
	for _, r := range all {
		fmt.Fprintf(&b, "  pool { failover peer %q; range %s %s; %s }\n", r.name, r.first, r.last, r.permit)
	}
	return b.String() + "}\n"
}

// tandems skips the test if another dhcpd is under test, which does not have the flags.
func tandems(t *testing.T) {
	t.Helper()
	for _, env := range []string{envProgram, envProgram + "_S1", envProgram + "_S2"} {
		if os.Getenv(env) != "" {
			t.Skipf("of Tandem alone: %s is set", env)
		}
	}
}

// linkPair makes a lab with a pair of servers, which know the same relationships. They are not started.
func linkPair(t *testing.T, clients int, hosts []string, all ...relation) *pair {
	t.Helper()
	l := newLab(t, clients)
	p := &pair{l, l.server(nodePrimary, linkConfig(nodePrimary, hosts, all...)), l.server(nodeSecondary, linkConfig(nodeSecondary, hosts, all...))}
	p.share("")
	return p
}

// one is the relationship of the pairs that have one.
var one = relation{name: "one", primary: nodePrimary, first: "10.0.10.10", last: "10.0.10.49"}

// Two relationships between the same two addresses, the other way round in each, in one process on either side. Known
// clients are given addresses of the one, others of the other. Each has its own secret, and both one certificate.
func TestTwoRelationships(t *testing.T) {
	long(t)
	tandems(t)
	t.Parallel()
	known, unknown := macs(6, 1, ""), macs(6, 1000, "")
	var hosts []string
	for _, mac := range known {
		hosts = append(hosts, mac.String())
	}
	two := relation{name: "two", primary: nodeSecondary, first: "10.0.10.60", last: "10.0.10.99", permit: "deny known-clients;"}
	first := one
	first.permit = "deny unknown-clients;"
	p := linkPair(t, 1, hosts, first, two)
	ca := newCA(t)
	for _, s := range []*server{p.primary, p.secondary} {
		s.args = append(s.tls(ca), s.secret("one", "a secret of the first"), s.secret("two", "another of the second"))
		s.start()
	}
	for _, s := range []*server{p.primary, p.secondary} {
		for _, r := range []relation{first, two} {
			s.waitLog(t, 2*normalPeriod, s.run, `failover peer `+r.name+`: I move from \S+ to normal`)
		}
	}
	station := p.probe("c1")
	for _, group := range []struct {
		relation
		clients []*player
	}{{first, station.crowd(known)}, {two, station.crowd(unknown)}} {
		for _, c := range group.clients {
			a, err := c.acquire(within(t, clientPeriod))
			if err != nil {
				t.Fatal(err)
			}
			if c.addr.Less(netip.MustParseAddr(group.first)) || netip.MustParseAddr(group.last).Less(c.addr) {
				t.Errorf("%v is given %v, which is not of relationship %s", c.mac, c.addr, group.name)
			}
			if got := a.IPAddressLeaseTime(0); got != linkMCLT {
				t.Errorf("the lease is %v long, want %v", got, linkMCLT)
			}
		}
	}
	p.agree(t, agreePeriod)
	p.secondary.kill()
	p.secondary.start()
	for _, r := range []relation{first, two} {
		p.secondary.waitLog(t, 3*normalPeriod, p.secondary.run, `failover peer `+r.name+`: I move from \S+ to normal`)
	}
	p.agree(t, agreePeriod)
}

// Two servers whose secrets or certificates fit become normal; others do not, both say why, and they do not try again
// and again.
func TestLinkSecurity(t *testing.T) {
	long(t)
	tandems(t)
	type flags func(s *server) []string
	ours, theirs := newCA(t), newCA(t)
	secret := func(text string) flags { return func(s *server) []string { return []string{s.secret("one", text)} } }
	certified := func(by *authority) flags { return func(s *server) []string { return s.tls(by) } }
	plain := func(*server) []string { return nil }
	for _, c := range []struct {
		name               string
		primary, secondary flags
		says               [2]string // patterns; "" where they become normal
	}{
		{"equal secrets", secret("one and the same secret"), secret("one and the same secret"), [2]string{}},
		{"other secrets", secret("one and the same secret"), secret("not one and the same secret"),
			[2]string{`failover peer one: .*message digest`, `failover peer one: .*message digest`}},
		{"a secret on the primary alone", secret("one and the same secret"), plain,
			[2]string{`failover peer one: .*digest`, `failover peer one: .*digest`}},
		{"a secret on the secondary alone", plain, secret("one and the same secret"),
			[2]string{`failover peer one: .*digest`, `failover peer one: .*missing message digest`}},
		{"certificates of one authority", certified(ours), certified(ours), [2]string{}},
		{"certificates of two authorities", certified(ours), certified(theirs),
			[2]string{`failover peer one: TLS: .*certificate`, `failover peer one: TLS: .*certificate`}},
		{"TLS on the primary alone", certified(ours), plain, [2]string{`peer does not speak TLS`, `peer speaks TLS`}},
		{"TLS on the secondary alone", plain, certified(ours), [2]string{`TLS required`, `peer does not speak TLS`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := linkPair(t, 0, nil, one)
			p.primary.args, p.secondary.args = c.primary(p.primary), c.secondary(p.secondary)
			if c.says == [2]string{} {
				p.meet(t)
				return
			}
			p.primary.start()
			p.secondary.start()
			p.primary.waitLog(t, 2*normalPeriod, 0, c.says[0])
			p.secondary.waitLog(t, 2*normalPeriod, 0, c.says[1])
			for i, s := range []*server{p.primary, p.secondary} {
				if log := strings.Join(s.log.since(0), "\n"); strings.Contains(log, "to normal") || strings.Contains(log, "connected to") {
					t.Errorf("server %d is connected:\n%s", i+1, log)
				}
			}
		})
	}
}

// A Tandem that demands a secret or TLS beside an ISC dhcpd says that it will not do, and ISC lives on, alone.
func TestLinkSecurityBesideISC(t *testing.T) {
	long(t)
	tandems(t)
	isc := swapISC(t)
	ca := newCA(t)
	for _, c := range []struct {
		name string
		isc  string // its node
		args func(s *server) []string
		says string
	}{
		{"a secret, ISC secondary", nodeSecondary, func(s *server) []string { return []string{s.secret("one", "one and the same secret")} },
			`failover peer one: CONNECTACK: .*missing message digest`},
		{"a secret, ISC primary", nodePrimary, func(s *server) []string { return []string{s.secret("one", "one and the same secret")} },
			`failover peer one: CONNECT: .*missing message digest`},
		{"TLS, ISC secondary", nodeSecondary, func(s *server) []string { return s.tls(ca) }, `failover peer one: .*peer does not speak TLS`},
		{"TLS, ISC primary", nodePrimary, func(s *server) []string { return s.tls(ca) }, `failover peer one: .*peer does not speak TLS`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := linkPair(t, 0, nil, one)
			theirs := p.byNode(c.isc)
			theirs.file = isc.file
			ours := p.other(theirs)
			ours.args = c.args(ours)
			theirs.start()
			theirs.serving(t)
			ours.start()
			ours.waitLog(t, 30*time.Second, 0, c.says) // ISC waits 15 s before it gives a silent connection up
			// Its own attempts go on, one every five seconds. Where it has no word for it, it has none in this time either.
			ctx, from := within(t, 20*time.Second), theirs.log.len()
			for range 3 {
				if _, err := theirs.log.wait(ctx, from, regexp.MustCompile(`[Ff]ailover|message length`).MatchString); err != nil {
					break
				}
				from = theirs.log.len()
			}
			if !theirs.proc.running() {
				t.Error("ISC has exited")
			}
			lines := theirs.log.since(0)
			if len(lines) > 200 {
				t.Errorf("ISC has written %d lines", len(lines))
			}
			for _, line := range lines {
				if strings.Contains(line, "to normal") || strings.Contains(line, "to shutdown") {
					t.Errorf("ISC: %s", line)
				}
			}
		})
	}
}

// Flags that cannot be are refused at the start, by -t too, with the flag and the file.
func TestLinkFlagMistakes(t *testing.T) {
	tandems(t)
	if testing.Short() {
		t.Skip("builds a program: not with -short")
	}
	dir, ca := t.TempDir(), newCA(t)
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	conf := file("dhcpd.conf", linkConfig(nodePrimary, nil, one), 0o600)
	cert, key := ca.issue(serverAddr[nodePrimary])
	certFile, keyFile, caFile := file("cert", cert, 0o600), file("key", key, 0o600), file("ca", ca.text, 0o600)
	good, short := file("good", "a secret that is long enough\n", 0o600), file("short", "too short\n", 0o600)
	open := file("open", "a secret that is long enough\n", 0o644)
	for _, c := range []struct {
		name string
		args []string
		says string // a pattern; "" if they are right
	}{
		{"all is well", []string{"-failover-secret", "one=" + good, "-failover-cert", certFile, "-failover-key", keyFile, "-failover-ca", caFile}, ""},
		{"no such file", []string{"-failover-secret", dir + "/none"}, `-failover-secret: .*one: .*/none: no such file`},
		{"a short secret", []string{"-failover-secret", short}, `-failover-secret: .*one: .*/short: 9 octets, want at least 16`},
		{"a secret that everybody may read", []string{"-failover-secret", open}, `-failover-secret: .*one: .*/open: everybody may read`},
		{"a wait without a unit", []string{"-failover-ack-wait", "50"}, `-failover-ack-wait: .*one: 50: want a duration`},
		{"a wait too long", []string{"-failover-ack-wait", "one=2s"}, `-failover-ack-wait: .*one: 2s: want a duration of up to 1s`},
		{"no such relationship", []string{"-failover-secret", "three=" + good}, `-failover-secret three=\S+: .* no failover peer three`},
		{"two secrets", []string{"-failover-secret", good, "-failover-secret", good}, `-failover-secret: given twice`},
		{"a certificate without its key", []string{"-failover-cert", certFile, "-failover-ca", caFile}, `one: TLS needs .* there is no -failover-key`},
		{"a key of another certificate", []string{"-failover-cert", caFile, "-failover-key", keyFile, "-failover-ca", caFile}, `-failover-cert: .*one: \S+/ca with -failover-key \S+/key: `},
		{"no authority", []string{"-failover-cert", certFile, "-failover-key", keyFile, "-failover-ca", good}, `-failover-ca: .*one: \S+/good: no certificate`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, out := runConfigTest(t, append([]string{"-cf", conf}, c.args...)...)
			if c.says == "" {
				if status != 0 {
					t.Errorf("exit status %d\n%s", status, out)
				}
				return
			}
			if status == 0 || !regexp.MustCompile(c.says).MatchString(out) {
				t.Errorf("exit status %d, want another than 0 and %q in\n%s", status, c.says, out)
			}
		})
	}
}

// secret gives the server a file with the secret of a relationship, and returns the flag.
func (s *server) secret(name, text string) string {
	s.lab.t.Helper()
	path := filepath.Join(s.dir, "secret-"+name)
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		s.lab.t.Fatal(err)
	}
	return "-failover-secret=" + name + "=" + path
}

// tls gives the server a certificate, and returns the flags.
func (s *server) tls(a *authority) []string {
	s.lab.t.Helper()
	cert, key := a.issue(s.addr)
	s.write("cert.pem", cert)
	s.write("key.pem", key)
	s.write("ca.pem", a.text)
	file := func(name string) string { return filepath.Join(s.dir, name) }
	return []string{"-failover-cert", file("cert.pem"), "-failover-key", file("key.pem"), "-failover-ca", file("ca.pem")}
}

// An authority signs the certificates of servers.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	text string // PEM
}

func newCA(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a := &authority{t: t, key: key}
	var der []byte
	if err == nil {
		der, err = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	}
	if err == nil {
		a.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.text = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return a
}

// issue returns a certificate for an address and its key, in PEM.
func (a *authority) issue(addr netip.Addr) (cert, key string) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	var der, secret []byte
	if err == nil {
		der, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: addr.String()}, IPAddresses: []net.IP{addr.AsSlice()},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}, a.cert, private.Public(), a.key)
	}
	if err == nil {
		secret, err = x509.MarshalPKCS8PrivateKey(private)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}
