package failover

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// startNode starts a server with its own ledger, as configured by edit. It remembers what peers say.
func startNode(t *testing.T, role Role, transport Transport, edit func(*Config), peers ...lease.Peer) *server {
	t.Helper()
	s := &server{store: &flaky{Memory: lease.NewMemory()}}
	err := s.store.Apply(t.Context(), lease.Batch{Peers: peers})
	if err != nil {
		t.Fatal(err)
	}
	if s.book, err = lease.OpenBook(t.Context(), s.store, lease.BookConfig{}); err != nil {
		t.Fatal(err)
	}
	s.pool, err = pool.New(pool.Config{Name: "net", Ranges: []pool.Range{{
		First: netip.MustParseAddr("10.0.10.10"), Last: netip.MustParseAddr("10.0.10.250")}}}, s.book)
	if err != nil {
		t.Fatal(err)
	}
	s.book.Observe(s.pool)
	hba, err := pool.Split(128)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Name: "ha-dhcp", Role: role, MaxSecs: 3, ReceiveTimer: time.Minute, Pools: []*pool.Pool{s.pool},
		Local: netip.MustParseAddrPort("127.0.0.1:1"), Partner: netip.MustParseAddrPort("127.0.0.2:1"),
	}
	if role == Primary {
		cfg.MCLT, cfg.HBA = time.Hour, &hba
	}
	if edit != nil {
		edit(&cfg)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	s.logs = logs
	o := Options{Transport: transport, Logger: zap.New(core), Difference: func(all []Difference) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.differ = append(s.differ, all...)
	}}
	if s.Endpoint, err = NewEndpoint(cfg, s.book, o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

// said reports whether a line of the log, of warnings and worse only, has the text.
func (s *server) said(text string) bool {
	for _, l := range s.logs.All() {
		if l.Level >= zapcore.WarnLevel && strings.Contains(l.Message, text) {
			return true
		}
	}
	return false
}

func (s *server) wantSaid(t *testing.T, text string) {
	t.Helper()
	if s.said(text) {
		return
	}
	t.Errorf("%v does not warn of %q, but says:", s.cfg.Role, text)
	for _, l := range s.logs.All() {
		t.Logf("%v %s", l.Level, l.Message)
	}
}

// script is a partner that a test plays by hand.
type script struct {
	t    *testing.T
	conn net.Conn
	r    *Reader
}

func dialScript(t *testing.T, tr Transport) *script {
	t.Helper()
	c, err := tr.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &script{t, c, NewReader(c)}
}

func (s *script) write(b []byte) {
	s.t.Helper()
	if _, err := s.conn.Write(b); err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) send(f *Frame) { s.t.Helper(); s.write(encode(s.t, f)) }

func (s *script) read() *Frame {
	s.t.Helper()
	f, err := s.r.ReadFrame()
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

func (s *script) end() {
	s.t.Helper()
	if f, err := s.r.ReadFrame(); err == nil {
		s.t.Errorf("it goes on with %v", f)
	}
}

// TestCrowd has strangers who come by the partner's own address, hold all the places there are, and stay silent. The
// partner comes in all the same, though it cannot be dialled.
func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		n := startNode(t, Secondary, pipeTransport{w, 1}, nil)
		synctest.Wait()
		var ended sync.WaitGroup
		var open atomic.Int64
		for i := range 1000 {
			c, err := pipeTransport{w, 0}.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			open.Add(1)
			ended.Go(func() {
				defer c.Close()
				defer open.Add(-1)
				switch i % 3 {
				case 0:
					_, _ = c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
				case 1:
					_, _ = c.Write([]byte{0, 100, 5}) // the first three octets of a CONNECT, and no more
				}
				_, _ = io.Copy(io.Discard, c)
			})
		}
		began := time.Now()
		p := dialScript(t, pipeTransport{w, 0})
		p.send(&Frame{Time: time.Now(), Body: connectBody("ha-dhcp", time.Hour)})
		if ack, ok := p.read().Body.(*ConnectAck); !ok || ack.Reason != 0 || time.Since(began) > 0 {
			t.Errorf("after %v the partner gets %v", time.Since(began), ack)
		}
		synctest.Wait()
		if !n.Status().Connected {
			t.Error("the partner is kept out")
		}
		if held := open.Load(); held >= maxHandshakes {
			t.Errorf("%d strangers hold a connection", held)
		}
		if warned := n.logs.FilterLevelExact(zapcore.WarnLevel).Len(); warned > maxComplaints {
			t.Errorf("%d warnings within no time", warned)
		}
		ended.Wait() // all of them are sent away
		if d := time.Since(began); d > handshakeTime {
			t.Errorf("it took %v", d)
		}
	})
}

