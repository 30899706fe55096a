package failover

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

	"github.com/tandem-dhcp/tandem/lease"
)

// TestPort has one server with two partners on one address and port; with one of them it has two relationships.
func TestPort(t *testing.T) {
	free, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := netip.MustParseAddrPort(free.Addr().String()).Port()
	free.Close()
	at := func(a string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(a), port) }
	hub, first, second := at("127.0.0.1"), at("127.0.0.2"), at("127.0.0.3")
	strangers := make(chan net.Addr, 100) // a partner that comes before it is listened for is one, too
	p := NewPort(hub, func(a net.Addr) { strangers <- a })
	both := NewMux(p.Transport(second), nil)
	far := NewMux(TCP{Local: second, Partner: hub}, nil)
	nodes := []*server{
		startNode(t, Secondary, p.Transport(first), named("a")),
		startNode(t, Primary, TCP{Local: first, Partner: hub}, named("a")),
		startNode(t, Secondary, both.Transport("b", Secondary), named("b")),
		startNode(t, Primary, far.Transport("b", Primary), named("b")),
		startNode(t, Primary, both.Transport("c", Primary), named("c")),
		startNode(t, Secondary, far.Transport("c", Secondary), named("c")),
	}
	waitNormal(t, nodes...)
	for i := 0; i < len(nodes); i += 2 {
		wantOnly(t, nodes[i], nodes[i+1])
	}
	conn, err := TCP{Local: at("127.0.0.4"), Partner: hub}.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Error("a stranger is spoken to")
	}
	for a := range strangers {
		if strings.HasPrefix(a.String(), "127.0.0.4:") {
			break
		}
	}
	// The last one out ends the listening.
	for _, n := range nodes {
		n.stop()
	}
	if conn, err := (TCP{Local: first, Partner: hub}).Dial(t.Context()); err == nil {
		conn.Close()
		t.Error("somebody still listens")
	}
}

func TestPortNames(t *testing.T) {
	p := NewPort(netip.MustParseAddrPort("127.0.0.1:0"), nil)
	tr := p.Transport(netip.MustParseAddrPort("127.0.0.2:1"))
	l, err := tr.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), "two relationships with 127.0.0.2") {
		t.Errorf("a partner may have two places: %v", err)
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed listener accepts: %v", err)
	}
	if l, err = tr.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// TestBranchBound has a relationship that accepts nothing: what comes for it is closed, not queued for ever.
func TestBranchBound(t *testing.T) {
	b := newBranch()
	var far []net.Conn
	for range maxQueued + 1 {
		near, f := net.Pipe()
		b.offer(near)
		far = append(far, f)
	}
	if _, err := far[maxQueued].Read(make([]byte, 1)); err == nil {
		t.Error("one too many is not closed")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, f := range far {
		if _, err := f.Read(make([]byte, 1)); err == nil {
			t.Error("what waited is not closed")
		}
	}
}

// TestDistrustBacksOff counts how often a partner with another secret is dialled.
func TestDistrustBacksOff(t *testing.T) {
	for _, tc := range []struct {
		name               string
		primary, secondary Secret
	}{
		{"other secrets", Secret(secret), Secret("another 16 octets")},
		{"only the primary's", Secret(secret), nil},
		{"only the secondary's", nil, Secret(secret)},
	} {
		t.Run(tc.name, func(t *testing.T) { backsOff(t, tc.primary, tc.secondary) })
	}
}

// TestDigestFirst has the option message-digest where the draft wants it (12.17), as the link has it.
func TestDigestFirst(t *testing.T) {
	f := &Frame{Time: start, XID: 1, Vendor: "\x00\x01\x00\x00", Digest: Digest{Type: 1, Sum: strings.Repeat("x", 16)},
		Body: &BindingUpdate{Bindings: []Binding{{Addr: netip.MustParseAddr("10.0.0.1"), Status: lease.Free}}}}
	b := encode(t, f)
	if b[headerSize+1] != byte(OptionMessageDigest) {
		t.Errorf("it begins with option %d", b[headerSize+1])
	}
	s := &seal{typ: DigestHMACMD5}
	s.in = newSeal(Config{Secret: Secret(secret), DigestType: DigestHMACMD5}).in
	if err := s.check(b); !errors.Is(err, RejectDigestMismatch) {
		t.Errorf("the link finds %v, want a digest that does not fit", err)
	}
}

func backsOff(t *testing.T, primary, secondary Secret) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		var dials atomic.Int64
		start := func(role Role, s Secret) *server {
			return startNode(t, role, counting{pipeTransport{w, int(role)}, &dials}, func(c *Config) { c.Secret = s })
		}
		p, s := start(Primary, primary), start(Secondary, secondary)
		time.Sleep(5 * time.Minute) // of the bubble
		synctest.Wait()
		if n, most := dials.Load(), int64(2*(5*time.Minute/refusedTime+2)); n > most {
			t.Errorf("%d attempts, want at most %d", n, most)
		}
		for _, n := range []*server{p, s} {
			if n.Status().Connected {
				t.Error("they are connected")
			}
			n.wantSaid(t, "digest")
		}
	})
}

// counting counts how often it dials.
type counting struct {
	Transport
	dials *atomic.Int64
}

func (c counting) Dial(ctx context.Context) (net.Conn, error) {
	c.dials.Add(1)
	return c.Transport.Dial(ctx)
}
