package l2

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// limitedBroadcast is 255.255.255.255.
var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// ReadBatch implements dhcp4.Conn.
func (c *Conn) ReadBatch(ds []dhcp4.Datagram) (int, error) {
	for {
		n, err := c.socket.receive(c.in[:min(len(ds), len(c.in))])
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, fmt.Errorf("l2: reading: %w", err)
		}
		now := time.Now()
		if err := c.refresh(now); err != nil {
			return 0, err
		}
		kept := 0
		for i := range c.in[:n] {
			if c.arrive(&c.in[i], &ds[kept], now) {
				kept++
			}
		}
		if kept > 0 {
			return kept, nil
		}
	}
}

// arrive makes a datagram of a frame, or counts why not.
func (c *Conn) arrive(p *packet, d *dhcp4.Datagram, now time.Time) bool {
	link, ok := c.served[p.index]
	if !ok {
		c.stats.ignored.Add(1)
		return false
	}
	if c.cfg.Tap != nil {
		c.cfg.Tap.frame(now, p)
	}
	f, err := parseFrame(p.data, p.summed)
	switch {
	case err == errIPv4Sum, err == errUDPSum:
		c.stats.badChecksum.Add(1)
		return false
	case err != nil:
		c.stats.malformed.Add(1)
		return false
	}
	if p.tag.present {
		f.tag = p.tag
	}
	vlan := f.tag.vlan()
	if f.dst.Port() != c.cfg.Port || vlan != 0 && !c.cfg.Tagged || !c.forUs(&f, now) {
		c.stats.ignored.Add(1)
		return false
	}
	room := d.Data[:cap(d.Data)]
	*d = dhcp4.Datagram{
		Data:  room[:copy(room, f.payload)],
		Link:  dhcp4.Link{Index: link.Index, Name: link.Name},
		Local: link.Addr,
		Src:   f.src,
		Dst:   f.dst,
	}
	if vlan != 0 {
		d.Link.Name, d.Local = c.vlanName(link.Name, vlan), netip.Addr{}
	}
	return true
}

// forUs reports whether a frame is not just on its way through this host, which may be a router, to somebody else: a
// broadcast, or to an address of ours. A broadcast frame is for all who hear it, whatever the address in it.
func (c *Conn) forUs(f *frame, now time.Time) bool {
	a := f.dst.Addr()
	const group = 1 // the bit of broadcast and multicast
	return f.dstHW[0]&group != 0 || a == limitedBroadcast || c.table.Local(a) || c.watch.Again(now).Local(a)
}
