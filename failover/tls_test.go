package failover

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// authority signs certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// The bubbles of synctest begin in the year 2000.
var notBefore, notAfter = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: notBefore, NotAfter: notAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, key := a.sign(template, template)
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.key = key
	return a
}

func (a *authority) sign(template, parent *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	signer := a.key
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	return der, key
}

// config is that of the server me, which believes a about the server peer.
func (a *authority) config(me, peer string) *tls.Config {
	der, key := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: me}, DNSNames: []string{me}, NotBefore: notBefore, NotAfter: notAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert)
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		RootCAs:      roots,
		ServerName:   peer,
	}
}

func TestTLSPairs(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	one, two := ours.config("one.test", "two.test"), ours.config("two.test", "one.test")
	tests := []struct {
		name                       string
		primary, secondary         *tls.Config // nil is without TLS
		primarySays, secondarySays string      // "" if they get along
	}{
		{"both", one, two, "", ""},
		{"only the primary", one, nil, "peer does not speak TLS", "peer speaks TLS"},
		{"only the secondary", nil, two, "TLS required but not supported by partner: this server speaks TLS only", "peer does not speak TLS"},
		{"the primary's authority is unknown", theirs.config("one.test", "two.test"), two, "certificate", "certificate"},
		{"the primary has another name", ours.config("three.test", "two.test"), two, "bad certificate", "not one.test"},
		{"the secondary has another name", one, ours.config("three.test", "one.test"), "not two.test", "bad certificate"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{}
				start := func(role Role, c *tls.Config) *server {
					tr := Transport(pipeTransport{w, int(role)})
					if c != nil {
						tr = TLS{tr, c}
					}
					return startNode(t, role, tr, nil)
				}
				p, s := start(Primary, tc.primary), start(Secondary, tc.secondary)
				time.Sleep(time.Minute) // of the bubble
				synctest.Wait()
				if tc.primarySays == "" {
					p.want(t, Normal)
					s.want(t, Normal)
					return
				}
				for _, n := range []*server{p, s} {
					if st := n.Status(); st.Connected || st.Partner != 0 {
						t.Errorf("%v is connected %v to a partner in %v", n.cfg.Role, st.Connected, st.Partner)
					}
				}
				p.wantSaid(t, tc.primarySays)
				s.wantSaid(t, tc.secondarySays)
			})
		})
	}
}

// TestTLSStrangers has those come who speak something else.
func TestTLSStrangers(t *testing.T) {
	ca := newAuthority(t)
	two := ca.config("two.test", "one.test")
	t.Run("ISC dhcpd", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{}
			n := startNode(t, Secondary, TLS{pipeTransport{w, 1}, two}, nil)
			synctest.Wait()
			isc := dialScript(t, pipeTransport{w, 0})
			isc.send(&Frame{Time: time.Now(), Body: connectBody("ha-dhcp", time.Hour)})
			if b, ok := isc.read().Body.(*ConnectAck); !ok || b.Reason != RejectTLSRequired || b.Name != "ha-dhcp" {
				t.Errorf("it is answered by %v", b)
			}
			isc.end()
			synctest.Wait()
			n.wantSaid(t, "peer does not speak TLS")
		})
	})
	t.Run("one without a certificate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{}
			n := startNode(t, Secondary, TLS{pipeTransport{w, 1}, two}, nil)
			synctest.Wait()
			c, err := pipeTransport{w, 0}.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			bare := tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocolTLS}})
			defer bare.Close()
			b := encode(t, &Frame{Time: time.Now(), Body: connectBody("ha-dhcp", time.Hour)})
			if _, err = bare.Write(b); err == nil {
				_, err = bare.Read(make([]byte, 1))
			}
			if err == nil {
				t.Error("it is answered")
			}
			synctest.Wait()
			if n.Status().Connected {
				t.Error("it is connected")
			}
			n.wantSaid(t, "certificate")
		})
	})
	t.Run("one that says nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{}
			n := startNode(t, Primary, TLS{pipeTransport{w, 0}, two}, nil)
			synctest.Wait()
			began := time.Now()
			dialScript(t, pipeTransport{w, 1}).end()
			if d := time.Since(began); d > handshakeTime {
				t.Errorf("it is waited for %v", d)
			}
			n.wantSaid(t, "peer does not speak TLS, or hangs up")
		})
	})
}