// TestSlowStranger sends its CONNECT at one octet a second.
func TestSlowStranger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		n := startNode(t, Secondary, pipeTransport{w, 1}, nil)
		synctest.Wait()
		s := dialScript(t, pipeTransport{w, 0})
		began := time.Now()
		for _, b := range encode(t, &Frame{Time: time.Now(), Body: connectBody("ha-dhcp", time.Hour)}) {
			if _, err := s.conn.Write([]byte{b}); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		if d := time.Since(began); d > handshakeTime+time.Second {
			t.Errorf("it is listened to for %v", d)
		}
		if n.Status().Connected {
			t.Error("it is connected")
		}
	})
}

// TestPartnerThatReadsNothing has a partner which is spoken to and takes nothing: what waits for it is bounded, and it
// holds up neither its own end nor that of the server.
func TestPartnerThatReadsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		n := startNode(t, Primary, pipeTransport{w, 0}, nil)
		synctest.Wait()
		p := dialScript(t, pipeTransport{w, 1})
		p.read() // CONNECT
		p.send(&Frame{Time: time.Now(), Body: &ConnectAck{Name: "ha-dhcp", MaxUnacked: 10, ReceiveTimer: time.Minute}})
		synctest.Wait()
		if !n.Status().Connected {
			t.Fatal("it is not connected")
		}
		began := time.Now()
		n.stop()
		if d := time.Since(began); d > closeTime {
			t.Errorf("the server waits %v to stop", d)
		}

		a, b := net.Pipe()
		defer b.Close()
		l := newLink(newChannel(a, nil), Session{})
		contacts := make([]*Frame, 100)
		for i := range contacts {
			contacts[i] = &Frame{Time: time.Now(), Body: &Contact{}}
		}
		var err error
		for sent := 0; err == nil && sent < 2*maxUnwritten; sent += len(contacts) * headerSize {
			err = l.send(contacts)
		}
		if err != errStalled {
			t.Errorf("after %d octets: %v", len(l.unwritten), err)
		}
		began = time.Now()
		l.close()
		l.write(time.Minute)
		if d := time.Since(began); d > closeTime {
			t.Errorf("it ends after %v", d)
		}
	})
}

// TestNothingBeforeConnect sends each kind of message, and only then CONNECT or CONNECTACK.
func TestNothingBeforeConnect(t *testing.T) {
	for _, body := range []Body{
		&StateReport{State: Shutdown}, &UpdateRequestAll{}, &UpdateRequest{}, &UpdateDone{}, &PoolRequest{}, &PoolResponse{Transferred: 9},
		&Contact{}, &Disconnect{Reason: RejectUnknown}, &BindingAck{Results: []Result{{Addr: netip.MustParseAddr("10.0.10.10")}}},
		&BindingUpdate{Bindings: []Binding{{Addr: netip.MustParseAddr("10.0.10.10"), Status: lease.Active, Client: mac(1), Since: start}}},
	} {
		for _, role := range []Role{Primary, Secondary} {
			t.Run(fmt.Sprintf("%v to the %v", body.Type(), role), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := &wire{}
					n := startNode(t, role, pipeTransport{w, int(role)}, nil)
					synctest.Wait()
					before, _ := n.book.Peer("ha-dhcp")
					s := dialScript(t, pipeTransport{w, 1 - int(role)})
					second := &Frame{Time: time.Now(), Body: connectBody("ha-dhcp", time.Hour)}
					if role == Primary {
						second.Body = &ConnectAck{Name: "ha-dhcp", MaxUnacked: 10, ReceiveTimer: time.Minute}
						s.read() // CONNECT
					}
					go func() {
						_, _ = s.conn.Write(append(encode(t, &Frame{Time: time.Now(), XID: 1, Body: body}), encode(t, second)...))
					}()
					s.end()
					synctest.Wait()
					after, _ := n.book.Peer("ha-dhcp")
					if st := n.Status(); st.Connected || st.Partner != 0 || before != after {
						t.Errorf("connected %v, partner in %v, on record %v", st.Connected, st.Partner, after)
					}
					if l := n.book.Get(netip.MustParseAddr("10.0.10.10")); !l.IsVirgin() {
						t.Errorf("a lease is on record: %v", l)
					}
				})
			})
		}
	}
}

