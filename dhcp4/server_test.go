package dhcp4

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// offer answers every request with a DHCPOFFER of testYours.
func offer(_ context.Context, req *Request) (*Message, error) {
	req.NewReply(&req.Reply, MessageTypeOffer)
	req.Reply.YourIPAddr = testYours
	req.Reply.SetServerIdentifier(testServer)
	return &req.Reply, nil
}

// A run is a Server at work in a synctest bubble.
type run struct {
	*Server
	conn *fakeConn
	logs *observer.ObservedLogs
	stop context.CancelFunc
	err  chan error // of Serve
}

// serve starts s on a fakeConn. The bubble must not end before finish.
func serve(s *Server) *run {
	core, logs := observer.New(zapcore.DebugLevel)
	s.Logger = zap.New(core)
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{Server: s, conn: newFakeConn(), logs: logs, stop: cancel, err: make(chan error, 1)}
	go func() { r.err <- s.Serve(ctx, r.conn) }()
	return r
}

// finish stops the server, and fails the test if it does not end well or its figures do not add up.
func (r *run) finish(t *testing.T) Stats {
	t.Helper()
	r.stop()
	if err := <-r.err; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if !r.conn.closed {
		t.Error("the Conn is not closed")
	}
	return r.check(t)
}

func (r *run) check(t *testing.T) Stats {
	t.Helper()
	st := r.Stats()
	sum := st.Sent + st.Silent
	for _, n := range st.Dropped {
		sum += n
	}
	if st.Received != sum || st.InFlight != 0 {
		t.Errorf("the figures do not add up: %+v", st)
	}
	return st
}

func TestServerAnswers(t *testing.T) { synctest.Test(t, testServerAnswers) }

func testServerAnswers(t *testing.T) {
	var seen Datagram
	var received time.Time
	r := serve(&Server{Handler: HandlerFunc(func(ctx context.Context, req *Request) (*Message, error) {
		seen, received = Datagram{Link: req.Link, Local: req.Local, Src: req.Src, Dst: req.Dst}, req.Received
		return offer(ctx, req)
	})})
	start := time.Now()
	r.conn.arriving <- discover(1)
	got := <-r.conn.sent

	want := Datagram{Link: testLink, Local: testServer, Src: netip.MustParseAddrPort("255.255.255.255:67"),
		Dst: netip.AddrPortFrom(testYours, ClientPort)}
	if got.Link != want.Link || got.Local != want.Local || got.Src != want.Src || got.Dst != want.Dst {
		t.Errorf("sent %+v, want %+v", got, want)
	}
	if string(got.HWAddr) != string(testHW) {
		t.Errorf("sent to %x, want %x", got.HWAddr, testHW)
	}
	m := decode(got)
	if m.MessageType() != MessageTypeOffer || m.TransactionID != (TransactionID{0, 0, 0, 1}) || m.YourIPAddr != testYours {
		t.Errorf("answer is %v", m)
	}
	d := discover(1)
	if seen.Link != testLink || seen.Local != testServer || seen.Src != d.Src || seen.Dst != d.Dst || !received.Equal(start) {
		t.Errorf("the handler saw %+v at %v", seen, received)
	}
	if st := r.finish(t); st.Received != 1 || st.Sent != 1 {
		t.Errorf("got %+v, want 1 received and 1 sent", st)
	}
}

func TestServerAddressesAnswers(t *testing.T) {
	link := func(a netip.AddrPort, broadcast bool, hw []byte) func(req, reply *Message, src netip.AddrPort) Destination {
		return func(_, _ *Message, _ netip.AddrPort) Destination {
			return Destination{Addr: a, Broadcast: broadcast, HWAddr: hw}
		}
	}
	relay := netip.MustParseAddrPort("192.0.2.1:67")
	none := netip.Addr{}
	for _, tt := range []struct {
		name        string
		local       netip.Addr
		destination func(req, reply *Message, src netip.AddrPort) Destination
		wantLink    Link
		wantLocal   netip.Addr
	}{
		{"a routed answer goes where the routing table says", testServer, link(relay, false, nil), Link{}, testServer},
		{"a broadcast leaves by the link it came by", testServer, link(relay, true, nil), testLink, testServer},
		{"a frame leaves by the link it came by", testServer, link(relay, false, testHW), testLink, testServer},
		{"a link without address: from the server identifier", none, link(relay, true, nil), testLink, testServer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := serve(&Server{Handler: HandlerFunc(offer), Destination: tt.destination})
				d := discover(1)
				d.Local = tt.local
				r.conn.arriving <- d
				if got := <-r.conn.sent; got.Dst != relay || got.Link != tt.wantLink || got.Local != tt.wantLocal {
					t.Errorf("got dst %v link %v local %v, want %v %v %v", got.Dst, got.Link, got.Local, relay, tt.wantLink, tt.wantLocal)
				}
				r.finish(t)
			})
		})
	}
}

