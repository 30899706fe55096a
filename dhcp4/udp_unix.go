//go:build unix && !linux

package dhcp4

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// system is what a UDPConn needs on the Unixes without recvmmsg.
type system struct{ pc *ipv4.PacketConn }

// setOptions prepares the socket before it is bound. Interfaces are picked by what each datagram tells, as there is no
// binding to one that all these systems share.
func setOptions(fd int, cfg UDPConfig) error {
	if cfg.SendOnly {
		return fmt.Errorf("UDPConfig.SendOnly: %w", errors.ErrUnsupported)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return fmt.Errorf("setting SO_REUSEADDR: %w", err)
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
}

func (c *UDPConn) open() error {
	c.pc = ipv4.NewPacketConn(c.udp)
	return c.pc.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
}

// force is for Linux.
func (c *UDPConn) force(int) error { return errors.ErrUnsupported }

// ReadBatch implements Conn.
func (c *UDPConn) ReadBatch(ds []Datagram) (int, error) {
	for {
		d := &ds[0]
		d.Data = d.Data[:cap(d.Data)]
		n, cm, src, err := c.pc.ReadFrom(d.Data)
		if err != nil {
			return 0, readError(err)
		}
		d.Data = d.Data[:n]
		d.Src, d.Dst = netip.AddrPort{}, netip.AddrPort{}
		if a, ok := src.(*net.UDPAddr); ok {
			d.Src = netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
		}
		index := 0
		if cm != nil {
			dst, _ := netip.AddrFromSlice(cm.Dst.To4())
			d.Dst, index = netip.AddrPortFrom(dst, c.local.Port()), cm.IfIndex
		}
		now := time.Now()
		if c.arrive(d, c.watch.Table(now), index, now) {
			return 1, nil
		}
	}
}

// WriteBatch implements Conn.
func (c *UDPConn) WriteBatch(ds []Datagram) (int, error) {
	table := c.watch.Table(time.Now())
	for i := range ds {
		dst, index, src, err := c.route(&ds[i], table)
		if err != nil {
			return i, err
		}
		cm := ipv4.ControlMessage{IfIndex: index, Src: src.AsSlice()}
		if _, err := c.pc.WriteTo(ds[i].Data, &cm, net.UDPAddrFromAddrPort(dst)); err != nil {
			return i, fmt.Errorf("dhcp4: writing to UDP: %v: %w", dst, err)
		}
	}
	return len(ds), nil
}
