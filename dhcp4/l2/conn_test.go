package l2

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/internal/links"
)

// fakeSocket is a packetSocket that the test fills and empties.
type fakeSocket struct {
	arriving   [][]packet // a batch for each receive; an empty one is a deadline
	sent       []packet
	sendError  func(p packet) error
	restricted [][]int
	closed     bool
}

func (s *fakeSocket) receive(ps []packet) (int, error) {
	if len(s.arriving) == 0 {
		return 0, net.ErrClosed
	}
	batch := s.arriving[0]
	s.arriving = s.arriving[1:]
	if len(batch) == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	for i, p := range batch {
		data := ps[i].data[:cap(ps[i].data)]
		ps[i] = p
		ps[i].data = data[:copy(data, p.data)]
	}
	return len(batch), nil
}

func (s *fakeSocket) send(ps []packet) (int, error) {
	for i, p := range ps {
		if s.sendError != nil {
			if err := s.sendError(p); err != nil {
				return i, err
			}
		}
		p.data = bytes.Clone(p.data)
		s.sent = append(s.sent, p)
	}
	return len(ps), nil
}

func (s *fakeSocket) restrict(indexes []int) error {
	s.restricted = append(s.restricted, indexes)
	return nil
}

func (s *fakeSocket) drops() uint64    { return 3 }
func (s *fakeSocket) closeRead() error { return nil }
func (s *fakeSocket) close() error     { s.closed = true; return nil }

// fakeUDP is the Conn for routed answers.
type fakeUDP struct {
	dhcp4.Conn
	sent   []string
	fail   string // the payload that cannot be sent
	closed bool
}

func (u *fakeUDP) WriteBatch(ds []dhcp4.Datagram) (int, error) {
	for i, d := range ds {
		if string(d.Data) == u.fail {
			return i, errors.New("no route")
		}
		u.sent = append(u.sent, string(d.Data))
	}
	return len(ds), nil
}

func (u *fakeUDP) Close() error { u.closed = true; return nil }

// world is what the tests' host looks like: eth0 has addresses, eth1 none, eth2 is not served.
func world() *links.Table {
	return links.NewTable([]links.Link{
		{Index: 2, Name: "eth0", HWAddr: serverHW, HWLen: 6, MTU: 1500, Addr: serverIP},
		{Index: 3, Name: "eth1", HWAddr: hwAddr{2, 0, 0, 0, 1, 1}, HWLen: 6, MTU: 1500},
		{Index: 4, Name: "eth2", HWAddr: hwAddr{2, 0, 0, 0, 2, 1}, HWLen: 6, MTU: 1500},
	}, netip.MustParseAddr("10.0.0.2"))
}

type bench struct {
	*Conn
	socket *fakeSocket
	udp    *fakeUDP
}

// newBench returns a Conn for eth0 and eth1 on fakes. load gives its picture of the host.
func newBench(tb testing.TB, cfg Config, load func() (*links.Table, error)) bench {
	tb.Helper()
	if load == nil {
		load = func() (*links.Table, error) { return world(), nil }
	}
	now := time.Now()
	watch, err := links.NewWatch(now, load)
	if err != nil {
		tb.Fatal(err)
	}
	cfg.Interfaces, cfg.Port = []string{"eth0", "eth1"}, 67
	b := bench{socket: new(fakeSocket), udp: new(fakeUDP)}
	b.Conn = newConn(cfg, b.socket, b.udp, watch)
	if err := b.refresh(now); err != nil {
		tb.Fatal(err)
	}
	return b
}

// An interface may go away and come back as another, with another index.
func TestConnFollowsInterfaces(t *testing.T) {
	now := time.Now()
	eth1 := links.Link{Index: 7, Name: "eth1", HWLen: 6}
	steps := []*links.Table{
		world(),
		links.NewTable([]links.Link{{Index: 2, Name: "eth0", HWLen: 6, Addr: clientIP}, eth1}), // another address too
		links.NewTable([]links.Link{{Index: 2, Name: "eth0", HWLen: 6, Addr: serverIP}, eth1}), // the same interfaces
		links.NewTable(nil),
		world(),
	}
	step := 0
	b := newBench(t, Config{}, func() (*links.Table, error) { return steps[step], nil })
	for step = 1; step < len(steps); step++ {
		if err := b.refresh(now.Add(time.Duration(step) * time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	want := [][]int{{2, 3}, {2, 7}, {}, {2, 3}}
	if !slices.EqualFunc(b.socket.restricted, want, slices.Equal) {
		t.Errorf("restricted to %v, want %v", b.socket.restricted, want)
	}
	for _, indexes := range b.socket.restricted {
		if indexes == nil {
			t.Error("restricted to any interface")
		}
	}
}

func TestConnCloses(t *testing.T) {
	b := newBench(t, Config{}, nil)
	if err := b.Close(); err != nil || !b.socket.closed || !b.udp.closed {
		t.Errorf("got %v, closed %v and %v", err, b.socket.closed, b.udp.closed)
	}
}

func TestConnAllocatesNothing(t *testing.T) {
	b := newBench(t, Config{Tagged: true}, nil)
	in := []packet{arrival(2, heard(), nil), arrival(2, heard(), func(p *packet, _ *frame) { p.tag = tag{true, 100} })}
	batches := [][]packet{in}
	ds := room(2)
	socket := &quietSocket{fakeSocket: b.socket}
	b.Conn.socket = socket
	if n := testing.AllocsPerRun(100, func() {
		b.socket.arriving = batches
		if n, err := b.ReadBatch(ds); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		for i := range ds {
			ds[i].Dst, ds[i].HWAddr = ds[i].Src, clientHW[:]
		}
		if n, err := b.WriteBatch(ds); n != 2 || err != nil {
			t.Fatal(n, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// quietSocket does not remember what is sent.
type quietSocket struct{ *fakeSocket }

func (quietSocket) send(ps []packet) (int, error) { return len(ps), nil }

func TestListenRefuses(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "Config.Interfaces has 0 names"},
		{Config{Interfaces: make([]string, maxInterfaces+1)}, "Config.Interfaces has 1025 names"},
		{Config{Interfaces: []string{"eth0"}, ReadBuffer: -1}, "Config.ReadBuffer is -1"},
		{Config{Interfaces: []string{"no-such-link"}}, `no interface "no-such-link"`},
	} {
		if _, err := Listen(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got error %v, want one with %q", err, tt.want)
		}
	}
}
