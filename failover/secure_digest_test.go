package failover

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestSecrets has pairs of servers that agree about the digest, or do not. Neither state nor lease must pass between
// those, and both must say why.
func TestSecrets(t *testing.T) {
	with := func(secret string, typ DigestType) func(*Config) {
		return func(c *Config) { c.Secret, c.DigestType = Secret(secret), typ }
	}
	none := func(*Config) {}
	const other = "another secret of sixteen"
	tests := []struct {
		name               string
		primary, secondary func(*Config)
		primarySays        string // "" if they get along
		secondarySays      string
	}{
		{"both the same", with(secret, 0), with(secret, DigestHMACSHA256), "", ""},
		{"both the draft's", with(secret, DigestHMACMD5), with(secret, DigestHMACMD5), "", ""},
		{"different secrets", with(secret, 0), with(other, 0), "message digest failed to compare", "message digest failed to compare"},
		{"different secrets, the draft's type", with(secret, 1), with(other, 1), "message digest failed to compare", "message digest failed to compare"},
		{"different types", with(secret, 1), with(secret, 2), "message digest not supported", "HMAC-MD5, want HMAC-SHA-256"},
		{"only the primary has one", with(secret, 0), none, "missing message digest; it says: failover: rejected: message digest not configured", "CONNECT: failover: rejected: message digest not configured"},
		{"only the secondary has one", none, with(secret, 0), "message digest not configured; it says: failover: rejected: missing message digest", "CONNECT: failover: rejected: missing message digest"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{}
				p := startNode(t, Primary, pipeTransport{w, 0}, tc.primary)
				s := startNode(t, Secondary, pipeTransport{w, 1}, tc.secondary)
				time.Sleep(20 * time.Second) // of the bubble
				if tc.primarySays == "" {
					p.want(t, Normal)
					s.want(t, Normal)
					l, err := p.give(t.Context(), mac(1))
					if err != nil {
						t.Fatal(err)
					}
					heard()
					if got := s.book.Get(l.Addr); got.Client != mac(1) {
						t.Errorf("the partner has %v", got)
					}
					w.cut(true)
					p.want(t, CommunicationsInterrupted)
					w.cut(false)
					time.Sleep(10 * time.Second)
					p.want(t, Normal)
					s.want(t, Normal)
					for _, n := range []*server{p, s} {
						if n.said("digest") {
							t.Errorf("%v is not content", n.cfg.Role)
						}
					}
					return
				}
				synctest.Wait()
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

// TestSecretAgainstISC plays an ISC dhcpd, which skips digests and sends none, against a server that demands them.
func TestSecretAgainstISC(t *testing.T) {
	secretly := func(c *Config) { c.Secret = Secret(secret) }
	t.Run("as primary", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{}
			n := startNode(t, Secondary, pipeTransport{w, 1}, secretly)
			synctest.Wait()
			isc := dialScript(t, pipeTransport{w, 0})
			b := connectBody("ha-dhcp", time.Hour)
			b.VendorClass = "isc-4.4.3-P1"
			isc.send(&Frame{Time: time.Now(), XID: 5, Body: b})
			f := isc.read()
			ack, ok := f.Body.(*ConnectAck)
			if !ok || ack.Reason != RejectDigestMissing || ack.Name != "ha-dhcp" || f.XID != 5 || ack.MaxUnacked != 0 {
				t.Errorf("it is answered by %v", f)
			}
			isc.end()
			synctest.Wait()
			n.wantSaid(t, "CONNECT: failover: rejected: missing message digest")
		})
	})
	t.Run("as secondary", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{}
			n := startNode(t, Primary, pipeTransport{w, 0}, secretly)
			synctest.Wait()
			isc := dialScript(t, pipeTransport{w, 1})
			f := isc.read()
			isc.send(&Frame{Time: time.Now(), XID: f.XID, Body: &ConnectAck{Name: "ha-dhcp", MaxUnacked: 10, ReceiveTimer: time.Minute, Version: 1}})
			if b, ok := isc.read().Body.(*Disconnect); !ok || b.Reason != RejectDigestMissing {
				t.Errorf("it is answered by %v", b)
			}
			isc.end()
			synctest.Wait()
			if st := n.Status(); st.Connected {
				t.Error("it is connected")
			}
			n.wantSaid(t, "CONNECTACK: failover: rejected: missing message digest")
		})
	})
}

// TestForgedMessage has one unproven message on a connection that was good.
func TestForgedMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		n := startNode(t, Secondary, pipeTransport{w, 1}, func(c *Config) { c.Secret = Secret(secret) })
		synctest.Wait()
		p := dialScript(t, pipeTransport{w, 0})
		seal, _ := sealed(DigestHMACSHA256)
		c := &channel{conn: p.conn, r: p.r, seal: seal}
		if err := c.write(&Frame{Time: time.Now(), Body: connectBody("ha-dhcp", time.Hour)}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []MessageType{TypeConnectAck, TypeState} {
			if f, err := c.read(); err != nil || f.Body.Type() != want {
				t.Fatalf("got %v, %v; want %v", f, err, want)
			}
		}
		if err := c.write(&Frame{Time: time.Now(), XID: 1, Body: &StateReport{State: Recover}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if st := n.Status(); st.Partner != Recover {
			t.Fatalf("the partner is in %v", st.Partner)
		}
		forged := encode(t, &Frame{Time: time.Now(), XID: 2, Body: &StateReport{State: PartnerDown}})
		go func() { _, _ = p.conn.Write(forged) }()
		var last *Frame
		for {
			f, err := c.read()
			if err != nil {
				break
			}
			last = f
		}
		if b, ok := last.Body.(*Disconnect); !ok || b.Reason != RejectDigestMissing {
			t.Errorf("the last message is %v", last)
		}
		synctest.Wait()
		if st := n.Status(); st.Connected || st.Partner != Recover {
			t.Errorf("connected %v, the partner in %v", st.Connected, st.Partner)
		}
		n.wantSaid(t, "a message is not the peer's")
	})
}

// TestOldConnect has a CONNECT of the partner's sent again by somebody who heard it.
func TestOldConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		n := startNode(t, Secondary, pipeTransport{w, 1}, func(c *Config) { c.Secret, c.DigestType = Secret(secret), DigestHMACMD5 })
		synctest.Wait()
		try := func(b []byte) RejectReason {
			s := dialScript(t, pipeTransport{w, 0})
			defer s.conn.Close()
			s.write(b)
			return s.read().Body.(*ConnectAck).Reason
		}
		connect := func(at time.Time) []byte {
			p, _ := sealed(DigestHMACMD5)
			return signed(t, p, &Frame{Time: at, Body: connectBody("ha-dhcp", time.Hour)})[0]
		}
		first := connect(time.Now())
		if r := try(first); r != 0 {
			t.Fatalf("the first is refused: %v", r)
		}
		time.Sleep(3 * time.Second)
		for name, b := range map[string][]byte{"the same": first, "an earlier one": connect(time.Now().Add(-5 * time.Second))} {
			if r := try(b); r != RejectTimeMismatch {
				t.Errorf("%s is answered with reason %d", name, r)
			}
		}
		if r := try(connect(time.Now())); r != 0 {
			t.Errorf("a new one is refused: %v", r)
		}
		synctest.Wait()
		n.wantSaid(t, "has been here before")
	})
}