func TestServerDrops(t *testing.T) {
	answering := func(f func(req *Request) (*Message, error)) HandlerFunc {
		return func(_ context.Context, req *Request) (*Message, error) { return f(req) }
	}
	reply := discover(1)
	reply.Data = append([]byte(nil), reply.Data...)
	reply.Data[0] = byte(OpcodeBootReply)
	for _, tt := range []struct {
		name    string
		arrives []byte
		handler Handler
		write   func(Datagram) error
		want    DropReason
		log     string // what the log says of it
	}{
		{name: "nothing in it", arrives: nil, want: DropUndecodable},
		{name: "garbage", arrives: []byte{1, 2, 3}, want: DropUndecodable},
		{name: "a reply", arrives: reply.Data, want: DropNotRequest, log: "BOOTREPLY"},
		{name: "longer than any request", arrives: make([]byte, 9000), want: DropTooLarge},
		{name: "the handler fails", want: DropHandlerError, log: "no disk",
			handler: answering(func(*Request) (*Message, error) { return nil, errors.New("no disk") })},
		{name: "the handler fails and has an answer", want: DropHandlerError, log: "no disk",
			handler: answering(func(req *Request) (*Message, error) { return &req.Reply, errors.New("no disk") })},
		{name: "the client asks too often", want: DropRateLimited,
			handler: answering(func(*Request) (*Message, error) { return nil, ErrRateLimited })},
		{name: "the handler panics", want: DropPanic, log: "out of luck",
			handler: answering(func(*Request) (*Message, error) { panic("out of luck") })},
		{name: "an answer too large for the client", want: DropUnencodable,
			handler: answering(func(req *Request) (*Message, error) {
				req.NewReply(&req.Reply, MessageTypeAck)
				req.Reply.SetOption(OptionVendorSpecificInformation, make([]byte, 2000))
				return &req.Reply, nil
			})},
		{name: "an answer that cannot be sent", want: DropWriteError, log: "no route",
			write: func(Datagram) error { return errors.New("no route") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				h := tt.handler
				if h == nil {
					h = HandlerFunc(offer)
				}
				// The first request meets the trouble, the second one does not.
				r := serve(&Server{Workers: 1, Handler: HandlerFunc(func(ctx context.Context, req *Request) (*Message, error) {
					if calls++; req.TransactionID[3] == 2 {
						return offer(ctx, req)
					}
					return h.ServeDHCP(ctx, req)
				})})
				r.conn.writeError = func(d Datagram) error {
					if tt.write == nil || decode(d).TransactionID[3] == 2 {
						return nil
					}
					return tt.write(d)
				}
				d := discover(1)
				if tt.handler == nil && tt.write == nil {
					d.Data = tt.arrives
				}
				r.conn.arriving <- d
				r.conn.arriving <- discover(2)
				if got := decode(<-r.conn.sent); got.TransactionID[3] != 2 {
					t.Errorf("answered %v", got)
				}
				st := r.finish(t)
				want := Stats{Received: 2, Sent: 1}
				want.Dropped[tt.want] = 1
				if st != want {
					t.Errorf("got %+v, want %+v", st, want)
				}
				if !logged(r.logs, tt.log) {
					t.Errorf("the log does not say %q: %v", tt.log, r.logs.All())
				}
			})
		})
	}
}

// logged reports whether there is exactly one entry, with s in one of its fields.
func logged(logs *observer.ObservedLogs, s string) bool {
	for _, e := range logs.All() {
		for _, v := range e.ContextMap() {
			if text, ok := v.(string); ok && strings.Contains(text, s) {
				return logs.Len() == 1
			}
		}
	}
	return false
}

func TestServerReportsWhereAHandlerPanicked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := serve(&Server{Handler: HandlerFunc(func(context.Context, *Request) (*Message, error) { return divide(1, 0), nil })})
		r.conn.arriving <- discover(1)
		synctest.Wait()
		r.finish(t)
		if !logged(r.logs, "dhcp4.divide") {
			t.Errorf("no stack in %v", r.logs.All())
		}
	})
}

func divide(a, b int) *Message { return &Message{HopCount: uint8(a / b)} }

func TestServerIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := serve(&Server{Handler: HandlerFunc(func(context.Context, *Request) (*Message, error) { return nil, nil })})
		r.conn.arriving <- discover(1)
		synctest.Wait()
		if st := r.finish(t); st != (Stats{Received: 1, Silent: 1}) || r.logs.Len() != 0 {
			t.Errorf("got %+v and logs %v", st, r.logs.All())
		}
	})
}

func TestServerBoundsWhatIsInFlight(t *testing.T) { synctest.Test(t, testServerBounds) }

func testServerBounds(t *testing.T) {
	var under, most atomic.Int32
	release := make(chan struct{})
	r := serve(&Server{Workers: 3, MaxInFlight: 5, Handler: HandlerFunc(func(ctx context.Context, req *Request) (*Message, error) {
		n := under.Add(1)
		defer under.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-release
		return offer(ctx, req)
	})})
	for x := range byte(20) {
		d := discover(x)
		d.Data[chaddrAt] = x + 1 // another client each, lest they wait for one another
		r.conn.arriving <- d
	}
	synctest.Wait()
	if st := r.Stats(); st.Received != 20 || st.InFlight != 5 || st.Dropped[DropOverload] != 15 || under.Load() != 3 {
		t.Errorf("got %+v with %d calls under way, want 5 in flight, 15 dropped, 3 calls", st, under.Load())
	}
	if n := r.logs.FilterMessage("dropped").Len(); n != 1 {
		t.Errorf("said so %d times, want once a second", n)
	}
	close(release)
	synctest.Wait()
	r.conn.arriving <- discover(99) // there is room again
	synctest.Wait()
	if len(r.conn.sent) != 6 || most.Load() != 3 {
		t.Errorf("sent %d with %d calls at once, want 6 with 3", len(r.conn.sent), most.Load())
	}
	r.finish(t)
}

