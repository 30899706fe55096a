package dhcp4

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"github.com/tandem-dhcp/tandem/dhcp4/internal/mmsg"
	"golang.org/x/sys/unix"
)

// system is what a UDPConn needs on Linux. Reading and writing share nothing, so that two goroutines may do so.
type system struct {
	raw     syscall.RawConn
	in, out *mmsg.Batch
}

// setOptions prepares the socket before it is bound.
func setOptions(fd int, cfg UDPConfig) error {
	for _, o := range []struct {
		name       string
		level, opt int
	}{
		{"SO_REUSEADDR", unix.SOL_SOCKET, unix.SO_REUSEADDR}, // beside a DHCP client, or the server that we replace
		{"SO_BROADCAST", unix.SOL_SOCKET, unix.SO_BROADCAST},
		{"IP_PKTINFO", unix.IPPROTO_IP, unix.IP_PKTINFO},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.opt, 1); err != nil {
			return fmt.Errorf("setting %s: %w", o.name, err)
		}
	}
	if len(cfg.Interfaces) == 1 {
		if err := unix.BindToDevice(fd, cfg.Interfaces[0]); err != nil {
			return fmt.Errorf("binding to %s: %w", cfg.Interfaces[0], err)
		}
	}
	if cfg.SendOnly {
		nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
		prog := unix.SockFprog{Len: uint16(len(nothing)), Filter: &nothing[0]}
		if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
			return fmt.Errorf("setting a filter: %w", err)
		}
	}
	return nil
}

func (c *UDPConn) open() (err error) {
	room := unix.CmsgSpace(unix.SizeofInet4Pktinfo)
	c.in, c.out = mmsg.New(maxBatch, room), mmsg.New(maxBatch, room)
	c.raw, err = c.udp.SyscallConn()
	return err
}

// force sets the read buffer beyond net.core.rmem_max, if we may.
func (c *UDPConn) force(octets int) error {
	raw, err := c.udp.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, octets) }); err != nil {
		return err
	}
	return inner
}

// ReadBatch implements Conn.
func (c *UDPConn) ReadBatch(ds []Datagram) (int, error) {
	for {
		ds := ds[:min(len(ds), c.in.Size())]
		for i := range ds {
			ds[i].Data = ds[i].Data[:cap(ds[i].Data)]
			c.in.SetBuffer(i, ds[i].Data)
		}
		n, err := c.in.Recv(c.raw, len(ds))
		if err != nil {
			return 0, readError(err)
		}
		now := time.Now()
		table := c.watch.Table(now)
		kept := 0
		for i := range ds[:n] {
			d := &ds[i]
			index, dst := packetInfo(c.in.Control(i))
			d.Data = d.Data[:c.in.Len(i)]
			d.Src, d.Dst = parseSockaddr(c.in.Name(i)), netip.AddrPortFrom(dst, c.local.Port())
			if c.arrive(d, table, index, now) {
				ds[kept], ds[i] = ds[i], ds[kept]
				kept++
			}
		}
		if kept > 0 {
			return kept, nil
		}
	}
}

// WriteBatch implements Conn.
func (c *UDPConn) WriteBatch(ds []Datagram) (int, error) {
	table := c.watch.Table(time.Now())
	sent := 0
	for sent < len(ds) {
		part := ds[sent:min(len(ds), sent+c.out.Size())]
		var wrong error
		for i := range part {
			dst, index, src, err := c.route(&part[i], table)
			if err != nil {
				part, wrong = part[:i], err
				break
			}
			c.out.SetBuffer(i, part[i].Data)
			putSockaddr(c.out.SetName(i, unix.SizeofSockaddrInet4), dst)
			putPacketInfo(c.out.SetControl(i, unix.CmsgSpace(unix.SizeofInet4Pktinfo)), index, src)
		}
		n, err := c.out.Send(c.raw, 0, len(part))
		sent += n
		if err != nil {
			return sent, fmt.Errorf("dhcp4: writing to UDP: %v: %w", part[n].Dst, err)
		}
		if wrong != nil {
			return sent, wrong
		}
	}
	return sent, nil
}

// packetInfo returns what a struct in_pktinfo among the ancillary data says: by which interface the datagram came, and
// the destination in its header.
func packetInfo(control []byte) (index int, dst netip.Addr) {
	for len(control) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			return 0, netip.Addr{}
		}
		if h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo {
			return int(int32(binary.NativeEndian.Uint32(data))), netip.AddrFrom4([4]byte(data[8:]))
		}
		control = rest
	}
	return 0, netip.Addr{}
}

// putPacketInfo fills b, of unix.CmsgSpace(unix.SizeofInet4Pktinfo) octets, with a struct in_pktinfo that sends by an
// interface (0: any) from an address (invalid: any).
func putPacketInfo(b []byte, index int, src netip.Addr) {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
	h.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
	data := b[unix.CmsgLen(0):]
	binary.NativeEndian.PutUint32(data, uint32(index))
	var spec [4]byte
	if src.IsValid() {
		spec = src.As4()
	}
	copy(data[4:], spec[:])
	clear(data[8:12])
}

// parseSockaddr returns the address in a struct sockaddr_in, or the invalid one.
func parseSockaddr(b []byte) netip.AddrPort {
	if len(b) < 8 || binary.NativeEndian.Uint16(b) != unix.AF_INET {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:])), binary.BigEndian.Uint16(b[2:]))
}

// putSockaddr fills b, of unix.SizeofSockaddrInet4 octets, with a struct sockaddr_in.
func putSockaddr(b []byte, a netip.AddrPort) {
	binary.NativeEndian.PutUint16(b, unix.AF_INET)
	binary.BigEndian.PutUint16(b[2:], a.Port())
	ip := a.Addr().As4()
	copy(b[4:], ip[:])
	clear(b[8:])
}
