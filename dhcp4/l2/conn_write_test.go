package l2

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

func TestConnWrites(t *testing.T) {
	client := netip.AddrPortFrom(clientIP, 68)
	all := netip.AddrPortFrom(limitedBroadcast, 68)
	asked := netip.AddrPortFrom(limitedBroadcast, 67)
	eth0, eth1 := dhcp4.Link{Index: 2, Name: "eth0"}, dhcp4.Link{Index: 3, Name: "eth1"}
	payload := []byte("hello")
	fromServer := netip.AddrPortFrom(serverIP, 67)
	for _, tt := range []struct {
		name string
		cfg  Config
		d    dhcp4.Datagram
		want frame // Ethernet source and payload are the same for all
		hw   hwAddr
		fail string
	}{
		{name: "to a client without address", hw: serverHW,
			d:    dhcp4.Datagram{Link: eth0, Local: serverIP, Src: asked, Dst: client, HWAddr: clientHW[:]},
			want: frame{dstHW: clientHW, src: fromServer, dst: client}},
		{name: "broadcast", hw: serverHW,
			d:    dhcp4.Datagram{Link: eth0, Local: serverIP, Src: asked, Dst: all},
			want: frame{dstHW: toAll, src: fromServer, dst: all}},
		{name: "to an address that is not Ethernet's", hw: serverHW,
			d:    dhcp4.Datagram{Link: eth0, Local: serverIP, Src: asked, Dst: client, HWAddr: make([]byte, 16)},
			want: frame{dstHW: toAll, src: fromServer, dst: all}},
		{name: "from the address of ours that was asked", hw: serverHW,
			d:    dhcp4.Datagram{Link: eth0, Local: serverIP, Src: netip.MustParseAddrPort("10.0.0.2:67"), Dst: client, HWAddr: clientHW[:]},
			want: frame{dstHW: clientHW, src: netip.MustParseAddrPort("10.0.0.2:67"), dst: client}},
		{name: "by an interface without address, as the server identifier", hw: hwAddr{2, 0, 0, 0, 1, 1},
			d:    dhcp4.Datagram{Link: eth1, Local: netip.MustParseAddr("192.0.2.1"), Src: asked, Dst: client, HWAddr: clientHW[:]},
			want: frame{dstHW: clientHW, src: netip.MustParseAddrPort("192.0.2.1:67"), dst: client}},
		{name: "by an interface without address, as nobody", hw: hwAddr{2, 0, 0, 0, 1, 1},
			d:    dhcp4.Datagram{Link: eth1, Dst: all},
			want: frame{dstHW: toAll, src: netip.MustParseAddrPort("0.0.0.0:67"), dst: all}},
		{name: "into a VLAN", cfg: Config{Tagged: true}, hw: serverHW,
			d:    dhcp4.Datagram{Link: dhcp4.Link{Index: 2, Name: "eth0.100"}, Src: asked, Dst: all},
			want: frame{dstHW: toAll, tag: tag{true, 100}, src: netip.MustParseAddrPort("0.0.0.0:67"), dst: all}},
		{name: "into a VLAN that is not served",
			d: dhcp4.Datagram{Link: dhcp4.Link{Index: 2, Name: "eth0.100"}, Dst: all}, fail: "interface 2 is eth0, not eth0.100"},
		{name: "into VLAN 4096", cfg: Config{Tagged: true},
			d: dhcp4.Datagram{Link: dhcp4.Link{Index: 2, Name: "eth0.4096"}, Dst: all}, fail: "not eth0.4096"},
		{name: "by an interface that is gone",
			d: dhcp4.Datagram{Link: dhcp4.Link{Index: 9, Name: "eth9"}, Dst: all}, fail: "no interface 9 (eth9)"},
		{name: "nobody says by which interface", d: dhcp4.Datagram{Dst: all}, fail: "no interface 0"},
		{name: "larger than a frame", d: dhcp4.Datagram{Link: eth0, Dst: all, Data: make([]byte, 1473)}, fail: "1501 octets are more than the MTU of eth0, 1500"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tt.cfg, nil)
			if tt.d.Data == nil {
				tt.d.Data = payload
			}
			n, err := b.WriteBatch([]dhcp4.Datagram{tt.d})
			if tt.fail != "" {
				if n != 0 || err == nil || !strings.Contains(err.Error(), tt.fail) {
					t.Errorf("got %d, %v, want an error with %q", n, err, tt.fail)
				}
				return
			}
			if n != 1 || err != nil || len(b.socket.sent) != 1 || len(b.udp.sent) != 0 {
				t.Fatalf("got %d, %v; sent %d frames and %d by UDP", n, err, len(b.socket.sent), len(b.udp.sent))
			}
			tt.want.srcHW, tt.want.payload = tt.hw, payload
			p := b.socket.sent[0]
			got, err := parseFrame(p.data, false)
			if err != nil || !equal(got, tt.want) || p.index != tt.d.Link.Index {
				t.Errorf("sent %+v by %d (%v), want %+v", got, p.index, err, tt.want)
			}
		})
	}
}

func TestConnWritesBatches(t *testing.T) {
	b := newBench(t, Config{}, nil)
	framed := func(s string) dhcp4.Datagram {
		return dhcp4.Datagram{Data: []byte(s), Link: dhcp4.Link{Index: 2, Name: "eth0"}, Dst: netip.AddrPortFrom(clientIP, 68), HWAddr: clientHW[:]}
	}
	routed := func(s string) dhcp4.Datagram {
		return dhcp4.Datagram{Data: []byte(s), Dst: netip.MustParseAddrPort("192.0.2.1:67")}
	}
	nowhere := framed("nowhere")
	nowhere.Link.Index = 9
	b.udp.fail = "no route"
	b.socket.sendError = func(p packet) error {
		if bytes.HasSuffix(p.data, []byte("unsent")) {
			return errors.New("interface is down")
		}
		return nil
	}
	ds := []dhcp4.Datagram{framed("a"), framed("b"), routed("c"), routed("no route"), routed("d"), framed("unsent"),
		framed("e"), nowhere, framed("f"), routed("g")}
	for range 3*maxBatch - len(ds) {
		ds = append(ds, framed("x"))
	}
	var failed []string
	for rest := ds; len(rest) > 0; {
		n, err := b.WriteBatch(rest)
		if rest = rest[n:]; err != nil {
			failed = append(failed, fmt.Sprintf("%s: %v", rest[0].Data, err))
			rest = rest[1:]
		}
	}
	if want := []string{
		"no route: no route",
		"unsent: l2: writing to 10.0.0.42:68 by eth0: interface is down",
		"nowhere: l2: writing to 10.0.0.42:68: no interface 9 (eth0)",
	}; !slices.Equal(failed, want) {
		t.Errorf("failed %q, want %q", failed, want)
	}
	if want := []string{"c", "d", "g"}; !slices.Equal(b.udp.sent, want) {
		t.Errorf("by UDP %q, want %q", b.udp.sent, want)
	}
	var got strings.Builder
	for _, p := range b.socket.sent {
		f, err := parseFrame(p.data, false)
		if err != nil {
			t.Fatal(err)
		}
		got.Write(f.payload)
	}
	if want := "abef" + strings.Repeat("x", 3*maxBatch-10); got.String() != want {
		t.Errorf("in frames %q, want %q", got.String(), want)
	}
}