func TestServerDrainsWhenItsContextEnds(t *testing.T) { synctest.Test(t, testServerDrains) }

func testServerDrains(t *testing.T) {
	r := serve(&Server{Workers: 1, DrainTimeout: time.Minute, Handler: HandlerFunc(func(ctx context.Context, req *Request) (*Message, error) {
		select {
		case <-time.After(10 * time.Second):
			return offer(ctx, req)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})})
	for x := range byte(3) {
		r.conn.arriving <- discover(x)
	}
	synctest.Wait()
	r.stop()
	synctest.Wait()
	r.conn.arriving <- discover(9) // too late
	start := time.Now()
	if st := r.finish(t); st.Received != 3 || st.Sent != 3 || time.Since(start) != 30*time.Second {
		t.Errorf("got %+v after %v, want 3 sent after 30s", st, time.Since(start))
	}
}

func TestServerHurriesAtTheEndOfDrainTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := serve(&Server{Handler: HandlerFunc(func(ctx context.Context, req *Request) (*Message, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})})
		r.conn.arriving <- discover(1)
		synctest.Wait()
		start := time.Now()
		if st := r.finish(t); st.Dropped[DropHandlerError] != 1 || time.Since(start) != defaultDrainTimeout {
			t.Errorf("got %+v after %v", st, time.Since(start))
		}
	})
}

func TestServerServesSeveralConns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newFakeConn(), newFakeConn()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		s := &Server{Handler: HandlerFunc(offer)}
		go func() { done <- s.Serve(ctx, a, b) }()
		a.arriving <- discover(1)
		b.arriving <- discover(2)
		if got := decode(<-a.sent); got.TransactionID[3] != 1 {
			t.Errorf("a answered %v", got)
		}
		if got := decode(<-b.sent); got.TransactionID[3] != 2 {
			t.Errorf("b answered %v", got)
		}
		cancel()
		if err := <-done; err != nil || !a.closed || !b.closed {
			t.Errorf("Serve: %v, closed %v %v", err, a.closed, b.closed)
		}
	})
}

func TestServerOutlivesReadErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := serve(&Server{Handler: HandlerFunc(offer)})
		for range 3 {
			for range maxReadFailures - 1 {
				r.conn.failing <- errors.New("interface is down")
			}
			r.conn.arriving <- discover(1)
			<-r.conn.sent
		}
		if st := r.finish(t); st.ReadErrors != 3*(maxReadFailures-1) {
			t.Errorf("got %+v", st)
		}
	})
}

func TestServerEndsWithItsConn(t *testing.T) {
	down := errors.New("interface is gone")
	for _, tt := range []struct {
		name string
		harm func(c *fakeConn)
		want error
	}{
		{"reading fails again and again", func(c *fakeConn) {
			for range maxReadFailures {
				c.failing <- down
			}
		}, down},
		{"somebody closed it", func(c *fakeConn) { c.CloseRead() }, net.ErrClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := serve(&Server{Handler: HandlerFunc(offer)})
				defer r.stop()
				r.conn.arriving <- discover(1)
				synctest.Wait()
				tt.harm(r.conn)
				if err := <-r.err; !errors.Is(err, tt.want) || !r.conn.closed {
					t.Errorf("Serve: %v (closed %v), want %v", err, r.conn.closed, tt.want)
				}
				if st := r.check(t); st.Sent != 1 {
					t.Errorf("got %+v", st)
				}
			})
		})
	}
}

func TestServerRefusesToStart(t *testing.T) {
	for _, tt := range []struct {
		server *Server
		want   string
	}{
		{&Server{}, "Server.Handler is nil"},
		{&Server{Handler: HandlerFunc(offer), Workers: -1}, "Server.Workers is -1"},
		{&Server{Handler: HandlerFunc(offer), MaxInFlight: -1}, "Server.MaxInFlight is -1"},
		{&Server{Handler: HandlerFunc(offer), DrainTimeout: -1}, "Server.DrainTimeout is -1ns"},
		{&Server{Handler: HandlerFunc(offer)}, "without a Conn"},
	} {
		if err := tt.server.Serve(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got error %v, want one with %q", err, tt.want)
		}
	}
}

func TestDropReasonString(t *testing.T) {
	for r := range dropReasons {
		if r.String() == "" {
			t.Errorf("reason %d has no name", r)
		}
	}
	if got := DropReason(99).String(); got != "DropReason(99)" {
		t.Errorf("got %q", got)
	}
}
