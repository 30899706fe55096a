package dhcp4test

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// maxFrame is how long a frame of a capture may be: octets, as tcpdump has it.
const maxFrame = 1 << 18

// replayTime is how long after the last request answers are waited for.
const replayTime = 2 * time.Second

// Exchange is a client's message of a capture, what was answered then, and what is answered now.
type Exchange struct {
	At       time.Duration // after the first of the capture
	Request  *dhcp4.Message
	Recorded []*dhcp4.Message // the answers in the capture
	Replies  []*dhcp4.Message // those on this LAN
}

// String returns "DHCPREQUEST: was DHCPACK 10.0.0.5, is DHCPNAK".
func (e Exchange) String() string {
	list := func(ms []*dhcp4.Message) string {
		s := ""
		for i, m := range ms {
			if i > 0 {
				s += " and "
			}
			s += m.MessageType().String()
			if a := m.YourIPAddr; a.IsValid() && !a.IsUnspecified() {
				s += " " + a.String()
			}
		}
		if s == "" {
			return "silence"
		}
		return s
	}
	return fmt.Sprintf("%v: was %s, is %s", e.Request.MessageType(), list(e.Recorded), list(e.Replies))
}

// moment is a client's datagram of a capture.
type moment struct {
	at time.Duration
	frame
}

// Replay plays the clients of a capture (pcap, Ethernet): each of their messages is sent as it was, as long after the first
// as it was. It returns each with its answers, in the capture and on this LAN; an answer belongs to the last message with
// its transaction id. Messages to the address of a server that is not on the LAN reach nobody.
func (l *LAN) Replay(capture io.Reader) ([]Exchange, error) {
	moments, all, err := readCapture(capture)
	if err != nil {
		return nil, err
	}
	players := make(map[string]*station)
	began := time.Now()
	for i, m := range moments {
		time.Sleep(m.at - time.Since(began))
		who := fmt.Sprintf("%x %d", m.srcHW, m.src.Port()) // a relay sends from the port of servers, and hears there
		p := players[who]
		if p == nil {
			p = l.plug("played station", m.srcHW, m.src.Port(), netip.Addr{})
			players[who] = p
			defer p.setUp(false)
		}
		if g := all[i].Request.GatewayIPAddr; g.IsUnspecified() {
			p.setAddr(m.src.Addr())
		} else {
			p.setAddr(g) // a relay, which is answered there
		}
		p.send(frame{src: m.src, dst: m.dst, dstHW: l.seen(m.frame), data: m.data})
		if i+1 < len(moments) {
			collect(players, all[:i+1], moments[i+1].at-time.Since(began))
		} else {
			collect(players, all, replayTime)
		}
	}
	return all, nil
}

// seen is the hardware address for a recorded datagram: broadcasts stay such, the rest is for ARP.
func (l *LAN) seen(f frame) string {
	if f.dstHW == broadcastHW {
		return broadcastHW
	}
	return ""
}

// collect takes the answers that come within d.
func collect(players map[string]*station, asked []Exchange, d time.Duration) {
	time.Sleep(d)
	for _, p := range players {
		for more := true; more; {
			select {
			case f := <-p.in:
				m := new(dhcp4.Message)
				if m.UnmarshalBinary(f.data) == nil {
					answered(asked, m, func(e *Exchange) { e.Replies = append(e.Replies, m) })
				}
			default:
				more = false
			}
		}
	}
}

// answered finds the last request that m answers.
func answered(asked []Exchange, m *dhcp4.Message, note func(*Exchange)) {
	for i := len(asked) - 1; i >= 0; i-- {
		r := asked[i].Request
		if r.TransactionID == m.TransactionID && string(r.ClientHWAddr) == string(m.ClientHWAddr) {
			note(&asked[i])
			return
		}
	}
}

// readCapture returns what clients sent, and the exchanges without replies.
func readCapture(r io.Reader) ([]moment, []Exchange, error) {
	in, err := pcapgo.NewReader(r)
	if err != nil {
		return nil, nil, fmt.Errorf("dhcp4test: Replay: not a capture in the format of pcap: %w", err)
	}
	if in.LinkType() != layers.LinkTypeEthernet {
		return nil, nil, fmt.Errorf("dhcp4test: Replay: the capture is of %v: want Ethernet", in.LinkType())
	}
	in.SetSnaplen(maxFrame) // what the file says of it could be gigabytes
	var moments []moment
	var all []Exchange
	var first time.Time
	for n := 1; ; n++ {
		b, info, err := in.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, fmt.Errorf("dhcp4test: Replay: frame %d: %w", n, err)
		}
		f, ok := parseFrame(b)
		m := new(dhcp4.Message)
		if !ok || m.UnmarshalBinary(f.data) != nil {
			continue
		}
		if m.OpCode == dhcp4.OpcodeBootReply {
			answered(all, m, func(e *Exchange) { e.Recorded = append(e.Recorded, m) })
			continue
		}
		if len(moments) == 0 {
			first = info.Timestamp
		}
		at := max(info.Timestamp.Sub(first), 0)
		moments = append(moments, moment{at, f})
		all = append(all, Exchange{At: at, Request: m})
	}
	if len(moments) == 0 {
		return nil, nil, errors.New("dhcp4test: Replay: no client says anything in the capture")
	}
	return moments, all, nil
}

// parseFrame returns the UDP datagram to or from a DHCP port in an Ethernet frame.
func parseFrame(b []byte) (frame, bool) {
	packet := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)
	eth, _ := packet.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	ip, _ := packet.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
	udp, _ := packet.Layer(layers.LayerTypeUDP).(*layers.UDP)
	if eth == nil || ip == nil || udp == nil {
		return frame{}, false
	}
	if udp.DstPort != dhcp4.ServerPort && udp.DstPort != dhcp4.ClientPort {
		return frame{}, false
	}
	src, ok1 := netip.AddrFromSlice(ip.SrcIP.To4())
	dst, ok2 := netip.AddrFromSlice(ip.DstIP.To4())
	return frame{
		src: netip.AddrPortFrom(src, uint16(udp.SrcPort)), dst: netip.AddrPortFrom(dst, uint16(udp.DstPort)),
		srcHW: string(eth.SrcMAC), dstHW: string(eth.DstMAC), data: udp.Payload,
	}, ok1 && ok2
}
