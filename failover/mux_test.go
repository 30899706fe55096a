package failover

import (
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func named(name string) func(*Config) { return func(c *Config) { c.Name = name } }

// wantOnly checks that what a node gives reaches the partner in its own relationship.
func wantOnly(t *testing.T, from, to *server) {
	t.Helper()
	l, err := from.give(t.Context(), mac(77))
	if err != nil {
		t.Fatal(err)
	}
	for d := time.Duration(0); to.book.Get(l.Addr).Client != mac(77); d += 10 * time.Millisecond {
		if d > 10*time.Second {
			t.Fatalf("%s: the partner has %v", from.cfg.Name, to.book.Get(l.Addr))
		}
		wait(t.Context(), 10*time.Millisecond)
	}
}

// TestMux has three relationships on one port of each server, which have changing roles; one of them has a secret.
func TestMux(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		core, logs := observer.New(zapcore.DebugLevel)
		one, two := NewMux(pipeTransport{w, 0}, zap.New(core)), NewMux(pipeTransport{w, 1}, nil)
		secretly := func(c *Config) { c.Name, c.Secret = "c", Secret(secret) }
		p1 := startNode(t, Primary, one.Transport("a", Primary), named("a"))
		s1 := startNode(t, Secondary, two.Transport("a", Secondary), named("a"))
		p2 := startNode(t, Primary, two.Transport("b", Primary), named("b"))
		s2 := startNode(t, Secondary, one.Transport("b", Secondary), named("b"))
		p3 := startNode(t, Primary, two.Transport("c", Primary), secretly)
		s3 := startNode(t, Secondary, one.Transport("c", Secondary), secretly)
		time.Sleep(20 * time.Second) // of the bubble
		for _, n := range []*server{p1, s1, p2, s2, p3, s3} {
			n.want(t, Normal)
		}
		wantOnly(t, p1, s1)
		wantOnly(t, s2, p2)
		wantOnly(t, p3, s3)

		// One relationship ends and comes again, the others go on.
		s2.stop()
		p2.want(t, CommunicationsInterrupted)
		s3.want(t, Normal)
		s := dialScript(t, pipeTransport{w, 1})
		s.send(&Frame{Time: time.Now(), XID: 3, Body: connectBody("b", time.Hour)})
		if f := s.read(); f.XID != 3 || f.Body.(*ConnectAck).Reason != RejectInvalidPartner || f.Body.(*ConnectAck).Name != "b" {
			t.Errorf("a relationship that is not there is answered by %v", f)
		}
		s.end()
		s2 = startNode(t, Secondary, one.Transport("b", Secondary), named("b"))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if !s2.Status().Connected || !p2.Status().Connected {
			t.Error("what has ended does not begin again")
		}

		// After the last one nobody listens; with the next one somebody does again.
		for _, n := range []*server{s2, s3} {
			n.stop()
		}
		synctest.Wait()
		if one.inner != nil || len(one.members) > 0 {
			t.Error("somebody still listens")
		}
		s3 = startNode(t, Secondary, one.Transport("c", Secondary), secretly)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if !s3.Status().Connected {
			t.Error("nobody listens any more")
		}
		p1.want(t, Normal)
		if logs.FilterMessageSnippet("unknown failover relationship name b").Len() == 0 {
			t.Error("nothing is said of the wrong name")
		}
	})
}

// TestMuxStrangers has those come who name no relationship.
func TestMuxStrangers(t *testing.T) {
	for name, octets := range map[string]string{
		"nothing":         "",
		"garbage":         "GET / HTTP/1.1\r\n\r\n",
		"a TLS handshake": "\x16\x03\x01\x02\x00\x01\x00",
		"no CONNECT":      string(encode(t, &Frame{Time: start, Body: &Contact{}})),
		"half a CONNECT":  string(encode(t, &Frame{Time: start, Body: connectBody("a", time.Hour)})[:40]),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{}
				core, logs := observer.New(zapcore.DebugLevel)
				n := startNode(t, Secondary, NewMux(pipeTransport{w, 0}, zap.New(core)).Transport("a", Secondary), named("a"))
				synctest.Wait()
				began := time.Now()
				s := dialScript(t, pipeTransport{w, 1})
				if octets != "" {
					s.write([]byte(octets))
				}
				_, _ = io.Copy(io.Discard, s.conn)
				if d := time.Since(began); d > handshakeTime {
					t.Errorf("it is listened to for %v", d)
				}
				synctest.Wait()
				if n.Status().Connected {
					t.Error("it is connected")
				}
				if logs.FilterLevelExact(zapcore.WarnLevel).Len() == 0 {
					t.Error("nothing is said of it")
				}
			})
		})
	}
}

func TestMuxNames(t *testing.T) {
	m := NewMux(pipeTransport{&wire{}, 0}, nil)
	first, err := m.Transport("a", Secondary).Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Transport("a", Secondary).Listen(t.Context()); err == nil || !strings.Contains(err.Error(), `two relationships "a"`) {
		t.Errorf("a name may be used twice: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	again, err := m.Transport("a", Secondary).Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// TestMuxTCP is the whole of it on real sockets: two relationships, TLS below.
func TestMuxTCP(t *testing.T) {
	ca := newAuthority(t)
	pair := loopback(t)
	one := NewMux(TLS{pair[0], ca.config("one.test", "two.test")}, nil)
	two := NewMux(TLS{pair[1], ca.config("two.test", "one.test")}, nil)
	p1 := startNode(t, Primary, one.Transport("a", Primary), named("a"))
	s1 := startNode(t, Secondary, two.Transport("a", Secondary), named("a"))
	p2 := startNode(t, Primary, two.Transport("b", Primary), named("b"))
	s2 := startNode(t, Secondary, one.Transport("b", Secondary), named("b"))
	waitNormal(t, p1, s1, p2, s2)
	wantOnly(t, p1, s1)
	wantOnly(t, p2, s2)
}

// TestTwoPorts has two relationships between the same addresses, each on its own ports, without a Mux.
func TestTwoPorts(t *testing.T) {
	var all []*server
	for _, name := range []string{"a", "b"} {
		pair := loopback(t)
		for i, tcp := range pair {
			all = append(all, startNode(t, Role(i), tcp, named(name)))
		}
	}
	waitNormal(t, all...)
	wantOnly(t, all[0], all[1])
	wantOnly(t, all[2], all[3])
}

// TestReopened reads what was read before, and then the rest.
func TestReopened(t *testing.T) {
	a, b := net.Pipe()
	go func() {
		_, _ = a.Write([]byte("rest"))
		a.Close()
	}()
	c := &reopened{Conn: b, unread: []byte("first ")}
	got, err := io.ReadAll(c)
	if string(got) != "first rest" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if (&reopened{Conn: c}).NetConn() != b {
		t.Error("the connection itself is not found")
	}
}
