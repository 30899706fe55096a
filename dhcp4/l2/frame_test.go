package l2

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

var (
	clientHW = hwAddr{2, 0, 0, 0, 0, 42}
	serverHW = hwAddr{2, 0, 0, 0, 0, 1}
	clientIP = netip.MustParseAddr("10.0.0.42")
	serverIP = netip.MustParseAddr("10.0.0.1")
)

// sent is a frame as a server sends it to a client without an address.
func sent() frame {
	return frame{dstHW: clientHW, srcHW: serverHW, src: netip.AddrPortFrom(serverIP, 67), dst: netip.AddrPortFrom(clientIP, 68),
		payload: []byte("an odd number of octets")}
}

// heard is a frame as a server receives it from such a client.
func heard() frame {
	return frame{dstHW: toAll, srcHW: clientHW, src: netip.MustParseAddrPort("0.0.0.0:68"), dst: netip.AddrPortFrom(limitedBroadcast, 67),
		payload: []byte("hello")}
}

// oracle returns f as gopacket makes it, with IP options if there are any.
func oracle(tb testing.TB, f frame, options []layers.IPv4Option) []byte {
	tb.Helper()
	eth := &layers.Ethernet{SrcMAC: f.srcHW[:], DstMAC: f.dstHW[:], EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{Version: 4, TTL: timeToLive, Flags: layers.IPv4DontFragment, Protocol: layers.IPProtocolUDP,
		SrcIP: f.src.Addr().AsSlice(), DstIP: f.dst.Addr().AsSlice(), Options: options}
	udp := &layers.UDP{SrcPort: layers.UDPPort(f.src.Port()), DstPort: layers.UDPPort(f.dst.Port())}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		tb.Fatal(err)
	}
	all := []gopacket.SerializableLayer{eth, ip, udp, gopacket.Payload(f.payload)}
	if f.tag.present {
		eth.EthernetType = layers.EthernetTypeDot1Q
		all = slices.Insert(all, 1, gopacket.SerializableLayer(&layers.Dot1Q{Priority: uint8(f.tag.tci >> 13), DropEligible: f.tag.tci>>12&1 == 1,
			VLANIdentifier: f.tag.vlan(), Type: layers.EthernetTypeIPv4}))
	}
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...); err != nil {
		tb.Fatal(err)
	}
	// gopacket pads a short frame; the socket's driver does that for us.
	return b.Bytes()
}

func equal(f, g frame) bool {
	return f.dstHW == g.dstHW && f.srcHW == g.srcHW && f.tag == g.tag && f.src == g.src && f.dst == g.dst && bytes.Equal(f.payload, g.payload)
}

func TestFrame(t *testing.T) {
	for _, tt := range []struct {
		name    string
		f       frame
		options []layers.IPv4Option
	}{
		{name: "to a client", f: sent()},
		{name: "from a client", f: heard()},
		{name: "with a tag", f: func() frame { f := sent(); f.tag = tag{true, 5<<13 | 100}; return f }()},
		{name: "with a priority tag", f: func() frame { f := sent(); f.tag = tag{true, 7 << 13}; return f }()},
		{name: "nothing in it", f: func() frame { f := sent(); f.payload = nil; return f }()},
		{name: "as large as Ethernet takes", f: func() frame { f := sent(); f.payload = bytes.Repeat([]byte{0xff}, 1472); return f }()},
		{name: "with IP options", f: sent(), options: []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := oracle(t, tt.f, tt.options)
			got, err := parseFrame(want, false)
			if err != nil || !equal(got, tt.f) {
				t.Errorf("parsed %+v (%v), want %+v", got, err, tt.f)
			}
			if tt.options != nil {
				return // we send none
			}
			built := appendFrame([]byte("before"), &tt.f)
			if built := built[len("before"):]; !bytes.Equal(built, want[:len(built)]) || len(bytes.Trim(want[len(built):], "\x00")) != 0 {
				t.Errorf("built  %x\nwant %x", built, want)
			}
		})
	}
}

// The oracle knows nothing of this one.
func TestFrameWithChecksumZero(t *testing.T) {
	f := sent()
	f.payload = []byte{0, 0}
	const at = etherHeader + ipHeader + 6
	copy(f.payload, appendFrame(nil, &f)[at:]) // now the sum is zero
	b := appendFrame(nil, &f)
	if b[at] != 0xff || b[at+1] != 0xff {
		t.Errorf("checksum is %x, want ffff (RFC 768)", b[at:at+2])
	}
	if got, err := parseFrame(b, false); err != nil || !equal(got, f) {
		t.Errorf("parsed %+v (%v), want %+v", got, err, f)
	}
}

