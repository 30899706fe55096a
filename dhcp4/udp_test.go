package dhcp4

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4/internal/links"
)

var loopback = netip.MustParseAddr("127.0.0.1")

var testTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// listen returns a UDPConn on a free port of the loopback interface.
func listen(tb testing.TB, cfg UDPConfig) *UDPConn {
	tb.Helper()
	if cfg.Addr == (netip.AddrPort{}) {
		cfg.Addr = netip.AddrPortFrom(loopback, 0)
	}
	c, err := ListenUDP(cfg)
	if errors.Is(err, errors.ErrUnsupported) {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

// dial returns a socket for a client of c.
func dial(tb testing.TB, c *UDPConn) *net.UDPConn {
	tb.Helper()
	to := netip.AddrPortFrom(loopback, c.LocalAddr().Port())
	u, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { u.Close() })
	return u
}

func portOf(u *net.UDPConn) netip.AddrPort { return u.LocalAddr().(*net.UDPAddr).AddrPort() }

// loopbackLink is the interface with 127.0.0.1.
func loopbackLink(t *testing.T) Link {
	ifs, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(ifs, func(i net.Interface) bool { return i.Flags&net.FlagLoopback != 0 })
	return Link{Index: ifs[i].Index, Name: ifs[i].Name}
}

// room returns n Datagrams with room for size octets.
func room(n, size int) []Datagram {
	ds := make([]Datagram, n)
	for i := range ds {
		ds[i].Data = make([]byte, 0, size)
	}
	return ds
}

func TestUDPConnTellsWhereDatagramsCameFrom(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  UDPConfig
	}{
		{"on one address", UDPConfig{}},
		{"on all addresses", UDPConfig{Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), 0)}},
		{"on one interface", UDPConfig{Interfaces: []string{loopbackLink(t).Name}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := listen(t, tt.cfg)
			u := dial(t, c)
			for _, s := range []string{"one", "two", "", "four: too long"} {
				if _, err := u.Write([]byte(s)); err != nil {
					t.Fatal(err)
				}
			}
			ds := room(10, 6)
			var got []string
			for len(got) < 4 {
				n, err := c.ReadBatch(ds)
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range ds[:n] {
					got = append(got, string(d.Data))
					if d.Link != loopbackLink(t) || d.Local != loopback || d.Src != portOf(u) ||
						d.Dst != netip.AddrPortFrom(loopback, c.LocalAddr().Port()) || d.HWAddr != nil {
						t.Errorf("got %+v", d)
					}
				}
			}
			if want := []string{"one", "two", "", "four: "}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestUDPConnWrites(t *testing.T) {
	c := listen(t, UDPConfig{Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), 0)})
	u := dial(t, c)
	bad := Datagram{Data: []byte("bad"), Dst: netip.MustParseAddrPort("[::1]:68")}
	good := func(s string) Datagram { return Datagram{Data: []byte(s), Dst: portOf(u)} }

	if n, err := c.WriteBatch([]Datagram{good("a"), good("b"), bad, good("c")}); n != 2 || err == nil {
		t.Errorf("got %d, %v, want 2 and an error for the third", n, err)
	}
	many := make([]Datagram, 3*maxBatch)
	for i := range many {
		many[i] = good("x")
	}
	if n, err := c.WriteBatch(many); n != len(many) || err != nil {
		t.Errorf("got %d, %v, want %d", n, err, len(many))
	}
	huge := Datagram{Data: make([]byte, 1<<16), Dst: portOf(u)}
	if n, err := c.WriteBatch([]Datagram{good("y"), huge}); n != 1 || err == nil || !strings.Contains(err.Error(), portOf(u).String()) {
		t.Errorf("got %d, %v, want 1 and an error that tells where", n, err)
	}
	var got strings.Builder
	for got.Len() < 2+3*maxBatch+1 {
		b := make([]byte, 10)
		n, from, err := u.ReadFromUDPAddrPort(b)
		if err != nil {
			t.Fatal(err)
		}
		if from != netip.AddrPortFrom(loopback, c.LocalAddr().Port()) {
			t.Errorf("came from %v", from)
		}
		got.Write(b[:n])
	}
	if want := "ab" + strings.Repeat("x", 3*maxBatch) + "y"; got.String() != want {
		t.Errorf("got %s, want %s", got.String(), want)
	}
}

