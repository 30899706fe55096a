package mmsg

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nameRoom is how much of a peer's address is kept: sockaddr_in has 16 octets, sockaddr_ll 20.
const nameRoom = 32

// Batch is room for a number of datagrams: for each a buffer that the caller sets, a peer address and ancillary data.
type Batch struct {
	hs      []unix.Mmsghdr
	iovs    []unix.Iovec
	names   []byte // nameRoom octets each
	control []byte // room octets each
	room    int

	// What the two bound functions work on. They are made once, because a closure for each call would be garbage.
	recv, send func(fd uintptr) bool
	from, to   int
	n          int
	errno      unix.Errno
}

// New returns a Batch for size datagrams, each with control octets for ancillary data (rounded up to what
// unix.CmsgSpace aligns to).
func New(size, control int) *Batch {
	const align = unix.SizeofPtr
	control = (control + align - 1) &^ (align - 1)
	b := &Batch{
		hs:      make([]unix.Mmsghdr, size),
		iovs:    make([]unix.Iovec, size),
		names:   make([]byte, size*nameRoom),
		control: make([]byte, size*control),
		room:    control,
	}
	for i := range b.hs {
		b.hs[i].Hdr.Iov = &b.iovs[i]
		b.hs[i].Hdr.SetIovlen(1)
		b.hs[i].Hdr.Name = &b.names[i*nameRoom]
		if control > 0 {
			b.hs[i].Hdr.Control = &b.control[i*control]
		}
	}
	b.recv = func(fd uintptr) bool { return b.call(unix.SYS_RECVMMSG, fd) }
	b.send = func(fd uintptr) bool { return b.call(unix.SYS_SENDMMSG, fd) }
	return b
}

// Size returns how many datagrams there is room for.
func (b *Batch) Size() int { return len(b.hs) }

// SetBuffer makes data the room (before Recv) or the payload (before Send) of datagram i. It must stay as it is until
// that call returns. An empty one is allowed.
func (b *Batch) SetBuffer(i int, data []byte) {
	b.iovs[i].Base = unsafe.SliceData(data)
	b.iovs[i].SetLen(len(data))
}

// Name returns the raw sockaddr of datagram i: after Recv the sender's. It is a view.
func (b *Batch) Name(i int) []byte {
	n := min(int(b.hs[i].Hdr.Namelen), nameRoom)
	return b.names[i*nameRoom:][:n]
}

// SetName makes datagram i go to a peer and returns the n octets for its raw sockaddr, to be filled in before Send.
func (b *Batch) SetName(i, n int) []byte {
	b.hs[i].Hdr.Namelen = uint32(n)
	return b.names[i*nameRoom:][:n:n]
}

// Control returns the ancillary data of datagram i after Recv. It is a view.
func (b *Batch) Control(i int) []byte {
	n := min(int(b.hs[i].Hdr.Controllen), b.room)
	return b.control[i*b.room:][:n]
}

// SetControl makes n octets of ancillary data go with datagram i and returns them, to be filled in before Send. None go
// with it if n is 0.
func (b *Batch) SetControl(i, n int) []byte {
	b.hs[i].Hdr.SetControllen(n)
	return b.control[i*b.room:][:n:n]
}

// Len returns how many octets of datagram i were received into its buffer.
func (b *Batch) Len(i int) int { return int(b.hs[i].Len) }

// Recv waits until c has a datagram and receives what is there, at most n and at most Size. It returns how many, and
// an error only with none.
func (b *Batch) Recv(c syscall.RawConn, n int) (int, error) {
	b.from, b.to = 0, min(n, len(b.hs))
	for i := range b.hs[:b.to] { // what the call before left there
		h := &b.hs[i].Hdr
		h.Namelen, h.Flags = nameRoom, 0
		h.SetControllen(b.room)
	}
	return b.do("recvmmsg", c.Read, b.recv)
}

// Send sends the datagrams from (included) to to (excluded) and returns how many of them are sent; if that is not all,
// then the error is that of the one after those.
func (b *Batch) Send(c syscall.RawConn, from, to int) (int, error) {
	b.from, b.to = from, to
	for b.from < to {
		n, err := b.do("sendmmsg", c.Write, b.send)
		b.from += n
		if err != nil {
			return b.from - from, err
		}
	}
	return to - from, nil
}

// do runs one system call by way of the runtime's poller, which waits until the socket is ready.
func (b *Batch) do(name string, wait func(func(fd uintptr) bool) error, call func(fd uintptr) bool) (int, error) {
	if b.from == b.to {
		return 0, nil
	}
	if err := wait(call); err != nil {
		return 0, err
	}
	if b.errno != 0 {
		return 0, os.NewSyscallError(name, b.errno)
	}
	return b.n, nil
}

// call makes the system call trap once. It reports whether it is done, or must wait.
func (b *Batch) call(trap, fd uintptr) bool {
	for {
		hs := b.hs[b.from:b.to]
		n, _, errno := unix.Syscall6(trap, fd, uintptr(unsafe.Pointer(&hs[0])), uintptr(len(hs)), unix.MSG_DONTWAIT, 0, 0)
		switch b.n, b.errno = int(n), errno; errno {
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		case 0:
			return true
		default:
			b.n = 0
			return true
		}
	}
}
