package l2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/tandem-dhcp/tandem/dhcp4/internal/mmsg"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// packets is a packetSocket of AF_PACKET. One socket serves all interfaces, and the filter picks them: so one system call
// reads what came by any of them, and one that goes and comes back with another index is but another filter.
type packets struct {
	port    uint16
	file    *os.File // so that the runtime waits for it
	raw     syscall.RawConn
	in, out *mmsg.Batch
	ended   atomic.Bool // closeRead was called
	closed  atomic.Bool
	dropped atomic.Uint64
}

// sizeofAuxdata is that of struct tpacket_auxdata, in octets.
const sizeofAuxdata = int(unsafe.Sizeof(unix.TpacketAuxdata{}))

func openPackets(cfg Config) (packetSocket, error) {
	// Of no protocol until it is bound, so that nothing arrives that the filter has not seen.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	p := &packets{port: cfg.Port, file: os.NewFile(uintptr(fd), "packet socket")}
	p.in, p.out = mmsg.New(maxBatch, unix.CmsgSpace(sizeofAuxdata)), mmsg.New(maxBatch, 0)
	if err := p.prepare(fd, cfg); err != nil {
		return nil, errors.Join(err, p.file.Close())
	}
	return p, nil
}

func (p *packets) prepare(fd int, cfg Config) (err error) {
	if p.raw, err = p.file.SyscallConn(); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
		return fmt.Errorf("setting PACKET_AUXDATA: %w", err)
	}
	// Beyond net.core.rmem_max if we may.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, cfg.ReadBuffer) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, cfg.ReadBuffer); err != nil {
			return fmt.Errorf("setting SO_RCVBUF: %w", err)
		}
	}
	if err := p.restrict([]int{}); err != nil {
		return err
	}
	// The handler of IPv4 sees a frame after the interface of its VLAN has taken it, and no frame that is sent. That of
	// all protocols sees it before, with its tag, which is what Tagged is about.
	protocol := uint16(unix.ETH_P_IP)
	if cfg.Tagged {
		protocol = unix.ETH_P_ALL
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(protocol)}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	return p.file.SetReadDeadline(time.Now().Add(refreshEvery))
}

// bigEndian returns n as its octets are on the wire (htons).
func bigEndian(n uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], n)
	return binary.NativeEndian.Uint16(b[:])
}

func (p *packets) restrict(indexes []int) error {
	program, err := bpf.Assemble(filter(p.port, indexes))
	if err != nil {
		return err
	}
	f := make([]unix.SockFilter, len(program))
	for i, in := range program {
		f[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	prog := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	var inner error
	if err := p.raw.Control(func(fd uintptr) {
		inner = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog)
	}); err != nil {
		return err
	}
	return os.NewSyscallError("setting a filter", inner)
}

func (p *packets) receive(ps []packet) (int, error) {
	for {
		// Looked at after the deadline was set, and set before closeRead does: either it replaces our deadline, or
		// we see it here.
		if p.ended.Load() {
			return 0, net.ErrClosed
		}
		ps := ps[:min(len(ps), p.in.Size())]
		for i := range ps {
			ps[i].data = ps[i].data[:cap(ps[i].data)]
			p.in.SetBuffer(i, ps[i].data)
		}
		n, err := p.in.Recv(p.raw, len(ps))
		if err != nil {
			return 0, p.receiveError(err)
		}
		kept := 0
		for i := range ps[:n] {
			if p.arrive(i, &ps[i]) {
				ps[kept], ps[i] = ps[i], ps[kept]
				kept++
			}
		}
		if kept > 0 {
			return kept, nil
		}
	}
}

// receiveError returns the error of receive, and sets the next deadline if the last one has passed.
func (p *packets) receiveError(err error) error {
	switch {
	case p.ended.Load():
		return net.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.Join(err, p.file.SetReadDeadline(time.Now().Add(refreshEvery)))
	}
	return err
}

// arrive fills in packet i of those received. It reports false for one that is not for this host.
func (p *packets) arrive(i int, to *packet) bool {
	to.data = to.data[:p.in.Len(i)]
	name := p.in.Name(i) // struct sockaddr_ll
	if len(name) < 12 {
		return false
	}
	to.index = int(int32(binary.NativeEndian.Uint32(name[4:])))
	switch name[10] {
	case unix.PACKET_HOST, unix.PACKET_BROADCAST, unix.PACKET_MULTICAST:
	default: // sent by this host, or to another, or of a VLAN that has no interface here
		return false
	}
	to.summed, to.tag = auxiliary(p.in.Control(i))
	return true
}

// auxiliary returns what a struct tpacket_auxdata tells: whether the UDP checksum need not be looked at, because the
// network card has checked it or because the frame comes from this very host, which leaves the sum to the card; and the
// tag that was taken out.
func auxiliary(control []byte) (summed bool, t tag) {
	for len(control) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			return false, tag{}
		}
		if h.Level == unix.SOL_PACKET && h.Type == unix.PACKET_AUXDATA && len(data) >= sizeofAuxdata {
			status := binary.NativeEndian.Uint32(data)
			summed = status&(unix.TP_STATUS_CSUMNOTREADY|unix.TP_STATUS_CSUM_VALID) != 0
			if status&unix.TP_STATUS_VLAN_VALID != 0 {
				t = tag{present: true, tci: binary.NativeEndian.Uint16(data[16:])}
			}
			return summed, t
		}
		control = rest
	}
	return false, tag{}
}

func (p *packets) send(ps []packet) (int, error) {
	for i := range ps {
		p.out.SetBuffer(i, ps[i].data)
		name := p.out.SetName(i, unix.SizeofSockaddrLinklayer)
		clear(name)
		binary.NativeEndian.PutUint16(name, unix.AF_PACKET)
		binary.BigEndian.PutUint16(name[2:], unix.ETH_P_IP)
		binary.NativeEndian.PutUint32(name[4:], uint32(ps[i].index))
		name[11] = uint8(len(hwAddr{}))
		copy(name[12:], ps[i].data[:len(hwAddr{})])
	}
	n, err := p.out.Send(p.raw, 0, len(ps))
	if err != nil && p.closed.Load() {
		err = net.ErrClosed
	}
	return n, err
}

func (p *packets) drops() uint64 {
	// The kernel counts from the last time it was asked. Once the socket is closed, what it said last stands.
	_ = p.raw.Control(func(fd uintptr) {
		if st, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			p.dropped.Add(uint64(st.Drops))
		}
	})
	return p.dropped.Load()
}

func (p *packets) closeRead() error {
	p.ended.Store(true)
	return p.file.SetReadDeadline(time.Unix(1, 0))
}

func (p *packets) close() error {
	p.ended.Store(true)
	if p.closed.Swap(true) {
		return net.ErrClosed
	}
	return p.file.Close()
}
