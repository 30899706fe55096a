package dhcp4

import "net/netip"

// Datagram is a UDP datagram and what its headers and its arrival tell.
type Datagram struct {
	// Data is the payload. For ReadBatch its capacity is the room there is, and ReadBatch sets its length. A payload
	// that does not fit fills it to the last octet: give one octet more than you accept.
	Data []byte
	// Link is where the datagram came by. For WriteBatch it is where it leaves, and must be set if Dst is a broadcast
	// address or HWAddr is set; the zero Link leaves the way to the routing table.
	Link Link
	// Local is the first IPv4 address of Link, invalid if it has none.
	Local netip.Addr
	// Src and Dst are the addresses of the headers. For WriteBatch the address in Src is used if this host has it, or
	// else Local, or else what the system chooses; the port in Src only by a Conn that is not bound to one.
	Src, Dst netip.AddrPort
	// HWAddr is for WriteBatch: the link-layer address to send to without ARP, because nobody answers for Dst yet. If it
	// is empty the system finds out. A Conn that cannot address the link layer, or not by such an address, broadcasts
	// instead, which the client hears too (RFC 2131 4.1). ReadBatch sets it to nil.
	HWAddr []byte
}

// Conn is where datagrams come from and go to: a UDPConn, an l2.Conn, or a network made of channels in a test. One
// goroutine may read while another writes.
//
// A Server answers what it reads by the Conn that it read it from. Several Conns of one Server must not receive the same
// datagram: give it one UDPConn for each interface, or one for all of them, or one l2.Conn for all.
type Conn interface {
	// ReadBatch waits for datagrams and puts what is there into ds, which is not empty. It returns how many, at least
	// one if err is nil. It may exchange the buffers of ds among its entries and keeps none. The error is net.ErrClosed
	// after CloseRead or Close; after any other ReadBatch may be called again.
	ReadBatch(ds []Datagram) (n int, err error)
	// WriteBatch sends ds in order and returns how many are sent. If those are not all, then err says why ds[n] is not,
	// and the caller may go on with ds[n+1:]. It keeps nothing of ds.
	WriteBatch(ds []Datagram) (n int, err error)
	// CloseRead ends ReadBatch, the one under way too. WriteBatch goes on working.
	CloseRead() error
	// Close releases what the Conn holds, and ends both.
	Close() error
}

// maxBatch bounds how many datagrams go through one system call.
const maxBatch = 64

// limitedBroadcast is 255.255.255.255.
var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
