package l2

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/internal/links"
)

// Config says where Listen listens. Only Interfaces must be set.
type Config struct {
	// Interfaces are the names of those to serve, at most 1,024. They must be there, and be Ethernet; one that goes
	// away later and comes back is served again within seconds.
	Interfaces []string
	// Port is the UDP port of the server. Zero is 67.
	Port uint16
	// Tagged says to serve the VLANs of frames with an 802.1Q tag too. Each is a link of its own, named eth0.100 for
	// VLAN 100 of eth0, without an address. Leave it unset where this host has an interface for a VLAN: such a one
	// would be heard twice if it is served as well.
	Tagged bool
	// ReadBuffer is how many octets the kernel keeps that are not read yet. Zero is 4 MiB, some 4,000 frames.
	ReadBuffer int
	// Tap is shown the frames that pass, nil for nobody.
	Tap *Tap
}

const (
	maxInterfaces     = 1024    // each costs two instructions of the filter, of which the kernel allows 4,096
	defaultReadBuffer = 4 << 20 // in octets; the kernel counts about 1,000 for a frame
	maxBatch          = 64      // frames in a system call
	maxFrame          = 4096 + overhead + 40 + 1
)

// Validate returns an error that names the first field that is wrong.
func (c Config) Validate() error {
	if n := len(c.Interfaces); n == 0 || n > maxInterfaces {
		return fmt.Errorf("l2: Config.Interfaces has %d names: want 1 to %d", n, maxInterfaces)
	}
	if c.ReadBuffer < 0 {
		return fmt.Errorf("l2: Config.ReadBuffer is %d: want a number of octets, or 0 for %d", c.ReadBuffer, defaultReadBuffer)
	}
	return nil
}

// Stats counts what a Conn has heard since it was made, beside what ReadBatch gave.
type Stats struct {
	Malformed   uint64 // frames that are not what they seemed, cut short, or too long for us
	BadChecksum uint64 // frames damaged on the way
	Ignored     uint64 // frames for others, such as those that this host routes
	KernelDrops uint64 // frames that came while the read buffer was full; 0 where the system does not tell
}

// packet is a frame as a packetSocket gives and takes it.
type packet struct {
	data   []byte // received: its capacity is the room there is
	index  int    // of the interface
	summed bool   // received: the UDP checksum is known to be right, or known to be missing
	tag    tag    // received: what the kernel took out of the frame
}

// packetSocket is what a Conn needs of the system.
type packetSocket interface {
	// receive waits for frames, puts them into ps and returns how many. It may exchange entries. It returns
	// os.ErrDeadlineExceeded after refreshEvery, so that changes of interfaces are seen, and net.ErrClosed after
	// closeRead or close.
	receive(ps []packet) (int, error)
	// send is as dhcp4.Conn's WriteBatch.
	send(ps []packet) (int, error)
	// restrict makes receive give frames of these interfaces alone.
	restrict(indexes []int) error
	drops() uint64
	closeRead() error
	close() error
}

// refreshEvery is how often a Conn looks for changes of interfaces when nothing arrives.
const refreshEvery = 5 * time.Second

// Conn is a dhcp4.Conn over packet sockets. One goroutine may read while another writes.
type Conn struct {
	cfg    Config
	socket packetSocket
	routed dhcp4.Conn // UDP, to send where there are routes and ARP
	watch  *links.Watch
	stats  struct{ malformed, badChecksum, ignored atomic.Uint64 }

	// Of the goroutine that reads.
	table  *links.Table
	served map[int]links.Link // by index
	in     []packet
	vlans  map[vlanKey]string // names, so that they are made once

	// Of the goroutine that writes.
	out    []packet
	frames [][]byte
}

// vlanKey is a VLAN of an interface. There are at most 4,094 of each.
type vlanKey struct {
	link string
	vlan uint16
}

