package dhcp4

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4/internal/links"
)

// UDPConfig says where a UDPConn listens. The zero UDPConfig is port 67 of all addresses and interfaces.
type UDPConfig struct {
	// Addr is the address and port to listen on. The zero AddrPort is 0.0.0.0:67; port 0 in another is any free port.
	// Broadcasts arrive only at 0.0.0.0.
	Addr netip.AddrPort
	// Interfaces are the names of those to listen on, all if there are none. With one the socket is bound to it on Linux
	// (SO_BINDTODEVICE), so that what others receive does not reach it and replies leave by it whatever the routing
	// table says; if it goes away and comes back the UDPConn must be opened anew. With several their datagrams are
	// picked out of all that arrive.
	Interfaces []string
	// ReadBuffer is how many octets the kernel keeps that are not read yet; on Linux without CAP_NET_ADMIN, and elsewhere,
	// as far as it allows (net.core.rmem_max). Zero is 1 MiB, some 1,000 messages: a building whose power returns asks
	// all at once.
	ReadBuffer int
	// SendOnly says that nothing shall be read: what arrives is dropped by the kernel, which also does not answer it
	// with ICMP port unreachable, because somebody else reads it from the link. Linux only.
	SendOnly bool
}

// defaultReadBuffer is UDPConfig.ReadBuffer where none is given, in octets.
const defaultReadBuffer = 1 << 20

// UDPConn is a Conn on a UDP socket. It cannot address the link layer, so it broadcasts to a client that has no address
// yet.
//
// On Linux it passes many datagrams in one system call and allocates nothing for them; replies to broadcasts leave by the
// link they are for. Elsewhere it passes them one by one, and on the BSDs other than macOS it is the routing table that
// chooses the link of a broadcast: serve one link there.
type UDPConn struct {
	udp   *net.UDPConn
	local netip.AddrPort
	names map[string]struct{} // of the interfaces wanted, nil for all
	watch *links.Watch
	system
}

// ListenUDP returns a UDPConn. Port 67 needs root or CAP_NET_BIND_SERVICE. The error is errors.ErrUnsupported on systems
// that are not like Unix.
func ListenUDP(cfg UDPConfig) (*UDPConn, error) {
	c, err := listenUDP(cfg)
	if err != nil {
		return nil, fmt.Errorf("dhcp4: listening for UDP: %w", err)
	}
	return c, nil
}

func listenUDP(cfg UDPConfig) (*UDPConn, error) {
	if cfg.Addr == (netip.AddrPort{}) {
		cfg.Addr = netip.AddrPortFrom(netip.IPv4Unspecified(), ServerPort)
	}
	if cfg.ReadBuffer == 0 {
		cfg.ReadBuffer = defaultReadBuffer
	}
	if !cfg.Addr.Addr().Is4() {
		return nil, fmt.Errorf("UDPConfig.Addr is %v: want an IPv4 address", cfg.Addr)
	}
	if cfg.ReadBuffer < 0 {
		return nil, fmt.Errorf("UDPConfig.ReadBuffer is %d: want a number of octets, or 0 for %d", cfg.ReadBuffer, defaultReadBuffer)
	}
	watch, err := links.NewWatch(time.Now(), links.Load)
	if err != nil {
		return nil, err
	}
	if _, err := watch.Table(time.Now()).Resolve(cfg.Interfaces); err != nil {
		return nil, err
	}
	c := &UDPConn{watch: watch}
	if len(cfg.Interfaces) > 0 {
		c.names = make(map[string]struct{})
		for _, name := range cfg.Interfaces {
			c.names[name] = struct{}{}
		}
	}
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var inner error
		if err := raw.Control(func(fd uintptr) { inner = setOptions(int(fd), cfg) }); err != nil {
			return err
		}
		return inner
	}}
	pc, err := lc.ListenPacket(context.Background(), "udp4", cfg.Addr.String())
	if err != nil {
		return nil, err
	}
	c.udp = pc.(*net.UDPConn)
	c.local = c.udp.LocalAddr().(*net.UDPAddr).AddrPort()
	if err := c.force(cfg.ReadBuffer); err != nil {
		_ = c.udp.SetReadBuffer(cfg.ReadBuffer) // Linux takes less, the BSDs refuse: then it stays as it was
	}
	if err := c.open(); err != nil {
		return nil, errors.Join(err, c.udp.Close())
	}
	return c, nil
}

// LocalAddr returns the address and port that c listens on.
func (c *UDPConn) LocalAddr() netip.AddrPort { return c.local }

// CloseRead implements Conn.
func (c *UDPConn) CloseRead() error { return c.udp.SetReadDeadline(time.Unix(1, 0)) }

// Close implements Conn.
func (c *UDPConn) Close() error { return c.udp.Close() }

// readError makes the error of ReadBatch. No deadline is ever set but by CloseRead.
func readError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = net.ErrClosed
	}
	return fmt.Errorf("dhcp4: reading from UDP: %w", err)
}

// arrive fills in where d came by, interface index of table t, and reports whether c wants it.
func (c *UDPConn) arrive(d *Datagram, t *links.Table, index int, now time.Time) bool {
	l, ok := t.Index(index)
	if !ok {
		l, _ = c.watch.Again(now).Index(index)
	}
	d.Link, d.Local, d.HWAddr = Link{Index: index, Name: l.Name}, l.Addr, nil
	if c.names == nil {
		return true
	}
	_, ok = c.names[l.Name]
	return ok
}

// route returns how d leaves: to where, by which interface (0: the routing table says), and from which address of this
// host (invalid: the system says).
func (c *UDPConn) route(d *Datagram, t *links.Table) (dst netip.AddrPort, index int, src netip.Addr, err error) {
	dst = d.Dst
	if len(d.HWAddr) > 0 {
		dst = netip.AddrPortFrom(limitedBroadcast, d.Dst.Port())
	}
	if !dst.Addr().Is4() {
		return dst, 0, src, fmt.Errorf("dhcp4: writing to UDP: %v is not an IPv4 address", dst)
	}
	for _, a := range []netip.Addr{d.Src.Addr(), d.Local} {
		if t.Local(a) {
			return dst, d.Link.Index, a, nil
		}
	}
	return dst, d.Link.Index, netip.Addr{}, nil
}
