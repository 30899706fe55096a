//go:build linux

package main

import (
	"encoding/binary"
	"net/netip"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// reflectCommand makes this program the reflector.
const reflectCommand = "reflect"

// reflect answers each DHCPDISCOVER and DHCPREQUEST that comes through a relay, by changing a few octets of it: the upper
// bound of what a server in Go does with these batches of datagrams. A client gets the address that its hardware address
// ends in.
func reflect() error {
	conn, err := dhcp4.ListenUDP(dhcp4.UDPConfig{ReadBuffer: 4 << 20})
	if err != nil {
		return err
	}
	ds := make([]dhcp4.Datagram, 64)
	for i := range ds {
		ds[i].Data = make([]byte, 0, 1500)
	}
	out := make([]dhcp4.Datagram, 0, len(ds))
	for {
		n, err := conn.ReadBatch(ds)
		if err != nil {
			return err
		}
		out = out[:0]
		for i := range ds[:n] {
			d := ds[i]
			if len(d.Data) < 300 || d.Data[0] != byte(dhcp4.OpcodeBootRequest) || d.Data[242] == 0 {
				continue
			}
			reflected(d.Data)
			d.Src, d.Dst = d.Dst, netip.AddrPortFrom(netip.AddrFrom4([4]byte(d.Data[24:28])), dhcp4.ServerPort)
			d.Link = dhcp4.Link{}
			out = append(out, d)
		}
		if _, err := conn.WriteBatch(out); err != nil {
			return err
		}
	}
}

// reflected turns a request into the answer to it.
func reflected(b []byte) {
	b[0] = byte(dhcp4.OpcodeBootReply)
	binary.BigEndian.PutUint32(b[16:], 0x0a000000|1<<20+binary.BigEndian.Uint32(b[30:])&0xfffff)
	switch dhcp4.MessageType(b[242]) {
	case dhcp4.MessageTypeDiscover:
		b[242] = byte(dhcp4.MessageTypeOffer)
	default:
		b[242] = byte(dhcp4.MessageTypeAck)
	}
	copy(b[243:], []byte{54, 4, 10, 0, 0, 1, 51, 4, 0, 0, 14, 16, 1, 4, 255, 0, 0, 0, 255})
}
