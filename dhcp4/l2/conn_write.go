package l2

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/internal/links"
)

// WriteBatch implements dhcp4.Conn. A datagram with HWAddr or to 255.255.255.255 leaves in a frame by its Link, any other
// by UDP. A frame must fit the interface's MTU.
func (c *Conn) WriteBatch(ds []dhcp4.Datagram) (int, error) {
	table := c.watch.Table(time.Now())
	sent := 0
	for sent < len(ds) {
		framed := isFramed(&ds[sent])
		end := sent + 1
		for end < len(ds) && end-sent < maxBatch && isFramed(&ds[end]) == framed {
			end++
		}
		var n int
		var err error
		if framed {
			n, err = c.writeFrames(ds[sent:end], table)
		} else {
			n, err = c.routed.WriteBatch(ds[sent:end])
		}
		sent += n
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// isFramed reports whether d must leave in a frame, because routes and ARP are of no use for it.
func isFramed(d *dhcp4.Datagram) bool { return len(d.HWAddr) > 0 || d.Dst.Addr() == limitedBroadcast }

// writeFrames writes at most maxBatch datagrams.
func (c *Conn) writeFrames(ds []dhcp4.Datagram, table *links.Table) (int, error) {
	var wrong error
	built := c.out[:0]
	for i := range ds {
		index, f, err := c.frameOf(&ds[i], table)
		if err != nil {
			wrong = fmt.Errorf("l2: writing to %v: %w", ds[i].Dst, err)
			break
		}
		c.frames[i] = appendFrame(c.frames[i][:0], &f)
		built = append(built, packet{data: c.frames[i], index: index})
	}
	n, err := c.socket.send(built)
	if c.cfg.Tap != nil {
		now := time.Now()
		for i := range built[:n] {
			c.cfg.Tap.frame(now, &built[i])
		}
	}
	if err != nil {
		return n, fmt.Errorf("l2: writing to %v by %s: %w", ds[n].Dst, ds[n].Link.Name, err)
	}
	return n, wrong
}

// frameOf returns the frame for d and the index of the interface by which it leaves.
func (c *Conn) frameOf(d *dhcp4.Datagram, table *links.Table) (index int, f frame, err error) {
	link, ok := table.Index(d.Link.Index)
	if !ok {
		return 0, f, fmt.Errorf("no interface %d (%s)", d.Link.Index, d.Link.Name)
	}
	vlan, ok := vlanOf(link.Name, d.Link.Name)
	if !ok || vlan != 0 && !c.cfg.Tagged {
		return 0, f, fmt.Errorf("interface %d is %s, not %s", link.Index, link.Name, d.Link.Name)
	}
	if n := ipHeader + udpHeader + len(d.Data); n > link.MTU {
		return 0, f, fmt.Errorf("%d octets are more than the MTU of %s, %d", n, link.Name, link.MTU)
	}
	f = frame{
		dstHW: toAll, srcHW: link.HWAddr, tag: tag{present: vlan != 0, tci: vlan},
		src: netip.AddrPortFrom(d.Local, d.Src.Port()), dst: d.Dst, payload: d.Data,
	}
	if table.Local(d.Src.Addr()) {
		f.src = d.Src
	}
	if f.src.Port() == 0 {
		f.src = netip.AddrPortFrom(f.src.Addr(), c.cfg.Port)
	}
	if len(d.HWAddr) == len(f.dstHW) {
		copy(f.dstHW[:], d.HWAddr)
	} else { // not Ethernet's, so nobody has it here
		f.dst = netip.AddrPortFrom(limitedBroadcast, d.Dst.Port())
	}
	return link.Index, f, nil
}