// Listen returns a Conn that serves the interfaces of cfg. The error is errors.ErrUnsupported where there are no packet
// sockets.
func Listen(cfg Config) (*Conn, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Port, cfg.ReadBuffer = cmp.Or(cfg.Port, dhcp4.ServerPort), cmp.Or(cfg.ReadBuffer, defaultReadBuffer)
	watch, err := links.NewWatch(time.Now(), links.Load)
	if err != nil {
		return nil, fmt.Errorf("l2: %w", err)
	}
	ls, err := watch.Table(time.Now()).Resolve(cfg.Interfaces)
	if err != nil {
		return nil, fmt.Errorf("l2: %w", err)
	}
	for _, l := range ls {
		if l.HWLen != len(hwAddr{}) {
			return nil, fmt.Errorf("l2: %s is not Ethernet: its addresses have %d octets", l.Name, l.HWLen)
		}
	}
	routed, err := dhcp4.ListenUDP(dhcp4.UDPConfig{Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), cfg.Port), SendOnly: true})
	if err != nil {
		return nil, fmt.Errorf("l2: %w", err)
	}
	socket, err := openPackets(cfg)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("l2: %w", err), routed.Close())
	}
	c := newConn(cfg, socket, routed, watch)
	if err := c.refresh(time.Now()); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// newConn returns a Conn that is not restricted to its interfaces yet.
func newConn(cfg Config, socket packetSocket, routed dhcp4.Conn, watch *links.Watch) *Conn {
	c := &Conn{
		cfg: cfg, socket: socket, routed: routed, watch: watch,
		in: make([]packet, maxBatch), out: make([]packet, maxBatch), frames: make([][]byte, maxBatch),
		vlans: make(map[vlanKey]string),
	}
	for i := range c.in {
		c.in[i].data = make([]byte, 0, maxFrame)
	}
	return c
}

// refresh takes notice of interfaces that have gone, come or changed their addresses.
func (c *Conn) refresh(now time.Time) error {
	table := c.watch.Table(now)
	if table == c.table {
		return nil
	}
	served := make(map[int]links.Link)
	indexes := []int{} // not nil even if all are gone: that is any
	for _, name := range c.cfg.Interfaces {
		l, ok := table.Name(name)
		if !ok {
			continue
		}
		served[l.Index] = l
		indexes = append(indexes, l.Index)
	}
	if c.served == nil || !sameKeys(served, c.served) {
		if err := c.socket.restrict(indexes); err != nil {
			return fmt.Errorf("l2: choosing interfaces: %w", err)
		}
	}
	c.table, c.served = table, served
	return nil
}

func sameKeys(a, b map[int]links.Link) bool {
	for k := range a {
		if _, ok := b[k]; !ok {
			return false
		}
	}
	return len(a) == len(b)
}

// Stats returns what has been counted so far.
func (c *Conn) Stats() Stats {
	return Stats{
		Malformed:   c.stats.malformed.Load(),
		BadChecksum: c.stats.badChecksum.Load(),
		Ignored:     c.stats.ignored.Load(),
		KernelDrops: c.socket.drops(),
	}
}

// CloseRead implements dhcp4.Conn.
func (c *Conn) CloseRead() error { return c.socket.closeRead() }

// Close implements dhcp4.Conn.
func (c *Conn) Close() error { return errors.Join(c.socket.close(), c.routed.Close()) }

// vlanName returns the name of the link that a VLAN of an interface is.
func (c *Conn) vlanName(link string, vlan uint16) string {
	k := vlanKey{link, vlan}
	name, ok := c.vlans[k]
	if !ok {
		name = link + "." + strconv.Itoa(int(vlan))
		c.vlans[k] = name
	}
	return name
}

// vlanOf is the inverse of vlanName: the VLAN of an interface that a link is, 0 if it is the interface itself.
func vlanOf(link, name string) (vlan uint16, ok bool) {
	if name == link {
		return 0, true
	}
	digits, ok := strings.CutPrefix(name, link+".")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 12)
	return uint16(n), err == nil
}
