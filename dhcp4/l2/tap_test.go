package l2

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/tandem-dhcp/tandem/dhcp4"
)

func TestTap(t *testing.T) {
	var file bytes.Buffer
	tap, err := NewTap(&file)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, Config{Tap: tap}, nil)
	bad := arrival(2, heard(), nil)
	bad.data[42] = 'X'
	b.socket.arriving = [][]packet{{
		arrival(2, heard(), nil),
		arrival(2, heard(), func(p *packet, _ *frame) { p.tag = tag{true, 100} }), // ignored, and shown as it was
		bad,
		arrival(4, heard(), nil), // not of ours
	}}
	if n, err := b.ReadBatch(room(5)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := b.WriteBatch([]dhcp4.Datagram{{Data: []byte("answer"), Link: dhcp4.Link{Index: 2, Name: "eth0"}, Dst: netip.AddrPortFrom(limitedBroadcast, 68)}}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	r, err := pcapgo.NewReader(&file)
	if err != nil || r.LinkType() != layers.LinkTypeEthernet {
		t.Fatalf("not an Ethernet pcap file: %v", err)
	}
	var got []string
	for {
		data, info, err := r.ReadPacketData()
		if err != nil {
			break
		}
		p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.NoCopy)
		vlan := ""
		if tag, ok := p.Layer(layers.LayerTypeDot1Q).(*layers.Dot1Q); ok {
			vlan = fmt.Sprintf(" in VLAN %d", tag.VLANIdentifier)
		}
		got = append(got, string(p.Layer(layers.LayerTypeUDP).LayerPayload())+vlan)
		if age := time.Since(info.Timestamp); age < 0 || age > time.Minute {
			t.Errorf("time is %v", info.Timestamp)
		}
	}
	if want := []string{"hello", "hello in VLAN 100", "Xello", "answer"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := tap.Err(); err != nil {
		t.Error(err)
	}
}

// full is a disk with room for so many writes.
type full int

func (f *full) Write(b []byte) (int, error) {
	if *f--; *f < 0 {
		return 0, errors.New("disk full")
	}
	return len(b), nil
}

func TestTapOnAFullDisk(t *testing.T) {
	disk := full(0)
	if _, err := NewTap(&disk); err == nil {
		t.Error("began a file on a full disk")
	}
	disk = 1
	tap, err := NewTap(&disk)
	if err != nil {
		t.Fatal(err)
	}
	p := arrival(2, heard(), nil)
	for range 2 {
		tap.frame(time.Now(), &p)
	}
	if err := tap.Err(); err == nil || disk != -1 {
		t.Errorf("got %v after %d writes too many, want an error after one", err, -disk)
	}
}
