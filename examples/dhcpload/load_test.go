package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// fake is a Conn at whose other end a server of a few lines sits, which makes mistakes on demand.
type fake struct {
	answers chan []byte
	closed  chan struct{}
	once    sync.Once

	same   bool // gives everybody one address
	amnesc bool // knows nobody after a reboot
	deaf   func(dhcp4.MessageType) bool
	asked  map[dhcp4.MessageType]int
	leases map[[6]byte]netip.Addr
}

func newFake() *fake {
	return &fake{
		answers: make(chan []byte, 1<<16), closed: make(chan struct{}),
		asked: make(map[dhcp4.MessageType]int), leases: make(map[[6]byte]netip.Addr),
	}
}

func (f *fake) ReadBatch(ds []dhcp4.Datagram) (int, error) {
	select {
	case b := <-f.answers:
		ds[0].Data = append(ds[0].Data[:0], b...)
		return 1, nil
	case <-f.closed:
		return 0, net.ErrClosed
	}
}

func (f *fake) WriteBatch(ds []dhcp4.Datagram) (int, error) {
	for i := range ds {
		var m, reply dhcp4.Message
		if err := m.UnmarshalBinary(ds[i].Data); err != nil {
			return i, err
		}
		kind := m.MessageType()
		f.asked[kind]++
		if f.deaf != nil && f.deaf(kind) {
			continue
		}
		hw := [6]byte(m.ClientHWAddr)
		a, known := f.leases[hw]
		if !known {
			a = address(0x0a010000 + uint32(len(f.leases)))
			if f.same {
				a = address(0x0a010000)
			}
			f.leases[hw] = a
		}
		_, named := m.ServerIdentifier()
		wished, wishes := m.RequestedIPAddress()
		switch {
		case kind == dhcp4.MessageTypeDiscover:
			m.NewReply(&reply, dhcp4.MessageTypeOffer)
		case wishes && !named && f.amnesc, wishes && wished != a:
			m.NewReply(&reply, dhcp4.MessageTypeNak)
		default:
			m.NewReply(&reply, dhcp4.MessageTypeAck)
		}
		if reply.MessageType() != dhcp4.MessageTypeNak {
			reply.YourIPAddr = a
			reply.SetIPAddressLeaseTime(time.Hour)
		}
		reply.SetServerIdentifier(address(1))
		b, err := reply.MarshalBinary()
		if err != nil {
			return i, err
		}
		f.answers <- b
	}
	return len(ds), nil
}

func (f *fake) CloseRead() error { f.once.Do(func() { close(f.closed) }); return nil }
func (f *fake) Close() error     { return f.CloseRead() }

func base() config {
	return config{
		Servers: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:67")},
		Relays:  []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")},
		Port:    67, Clients: 100, Window: 8, For: 10 * time.Second, Timeout: time.Second,
	}
}