func TestUDPConnAnswersFromTheAddressThatWasAsked(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs a loopback interface that has all of 127.0.0.0/8")
	}
	c := listen(t, UDPConfig{Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), 0)})
	// 127.0.0.9 answers, but is no address of an interface: Local is used then.
	for _, src := range []string{"127.0.0.1", "127.0.0.9", "192.0.2.1"} {
		u, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		_, err = c.WriteBatch([]Datagram{{Data: []byte("x"), Dst: portOf(u), Local: loopback,
			Src: netip.AddrPortFrom(netip.MustParseAddr(src), ServerPort)}})
		if err != nil {
			t.Errorf("from %s: %v", src, err)
			continue
		}
		if _, from, err := u.ReadFromUDPAddrPort(make([]byte, 10)); err != nil || from.Addr() != loopback {
			t.Errorf("from %s: came from %v, %v", src, from, err)
		}
	}
}

func TestUDPConnRoute(t *testing.T) {
	client := netip.MustParseAddrPort("10.0.0.42:68")
	other := netip.MustParseAddr("10.0.0.2")
	table := links.NewTable([]links.Link{{Index: 2, Name: "eth0", Addr: testServer}}, other)
	everybody := netip.AddrPortFrom(limitedBroadcast, 68)
	for _, tt := range []struct {
		name      string
		d         Datagram
		wantDst   netip.AddrPort
		wantIndex int
		wantSrc   netip.Addr
	}{
		{"to a relay", Datagram{Dst: client, Src: netip.AddrPortFrom(other, 67)}, client, 0, other},
		{"to a client without address", Datagram{Dst: client, HWAddr: testHW, Link: testLink, Local: testServer}, everybody, 2, testServer},
		{"broadcast, asked by broadcast", Datagram{Dst: everybody, Src: everybody, Link: testLink, Local: testServer}, everybody, 2, testServer},
		{"from no address of ours", Datagram{Dst: client, Src: client, Local: client.Addr()}, client, 0, netip.Addr{}},
	} {
		dst, index, src, err := (&UDPConn{}).route(&tt.d, table)
		if dst != tt.wantDst || index != tt.wantIndex || src != tt.wantSrc || err != nil {
			t.Errorf("%s: got %v by %d from %v (%v), want %v by %d from %v", tt.name, dst, index, src, err, tt.wantDst, tt.wantIndex, tt.wantSrc)
		}
	}
}

func TestUDPConnPicksInterfaces(t *testing.T) {
	table := links.NewTable([]links.Link{{Index: 1, Name: "lo"}, {Index: 2, Name: "eth0", Addr: testServer}, {Index: 3, Name: "eth1"}})
	watch, err := links.NewWatch(testTime, func() (*links.Table, error) { return table, nil })
	if err != nil {
		t.Fatal(err)
	}
	c := UDPConn{watch: watch, names: map[string]struct{}{"eth0": {}, "eth1": {}}}
	for index, want := range []bool{false, false, true, true, false} {
		var d Datagram
		if got := c.arrive(&d, table, index, testTime); got != want || d.Link.Index != index {
			t.Errorf("interface %d: got %v as %+v, want %v", index, got, d.Link, want)
		}
	}
}

func TestUDPConnEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(c *UDPConn) error
	}{
		{"CloseRead", (*UDPConn).CloseRead},
		{"Close", (*UDPConn).Close},
	} {
		c := listen(t, UDPConfig{})
		read := make(chan error)
		go func() {
			_, err := c.ReadBatch(room(1, 10))
			read <- err
		}()
		if err := tt.end(c); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err := <-read; !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: reading ended with %v, want net.ErrClosed", tt.name, err)
		}
		if _, err := c.ReadBatch(room(1, 10)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: reading again: %v, want net.ErrClosed", tt.name, err)
		}
		u := dial(t, c)
		n, err := c.WriteBatch([]Datagram{{Data: []byte("x"), Dst: portOf(u)}})
		if closed := tt.name == "Close"; closed != errors.Is(err, net.ErrClosed) || closed == (n == 1) {
			t.Errorf("%s: writing: %d, %v", tt.name, n, err)
		}
	}
}

func TestListenUDPRefuses(t *testing.T) {
	for _, tt := range []struct {
		cfg  UDPConfig
		want string
	}{
		{UDPConfig{Addr: netip.MustParseAddrPort("[::]:67")}, "want an IPv4 address"},
		{UDPConfig{ReadBuffer: -1}, "UDPConfig.ReadBuffer is -1"},
		{UDPConfig{Addr: netip.AddrPortFrom(loopback, 0), Interfaces: []string{"no-such-link"}}, `no interface "no-such-link"`},
		{UDPConfig{Addr: netip.MustParseAddrPort("192.0.2.1:0")}, "192.0.2.1"},
	} {
		c, err := ListenUDP(tt.cfg)
		if err == nil {
			c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got error %v, want one with %q", err, tt.want)
		}
	}
}

func TestUDPConnSendOnly(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SendOnly is for Linux")
	}
	c := listen(t, UDPConfig{SendOnly: true})
	u := dial(t, c)
	if _, err := u.Write([]byte("unheard")); err != nil {
		t.Fatal(err)
	}
	// A second one, so that an ICMP error for the first would show.
	if _, err := u.Write([]byte("unheard")); err != nil {
		t.Errorf("the sender is told: %v", err)
	}
	if n, err := c.WriteBatch([]Datagram{{Data: []byte("x"), Dst: portOf(u)}}); n != 1 || err != nil {
		t.Errorf("writing: %d, %v", n, err)
	}
	if err := c.CloseRead(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.ReadBatch(room(1, 10)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read %d, %v", n, err)
	}
}

// toSender is the Destination of servers on loopback: answers go where the request came from.
func toSender(_, _ *Message, src netip.AddrPort) Destination { return Destination{Addr: src} }

// start serves c until the test ends.
func start(tb testing.TB, s *Server, c Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, c) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("Serve: %v", err)
		}
	})
}

func TestServerOnLoopback(t *testing.T) {
	c := listen(t, UDPConfig{})
	start(t, &Server{Handler: HandlerFunc(offer), Destination: toSender}, c)
	u := dial(t, c)
	for x := range byte(100) {
		if _, err := u.Write(discover(x).Data); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 2000)
		n, err := u.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if m := decode(Datagram{Data: b[:n]}); m.TransactionID[3] != x || m.YourIPAddr != testYours {
			t.Errorf("got %v", m)
		}
	}
}

func TestServerAllocatesNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere a datagram costs some garbage")
	}
	c, client := listen(t, UDPConfig{}), listen(t, UDPConfig{})
	// Few of what is made once, so that it does not count.
	start(t, &Server{Handler: HandlerFunc(offer), Destination: toSender, Workers: 2, MaxInFlight: 2}, c)
	ask := []Datagram{{Data: discover(1).Data, Dst: c.LocalAddr()}}
	answer := room(1, 2000)
	var req Request
	req.Message = new(Message)
	var out []byte
	codec := testing.AllocsPerRun(100, func() { // 0, but for the race detector's instruments
		req.Message.UnmarshalBinary(ask[0].Data)
		m, _ := offer(t.Context(), &req)
		out, _ = m.AppendBinary(out[:0])
	})
	if n := testing.AllocsPerRun(1000, func() {
		client.WriteBatch(ask)
		client.ReadBatch(answer)
	}); n > codec {
		t.Errorf("%v allocations for a request, %v of them to read and build the messages", n, codec)
	}
}
