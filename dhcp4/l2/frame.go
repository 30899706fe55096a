package l2

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// hwAddr is an Ethernet address.
type hwAddr [6]byte

// toAll is the Ethernet broadcast address.
var toAll = hwAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// frame is an Ethernet frame with a UDP datagram over IPv4 in it, all in one piece.
type frame struct {
	dstHW, srcHW hwAddr
	tag          tag
	src, dst     netip.AddrPort
	payload      []byte // after parseFrame a view
}

// tag is the tag control information of IEEE 802.1Q, or none.
type tag struct {
	present bool
	tci     uint16 // priority in 3 bits, drop eligible in 1, VLAN in 12
}

// vlan is the number of the VLAN; 0 is none: a tag with 0 has a priority only.
func (t tag) vlan() uint16 { return t.tci & 0x0fff }

const (
	etherTypeIPv4 = 0x0800
	etherTypeVLAN = 0x8100 // IEEE 802.1Q

	etherHeader = 14
	tagSize     = 4 // after the two addresses
	ipHeader    = 20
	udpHeader   = 8
	// overhead is the most that appendFrame puts before a payload.
	overhead = etherHeader + tagSize + ipHeader + udpHeader

	protocolUDP  = 17
	timeToLive   = 64
	dontFragment = 0x4000
	fragmentBits = 0x3fff // more fragments, and the offset: one that is set makes it a fragment
)

// What parseFrame returns. They are made once, for what arrives unasked must cost nothing.
var (
	errShort    = errors.New("l2: frame ends too soon")
	errNotUDP   = errors.New("l2: not UDP over IPv4")
	errFragment = errors.New("l2: fragment of a datagram")
	errIPv4     = errors.New("l2: malformed IPv4 header")
	errUDP      = errors.New("l2: malformed UDP header")
	errIPv4Sum  = errors.New("l2: wrong checksum of the IPv4 header")
	errUDPSum   = errors.New("l2: wrong UDP checksum")
)

// parseFrame reads an Ethernet frame, with an 802.1Q tag or without. What follows the datagram is padding. The UDP
// checksum is not looked at if summed says that somebody else did, or that the datagram never left this host and has
// none yet.
func parseFrame(b []byte, summed bool) (f frame, err error) {
	if len(b) < etherHeader {
		return f, errShort
	}
	copy(f.dstHW[:], b)
	copy(f.srcHW[:], b[6:])
	kind, b := binary.BigEndian.Uint16(b[12:]), b[etherHeader:]
	if kind == etherTypeVLAN {
		if len(b) < tagSize {
			return f, errShort
		}
		f.tag = tag{present: true, tci: binary.BigEndian.Uint16(b)}
		kind, b = binary.BigEndian.Uint16(b[2:]), b[tagSize:]
	}
	if kind != etherTypeIPv4 {
		return f, errNotUDP
	}
	if len(b) < ipHeader {
		return f, errShort
	}
	header := int(b[0]&0x0f) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case b[0]>>4 != 4, header < ipHeader, total < header:
		return f, errIPv4
	case total > len(b):
		return f, errShort
	case checksum(b[:header], 0) != 0:
		return f, errIPv4Sum
	case b[9] != protocolUDP:
		return f, errNotUDP
	case binary.BigEndian.Uint16(b[6:])&fragmentBits != 0:
		return f, errFragment
	case total < header+udpHeader:
		return f, errUDP
	}
	src, dst, u := [4]byte(b[12:]), [4]byte(b[16:]), b[header:total]
	length := int(binary.BigEndian.Uint16(u[4:]))
	if length < udpHeader || length > len(u) {
		return f, errUDP
	}
	u = u[:length]
	if sent := binary.BigEndian.Uint16(u[6:]); sent != 0 && !summed && checksum(u, pseudoHeader(src, dst, length)) != 0 {
		return f, errUDPSum // RFC 768: 0 says that the sender made none
	}
	f.src = netip.AddrPortFrom(netip.AddrFrom4(src), binary.BigEndian.Uint16(u))
	f.dst = netip.AddrPortFrom(netip.AddrFrom4(dst), binary.BigEndian.Uint16(u[2:]))
	f.payload = u[udpHeader:]
	return f, nil
}

// appendFrame appends the octets of f to b. Addresses that are not IPv4 are written as 0.0.0.0. The payload must not be
// longer than a datagram can be.
func appendFrame(b []byte, f *frame) []byte {
	b = append(b, f.dstHW[:]...)
	b = append(b, f.srcHW[:]...)
	if f.tag.present {
		b = binary.BigEndian.AppendUint16(b, etherTypeVLAN)
		b = binary.BigEndian.AppendUint16(b, f.tag.tci)
	}
	b = binary.BigEndian.AppendUint16(b, etherTypeIPv4)

	src, dst, at := octets(f.src.Addr()), octets(f.dst.Addr()), len(b)
	length := udpHeader + len(f.payload)
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(ipHeader+length))
	b = binary.BigEndian.AppendUint16(b, 0) // RFC 6864 4.1: any number will do where fragments are forbidden
	b = binary.BigEndian.AppendUint16(b, dontFragment)
	b = append(b, timeToLive, protocolUDP, 0, 0)
	b = append(b, src[:]...)
	b = append(b, dst[:]...)
	binary.BigEndian.PutUint16(b[at+10:], checksum(b[at:], 0))

	at = len(b)
	b = binary.BigEndian.AppendUint16(b, f.src.Port())
	b = binary.BigEndian.AppendUint16(b, f.dst.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, 0, 0)
	b = append(b, f.payload...)
	sum := checksum(b[at:], pseudoHeader(src, dst, length))
	if sum == 0 {
		sum = 0xffff // RFC 768
	}
	binary.BigEndian.PutUint16(b[at+6:], sum)
	return b
}

// octets returns the address, or 0.0.0.0 for one that is not IPv4.
func octets(a netip.Addr) [4]byte {
	if !a.Is4() {
		return [4]byte{}
	}
	return a.As4()
}

// pseudoHeader returns the sum of RFC 768's pseudo header.
func pseudoHeader(src, dst [4]byte, length int) uint32 {
	sum := uint32(protocolUDP + length)
	for _, a := range [...][4]byte{src, dst} {
		sum += uint32(binary.BigEndian.Uint16(a[:])) + uint32(binary.BigEndian.Uint16(a[2:]))
	}
	return sum
}

// checksum returns the Internet checksum (RFC 1071) of b and of what sum holds already. It is 0 if b has a checksum in
// it that is right.
func checksum(b []byte, sum uint32) uint16 {
	wide := uint64(sum) // RFC 1071 2 (C): any width will do, and is folded at the end
	for ; len(b) >= 4; b = b[4:] {
		wide += uint64(binary.BigEndian.Uint32(b))
	}
	if len(b) >= 2 {
		wide += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		wide += uint64(b[0]) << 8
	}
	for wide > 0xffff {
		wide = wide>>16 + wide&0xffff
	}
	return ^uint16(wide)
}