func run1(t *testing.T, f *fake, cfg config) *result {
	t.Helper()
	if err := cfg.validate(); err != nil {
		t.Fatal(err)
	}
	r, err := load(context.Background(), cfg, f, new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLoads(t *testing.T) {
	for _, c := range []struct {
		name  string
		cfg   func(c *config)
		fake  func(f *fake)
		check func(t *testing.T, r *result, f *fake)
	}{
		{"closed: each client once", func(c *config) { c.Count, c.For, c.Verify = 100, 0, true }, nil, func(t *testing.T, r *result, f *fake) {
			if r.DORA.n != 100 || r.Verified != 100 || r.broken() || r.dropped() != 0 || len(f.leases) != 100 {
				t.Errorf("%d complete, %d verified, %d dropped, %d leases", r.DORA.n, r.Verified, r.dropped(), len(f.leases))
			}
		}},
		{"clients come again when there are no more", func(c *config) { c.Count, c.For = 250, 0 }, nil, func(t *testing.T, r *result, f *fake) {
			if r.DORA.n != 250 || len(f.leases) != 100 || r.broken() {
				t.Errorf("%d complete, %d leases", r.DORA.n, len(f.leases))
			}
		}},
		{"renewals", func(c *config) { c.Count, c.For, c.Renew = 1000, 0, 100 }, nil, func(t *testing.T, r *result, f *fake) {
			if r.Renewal.n < 800 || r.DORA.n+r.Renewal.n != 1000 || f.asked[dhcp4.MessageTypeDiscover] != int(r.DORA.n) {
				t.Errorf("%d renewals, %d new", r.Renewal.n, r.DORA.n)
			}
		}},
		{"open: so many a second, with a ramp", func(c *config) { c.Rate, c.Ramp, c.Window = 100, 2*time.Second, 1000 }, nil, func(t *testing.T, r *result, f *fake) {
			if r.Begun < 899 || r.Begun > 901 || r.NotBegun != 0 || r.Took != 10*time.Second {
				t.Errorf("%d begun in %v, %d not", r.Begun, r.Took, r.NotBegun)
			}
		}},
		{"open: too many under way", func(c *config) { c.Rate, c.Timeout = 100, 5*time.Second }, func(f *fake) {
			f.deaf = func(dhcp4.MessageType) bool { return true }
		}, func(t *testing.T, r *result, f *fake) {
			if r.Begun != 16 || r.NoOffer != 16 || r.Begun+r.NotBegun < 999 || r.DORA.n != 0 {
				t.Errorf("%d begun, %d without offer, %d not begun", r.Begun, r.NoOffer, r.NotBegun)
			}
		}},
		{"requests are lost", func(c *config) { c.For = 3 * time.Second }, func(f *fake) {
			f.deaf = func(k dhcp4.MessageType) bool { return k == dhcp4.MessageTypeRequest }
		}, func(t *testing.T, r *result, f *fake) {
			if r.NoAck == 0 || r.NoAck != r.Begun || r.Offer.n != uint64(r.Begun) || r.DORA.n != 0 {
				t.Errorf("%d begun, %d offers, %d without ack", r.Begun, r.Offer.n, r.NoAck)
			}
		}},
		{"one address for all", func(c *config) { c.Count, c.For = 20, 0 }, func(f *fake) { f.same = true }, func(t *testing.T, r *result, f *fake) {
			if r.Twice != 19 || !r.broken() || len(r.Examples) != maxExamples {
				t.Errorf("%d given twice, %q", r.Twice, r.Examples)
			}
		}},
		{"leases are forgotten", func(c *config) { c.Count, c.For, c.Verify = 20, 0, true }, func(f *fake) { f.amnesc = true }, func(t *testing.T, r *result, f *fake) {
			if r.Forgotten != 20 || !r.broken() {
				t.Errorf("%d forgotten", r.Forgotten)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, cfg := newFake(), base()
				c.cfg(&cfg)
				if c.fake != nil {
					c.fake(f)
				}
				c.check(t, run1(t, f, cfg), f)
			})
		})
	}
}

// What comes that nobody asked for is counted, and does no harm.
func TestStrangeAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var ack dhcp4.Message
		ack.OpCode, ack.ClientHWAddr = dhcp4.OpcodeBootReply, []byte{2, 0, 0, 0, 0, 1}
		ack.TransactionID = dhcp4.TransactionID{9, 0, 0, 1} // client 1 in a round that it was never in
		ack.SetMessageType(dhcp4.MessageTypeAck)
		late, err := ack.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		other := bytes.Clone(late)
		other[atCHAddr] = 4
		beyond := bytes.Clone(late)
		binary.BigEndian.PutUint32(beyond[atXID:], 5000)
		for _, b := range [][]byte{late, other, beyond, []byte("x")} {
			f.answers <- b
		}
		cfg := base()
		cfg.Count, cfg.For = 10, 0
		r := run1(t, f, cfg)
		if r.Late != 1 || r.Strange != 3 || r.DORA.n != 10 || r.broken() {
			t.Errorf("%d late, %d strange, %d complete", r.Late, r.Strange, r.DORA.n)
		}
	})
}

// Several servers are all asked; the first answer counts, the others are late.
func TestServersAreAllAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, cfg := newFake(), base()
		cfg.Servers = append(cfg.Servers, netip.MustParseAddrPort("10.0.0.9:67"))
		cfg.Count, cfg.For = 10, 0
		r := run1(t, f, cfg)
		if r.Sent != 40 || r.DORA.n != 10 || r.Late == 0 || r.broken() {
			t.Errorf("%d sent, %d complete, %d late", r.Sent, r.DORA.n, r.Late)
		}
		var text strings.Builder
		if err := r.writeText(&text); err != nil || !strings.Contains(text.String(), "10 exchanges") {
			t.Errorf("%v %q", err, text.String())
		}
	})
}
