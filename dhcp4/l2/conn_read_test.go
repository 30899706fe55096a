package l2

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

func room(n int) []dhcp4.Datagram {
	ds := make([]dhcp4.Datagram, n)
	for i := range ds {
		ds[i].Data = make([]byte, 0, 20)
	}
	return ds
}

// arrival is f as it arrives by an interface, after a change.
func arrival(index int, f frame, change func(p *packet, f *frame)) packet {
	var p packet
	if change != nil {
		change(&p, &f)
	}
	p.data, p.index = appendFrame(nil, &f), index
	return p
}

func TestConnReads(t *testing.T) {
	unicast := func(hw hwAddr, a string) func(*packet, *frame) {
		return func(_ *packet, f *frame) { f.dstHW, f.dst = hw, netip.MustParseAddrPort(a) }
	}
	damaged := func(at int, v byte, summed bool) packet {
		p := arrival(2, heard(), func(p *packet, _ *frame) { p.summed = summed })
		p.data[at] = v
		return p
	}
	eth0, eth1 := dhcp4.Link{Index: 2, Name: "eth0"}, dhcp4.Link{Index: 3, Name: "eth1"}
	none := netip.Addr{}
	for _, tt := range []struct {
		name      string
		cfg       Config
		in        packet
		want      bool
		wantLink  dhcp4.Link
		wantLocal netip.Addr
		wantStats Stats
	}{
		{name: "broadcast", in: arrival(2, heard(), nil), want: true, wantLink: eth0, wantLocal: serverIP},
		{name: "by an interface without address", in: arrival(3, heard(), nil), want: true, wantLink: eth1, wantLocal: none},
		{name: "by an interface that is not served", in: arrival(4, heard(), nil), wantStats: Stats{Ignored: 1}},
		{name: "unicast to us", in: arrival(2, heard(), unicast(serverHW, "10.0.0.1:67")), want: true, wantLink: eth0, wantLocal: serverIP},
		{name: "unicast to another address of ours", in: arrival(2, heard(), unicast(serverHW, "10.0.0.2:67")), want: true, wantLink: eth0, wantLocal: serverIP},
		{name: "unicast to another host that we route to", in: arrival(2, heard(), unicast(serverHW, "192.0.2.1:67")), wantStats: Stats{Ignored: 1}},
		{name: "broadcast of the subnet", in: arrival(2, heard(), unicast(toAll, "10.0.0.255:67")), want: true, wantLink: eth0, wantLocal: serverIP},
		{name: "limited broadcast in a unicast frame", in: arrival(2, heard(), unicast(serverHW, "255.255.255.255:67")), want: true, wantLink: eth0, wantLocal: serverIP},
		{name: "to the port of clients", in: arrival(2, heard(), unicast(toAll, "255.255.255.255:68")), wantStats: Stats{Ignored: 1}},
		{name: "not what the filter lets in", in: damaged(12, 0x86, false), wantStats: Stats{Malformed: 1}},
		{name: "wrong checksum", in: damaged(42, 'X', false), wantStats: Stats{BadChecksum: 1}},
		{name: "wrong checksum, which the host has not made yet", in: damaged(41, 'X', true), want: true, wantLink: eth0, wantLocal: serverIP},
		{name: "damaged IP header", in: damaged(22, 'X', true), wantStats: Stats{BadChecksum: 1}},
		{name: "with a tag", in: arrival(2, heard(), func(_ *packet, f *frame) { f.tag = tag{true, 100} }), wantStats: Stats{Ignored: 1}},
		{name: "with a priority tag", in: arrival(2, heard(), func(_ *packet, f *frame) { f.tag = tag{true, 0xe000} }), want: true, wantLink: eth0, wantLocal: serverIP},
		{name: "with a tag, and VLANs are served", cfg: Config{Tagged: true},
			in:   arrival(2, heard(), func(_ *packet, f *frame) { f.tag = tag{true, 0xe064} }),
			want: true, wantLink: dhcp4.Link{Index: 2, Name: "eth0.100"}, wantLocal: none},
		{name: "with a tag that the kernel took out", cfg: Config{Tagged: true},
			in:   arrival(2, heard(), func(p *packet, _ *frame) { p.tag = tag{true, 100} }),
			want: true, wantLink: dhcp4.Link{Index: 2, Name: "eth0.100"}, wantLocal: none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tt.cfg, nil)
			b.socket.arriving = [][]packet{{tt.in}}
			ds := room(3)
			n, err := b.ReadBatch(ds)
			if (n == 1) != tt.want || (n == 0) != errors.Is(err, net.ErrClosed) {
				t.Fatalf("got %d, %v", n, err)
			}
			tt.wantStats.KernelDrops = 3
			if got := b.Stats(); got != tt.wantStats {
				t.Errorf("counted %+v, want %+v", got, tt.wantStats)
			}
			if !tt.want {
				return
			}
			f, _ := parseFrame(tt.in.data, true)
			if d := ds[0]; d.Link != tt.wantLink || d.Local != tt.wantLocal || d.Src != f.src || d.Dst != f.dst || string(d.Data) != string(f.payload) {
				t.Errorf("got %+v, want by %v with %v from %v to %v", d, tt.wantLink, tt.wantLocal, f.src, f.dst)
			}
		})
	}
}

func TestConnReadsBatches(t *testing.T) {
	b := newBench(t, Config{}, nil)
	say := func(index int, s string) packet {
		return arrival(index, heard(), func(_ *packet, f *frame) { f.payload = []byte(s) })
	}
	b.socket.arriving = [][]packet{
		{say(2, "a"), say(4, "not served"), say(3, "b")},
		{},                // a deadline
		{say(4, "again")}, // nothing for us
		{say(2, "longer than there is room for"), say(2, "c")},
	}
	ds := room(3)
	var got []string
	for {
		n, err := b.ReadBatch(ds)
		if errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range ds[:n] {
			got = append(got, string(d.Data))
		}
		got = append(got, "/")
	}
	if want := []string{"a", "b", "/", "longer than there is", "c", "/"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
