package dhcp4test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

const snapLength = 1 << 16 // octets of a frame that a capture keeps

// tape writes what passes as a capture.
type tape struct {
	t testing.TB
	w *pcapgo.Writer
}

func newTape(w io.Writer, t testing.TB) (*tape, error) {
	p := pcapgo.NewWriter(w)
	if err := p.WriteFileHeader(snapLength, layers.LinkTypeEthernet); err != nil {
		return nil, fmt.Errorf("dhcp4test: Record: %w", err)
	}
	return &tape{t, p}, nil
}

// write adds a datagram in the frame that would carry it.
func (p *tape) write(f frame) {
	hw := f.dstHW
	if hw == "" {
		hw = "\x00\x00\x00\x00\x00\x00" // nobody answered ARP
	}
	eth := &layers.Ethernet{SrcMAC: []byte(f.srcHW), DstMAC: []byte(hw), EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{
		Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: f.src.Addr().AsSlice(), DstIP: f.dst.Addr().AsSlice(),
	}
	udp := &layers.UDP{SrcPort: layers.UDPPort(f.src.Port()), DstPort: layers.UDPPort(f.dst.Port())}
	err := udp.SetNetworkLayerForChecksum(ip)
	buf := gopacket.NewSerializeBuffer()
	if err == nil {
		o := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
		err = gopacket.SerializeLayers(buf, o, eth, ip, udp, gopacket.Payload(f.data))
	}
	if err == nil {
		b := buf.Bytes()
		err = p.w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Now(), CaptureLength: len(b), Length: len(b)}, b)
	}
	if err != nil {
		p.t.Errorf("dhcp4test: Record: %v", err)
	}
}