func TestTLSValidate(t *testing.T) {
	ca := newAuthority(t)
	tests := []struct {
		field string // "" is fine
		edit  func(*TLS)
	}{
		{"", func(*TLS) {}},
		{"", func(s *TLS) { s.Config.ClientAuth = tls.RequireAndVerifyClientCert }},
		{"Transport", func(s *TLS) { s.Transport = nil }},
		{"Config", func(s *TLS) { s.Config = nil }},
		{"Config.Certificates", func(s *TLS) { s.Config.Certificates = nil }},
		{"Config.InsecureSkipVerify", func(s *TLS) { s.Config.InsecureSkipVerify = true }},
		{"Config.RootCAs", func(s *TLS) { s.Config.RootCAs = nil }},
		{"Config.ServerName", func(s *TLS) { s.Config.ServerName = "" }},
		{"Config.ClientAuth", func(s *TLS) { s.Config.ClientAuth = tls.RequestClientCert }},
		{"Config.ClientAuth", func(s *TLS) { s.Config.ClientAuth = tls.RequireAnyClientCert }},
		{"Config.GetConfigForClient", func(s *TLS) {
			s.Config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil }
		}},
		{"Config.MaxVersion", func(s *TLS) { s.Config.MaxVersion = tls.VersionTLS12 }},
	}
	for _, tc := range tests {
		s := TLS{pipeTransport{&wire{}, 0}, ca.config("one.test", "two.test")}
		tc.edit(&s)
		err := s.Validate()
		if tc.field == "" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), "failover: TLS."+tc.field+" is ") {
			t.Errorf("%s: got %v", tc.field, err)
		}
		if _, again := s.Dial(t.Context()); again == nil || again.Error() != err.Error() {
			t.Errorf("%s: Dial says %v", tc.field, again)
		}
		if _, again := s.Listen(t.Context()); again == nil || again.Error() != err.Error() {
			t.Errorf("%s: Listen says %v", tc.field, again)
		}
	}
	bad := TLS{Transport: TCP{}}
	cfg := Config{}
	if _, err := NewEndpoint(cfg, nil, Options{Transport: bad}); err == nil || err.Error() != bad.Validate().Error() {
		t.Errorf("NewEndpoint says %v", err)
	}
}

// loopback is the TCP transports of two servers on this machine, each with an address of its own.
func loopback(t *testing.T) (pair [2]TCP) {
	t.Helper()
	for i, a := range []string{"127.0.0.1:0", "127.0.0.2:0"} {
		ln, err := net.Listen("tcp4", a)
		if err != nil {
			t.Skipf("no second loopback address: %v", err)
		}
		t.Cleanup(func() { ln.Close() })
		pair[i].Listener, pair[i].Local = ln, netip.MustParseAddrPort(ln.Addr().String())
		pair[1-i].Partner = pair[i].Local
	}
	return pair
}

// waitNormal waits, in real time, until all the servers are in NORMAL and have addresses to give.
func waitNormal(t *testing.T, servers ...*server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, s := range servers {
		idle := func() bool {
			c := s.pool.Counts()
			return s.cfg.Role == Primary && c.Free == 0 || s.cfg.Role == Secondary && c.Backup == 0 // the primary has yet to give
		}
		for (s.Status().State != Normal || idle()) && ctx.Err() == nil {
			wait(ctx, 10*time.Millisecond)
		}
		if ctx.Err() != nil {
			t.Errorf("%s, %v is in %v", s.cfg.Name, s.cfg.Role, s.Status().State)
			for _, l := range s.logs.All() {
				t.Logf("%v %s", l.Level, l.Message)
			}
		}
	}
}

// TestTCP has real sockets: a pair with TLS and a secret, and strangers at the door.
func TestTCP(t *testing.T) {
	ca := newAuthority(t)
	pair := loopback(t)
	from := make(chan net.Addr, 1)
	pair[0].Stranger = func(a net.Addr) { from <- a }
	secretly := func(c *Config) { c.Secret = Secret(secret) }
	p := startNode(t, Primary, TLS{pair[0], ca.config("one.test", "two.test")}, secretly)

	elsewhere := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}}
	c, err := elsewhere.DialContext(t.Context(), "tcp4", pair[0].Local.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n, err := c.Read(make([]byte, 1)); err == nil || n > 0 {
		t.Error("a stranger is spoken to")
	}
	if a := <-from; a.String() != c.LocalAddr().String() {
		t.Errorf("the stranger was %v, want %v", a, c.LocalAddr())
	}
	// These have the partner's address.
	for range 200 {
		c, err := TCP{Local: pair[1].Local, Partner: pair[0].Local}.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	s := startNode(t, Secondary, TLS{pair[1], ca.config("two.test", "one.test")}, secretly)
	waitNormal(t, p, s)
}
