package dhcp4

import (
	"net"
	"net/netip"
	"sync"
)

// fakeConn is a Conn made of channels. The test puts in what arrives and takes out what is sent.
type fakeConn struct {
	arriving   chan Datagram
	failing    chan error
	sent       chan Datagram
	writeError func(Datagram) error // of a datagram to be sent, nil if all go well
	ended      chan struct{}
	endOnce    sync.Once
	closed     bool
}

func newFakeConn() *fakeConn {
	return &fakeConn{
		arriving: make(chan Datagram, 100),
		failing:  make(chan error),
		sent:     make(chan Datagram, 100),
		ended:    make(chan struct{}),
	}
}

func (c *fakeConn) ReadBatch(ds []Datagram) (int, error) {
	put := func(d *Datagram, from Datagram) {
		room := d.Data[:cap(d.Data)]
		*d = from
		d.Data = room[:copy(room, from.Data)]
	}
	select {
	case <-c.ended:
		return 0, net.ErrClosed
	case err := <-c.failing:
		return 0, err
	case d := <-c.arriving:
		put(&ds[0], d)
	}
	for n := 1; n < len(ds); n++ {
		select {
		case d := <-c.arriving:
			put(&ds[n], d)
		default:
			return n, nil
		}
	}
	return len(ds), nil
}

func (c *fakeConn) WriteBatch(ds []Datagram) (int, error) {
	for i, d := range ds {
		if c.writeError != nil {
			if err := c.writeError(d); err != nil {
				return i, err
			}
		}
		d.Data = append([]byte(nil), d.Data...)
		d.HWAddr = append([]byte(nil), d.HWAddr...)
		c.sent <- d
	}
	return len(ds), nil
}

func (c *fakeConn) CloseRead() error {
	c.endOnce.Do(func() { close(c.ended) })
	return nil
}

func (c *fakeConn) Close() error {
	c.closed = true
	return c.CloseRead()
}

var (
	testLink   = Link{Index: 2, Name: "eth0"}
	testServer = netip.MustParseAddr("10.0.0.1")
	testYours  = netip.MustParseAddr("10.0.0.42")
	testHW     = []byte{2, 0, 0, 0, 0, 42}
)

// discover returns the datagram of a broadcast DHCPDISCOVER whose xid ends in x.
func discover(x byte) Datagram {
	m := Message{OpCode: OpcodeBootRequest, HWType: HWTypeEthernet, TransactionID: TransactionID{0, 0, 0, x}, ClientHWAddr: testHW}
	m.SetMessageType(MessageTypeDiscover)
	return Datagram{Data: encode(&m), Link: testLink, Local: testServer,
		Src: netip.MustParseAddrPort("0.0.0.0:68"), Dst: netip.MustParseAddrPort("255.255.255.255:67")}
}

func encode(m *Message) []byte {
	b, err := m.MarshalBinary()
	if err != nil {
		panic(err)
	}
	return b
}

// decode returns the message in d.
func decode(d Datagram) *Message {
	m := new(Message)
	if err := m.UnmarshalBinary(d.Data); err != nil {
		panic(err)
	}
	return m
}