// fixed is a connection on which all that comes is known beforehand, and where nothing is kept of what is sent.
type fixed struct {
	net.Conn
	in io.Reader
}

func (c fixed) Read(b []byte) (int, error)  { return c.in.Read(b) }
func (c fixed) Write(b []byte) (int, error) { return len(b), nil }
func (fixed) SetDeadline(time.Time) error   { return nil }

// FuzzHandshake has a stranger say anything. The place for a connection must be taken if, and only if, the handshake
// succeeds, which it does only for the right name and, where there is a secret, not at all.
func FuzzHandshake(f *testing.F) {
	connect := connectBody("ha-dhcp", time.Hour)
	for _, body := range []Body{connect, connectBody("other", time.Hour), &ConnectAck{Name: "ha-dhcp"},
		&ConnectAck{Name: "ha-dhcp", Reason: RejectUnknown, Text: "no"}, &Contact{}, &Disconnect{}} {
		b, err := (&Frame{Time: time.Now(), Body: body}).MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		for i := range 4 {
			f.Add(b, i > 1, i%2 == 1)
		}
		p, s := sealed(DigestHMACSHA256)
		for _, from := range []*seal{p, s} {
			if b, err = from.appendFrame(nil, &Frame{Time: time.Now(), Body: body}); err != nil {
				f.Fatal(err)
			}
			f.Add(b, true, true)
		}
	}
	f.Add([]byte("\x16\x03\x01\x02\x00"), false, false)
	f.Fuzz(func(t *testing.T, in []byte, secretly, primary bool) {
		hba := pool.HBA{}
		cfg := Config{Name: "ha-dhcp", Role: Secondary}
		if primary {
			cfg.Role, cfg.MCLT, cfg.HBA = Primary, time.Hour, &hba
		}
		if secretly {
			cfg.Secret = Secret("sixteen octets unheard of")
		}
		e := &Endpoint{cfg: cfg.withDefaults()}
		in = append([]byte(nil), in...)
		if len(in) >= headerSize {
			now := lease.ToUnix(time.Now()) // or hardly any would be near enough
			for i := range 4 {
				in[4+i] = byte(now >> (24 - 8*i))
			}
		}
		l, c, err := e.handshake(t.Context(), fixed{in: strings.NewReader(string(in))})
		switch {
		case (err == nil) != e.claimed():
			t.Fatalf("%v, and the place is taken: %v", err, e.claimed())
		case err == nil && (l == nil || c == nil):
			t.Fatal("neither a link nor an error")
		case err == nil && secretly:
			t.Fatal("a stranger knows the secret")
		case err == nil:
			var f Frame
			if err := f.UnmarshalBinary(in[:int(in[0])<<8|int(in[1])]); err != nil {
				t.Fatalf("it is taken and cannot be read: %v", err)
			}
			switch b := f.Body.(type) {
			case *Connect:
				if primary || b.Name != "ha-dhcp" {
					t.Fatalf("%v is taken", &f)
				}
			case *ConnectAck:
				if !primary || b.Name != "ha-dhcp" || b.Reason != 0 {
					t.Fatalf("%v is taken", &f)
				}
			default:
				t.Fatalf("%v is taken", &f)
			}
		}
	})
}
