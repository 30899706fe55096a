package dhcp4test

import (
	"net"
	"net/netip"
	"sync"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// conn is the dhcp4.Conn of a server on a LAN.
type conn struct {
	at   *station
	addr netip.Addr
	once sync.Once
	done chan struct{}
}

func newConn(at *station, addr netip.Addr) *conn {
	return &conn{at: at, addr: addr, done: make(chan struct{})}
}

// link is what a server knows of its interface.
var link = dhcp4.Link{Index: 1, Name: "lan0"}

// ReadBatch implements dhcp4.Conn.
func (c *conn) ReadBatch(ds []dhcp4.Datagram) (int, error) {
	take := func(i int, f frame) {
		ds[i].Data = append(ds[i].Data[:0], f.data...)
		ds[i].Link, ds[i].Local, ds[i].Src, ds[i].Dst, ds[i].HWAddr = link, c.addr, f.src, f.dst, nil
	}
	select {
	case <-c.done:
		return 0, net.ErrClosed
	default:
	}
	select {
	case <-c.done:
		return 0, net.ErrClosed
	case f := <-c.at.in:
		take(0, f)
	}
	for n := 1; n < len(ds); n++ {
		select {
		case f := <-c.at.in:
			take(n, f)
		default:
			return n, nil
		}
	}
	return len(ds), nil
}

// WriteBatch implements dhcp4.Conn.
func (c *conn) WriteBatch(ds []dhcp4.Datagram) (int, error) {
	for _, d := range ds {
		c.at.send(frame{
			src: netip.AddrPortFrom(c.addr, dhcp4.ServerPort), dst: d.Dst, dstHW: string(d.HWAddr), data: d.Data,
		})
	}
	return len(ds), nil
}

// CloseRead implements dhcp4.Conn.
func (c *conn) CloseRead() error {
	c.once.Do(func() { close(c.done) })
	return nil
}

// Close implements dhcp4.Conn.
func (c *conn) Close() error { return c.CloseRead() }