func TestParseFrameRefuses(t *testing.T) {
	const ip, udp = etherHeader, etherHeader + ipHeader
	change := func(at int, octets ...byte) func([]byte) []byte {
		return func(b []byte) []byte { copy(b[at:], octets); return b }
	}
	// resum mends the checksum of the IPv4 header after a change.
	resum := func(f func([]byte) []byte) func([]byte) []byte {
		return func(b []byte) []byte {
			b = f(b)
			copy(b[ip+10:], []byte{0, 0})
			sum := checksum(b[ip:ip+ipHeader], 0)
			copy(b[ip+10:], []byte{byte(sum >> 8), byte(sum)})
			return b
		}
	}
	for _, tt := range []struct {
		name   string
		change func([]byte) []byte
		summed bool
		want   error
	}{
		{"nothing wrong", change(0), false, nil},
		{"padding behind", func(b []byte) []byte { return append(b, make([]byte, 40)...) }, false, nil},
		{"empty", func([]byte) []byte { return nil }, false, errShort},
		{"IPv6", change(12, 0x86, 0xdd), false, errNotUDP},
		{"a tag and no more", func(b []byte) []byte { return append(b[:12], 0x81, 0, 0) }, false, errShort},
		{"two tags", change(12, 0x81, 0, 0, 1, 0x81, 0), false, errNotUDP},
		{"IP version 6", change(ip, 0x65), false, errIPv4},
		{"IP header of 16 octets", change(ip, 0x44), false, errIPv4},
		{"IP header longer than the datagram", change(ip, 0x4f, 0, 0, 40), false, errIPv4},
		{"IP length more than there is", change(ip+2, 0xff), false, errShort},
		{"damaged IP header", change(ip+8, 1), false, errIPv4Sum},
		{"damaged IP header, and only UDP's is vouched for", change(ip+8, 1), true, errIPv4Sum},
		{"TCP", resum(change(ip+9, 6)), false, errNotUDP},
		{"first fragment", resum(change(ip+6, 0x20, 0)), false, errFragment},
		{"last fragment", resum(change(ip+6, 0, 9)), false, errFragment},
		{"no room for UDP", resum(change(ip+2, 0, 27)), false, errUDP},
		{"UDP length of 7", change(udp+4, 0, 7), false, errUDP},
		{"UDP longer than IP", change(udp+4, 0, 200), false, errUDP},
		{"damaged", change(udp+8, 'X'), false, errUDPSum},
		{"damaged address", resum(change(ip+12, 192)), false, errUDPSum},
		{"no checksum yet", change(udp+6, 0x12, 0x34), true, nil},
		{"no checksum at all", change(udp+6, 0, 0), false, nil},
	} {
		f := sent()
		b := tt.change(appendFrame(nil, &f))
		if _, err := parseFrame(b, tt.summed); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	f := sent()
	f.tag = tag{present: true, tci: 1}
	b := appendFrame(nil, &f)
	for n := range b {
		if _, err := parseFrame(b[:n], true); err == nil {
			t.Errorf("the first %d of %d octets are taken for a frame", n, len(b))
		}
	}
}

func FuzzParseFrame(f *testing.F) {
	for _, g := range []frame{sent(), heard()} {
		f.Add(appendFrame(nil, &g), false)
		g.tag = tag{true, 100}
		f.Add(appendFrame(nil, &g), true)
	}
	g := sent()
	f.Add(oracle(f, g, []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}), false)
	f.Fuzz(func(t *testing.T, in []byte, summed bool) {
		got, err := parseFrame(in, summed)
		if err != nil {
			return
		}
		// What parses, is built the same, but for what of IP we do not keep.
		again, err := parseFrame(appendFrame(nil, &got), false)
		if err != nil || !equal(got, again) {
			t.Fatalf("%x\n%+v\n%+v\n%v", in, got, again, err)
		}
		// The oracle sees the same datagram.
		p := gopacket.NewPacket(in, layers.LayerTypeEthernet, gopacket.NoCopy)
		ip, _ := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
		udp, _ := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
		if ip == nil || udp == nil {
			return // it is strict about IP options
		}
		if !net.IP(got.src.Addr().AsSlice()).Equal(ip.SrcIP) || !net.IP(got.dst.Addr().AsSlice()).Equal(ip.DstIP) ||
			got.src.Port() != uint16(udp.SrcPort) || got.dst.Port() != uint16(udp.DstPort) || !bytes.Equal(got.payload, udp.Payload) {
			t.Fatalf("%x\n%+v\n%v", in, got, p)
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	f := sent()
	f.payload = make([]byte, 300)
	data := appendFrame(nil, &f)
	b.Run("op=parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := parseFrame(data, false); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("op=append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			data = appendFrame(data[:0], &f)
		}
	})
}
