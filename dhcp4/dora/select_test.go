package dora

import (
	"net/netip"
	"testing"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// twoNetworks has 10.0.10.0/24, where the server's eth0 lies, 10.0.20.0/24 with 10.0.21.0/24 on one link, and
// 10.0.30.0/24 on eth9, which has no address.
func twoNetworks(t testing.TB) *world {
	w := newWorld(t, "10.0.10.10", "10.0.10.29")
	w.cfg.Networks = append(w.cfg.Networks,
		Network{Name: "shared", Subnets: []Subnet{
			{Prefix: netip.MustParsePrefix("10.0.20.0/24")},
			{Prefix: netip.MustParsePrefix("10.0.21.0/24")},
		}},
		Network{Name: "tunnel", Links: []string{"eth9"}, Subnets: []Subnet{{Prefix: netip.MustParsePrefix("10.0.30.0/24")}}},
	)
	w.addPool(1, "10.0.20.10", "10.0.20.29")
	w.addPool(1, "10.0.21.10", "10.0.21.29")
	w.addPool(2, "10.0.30.10", "10.0.30.29")
	return w
}

func TestPlaceOf(t *testing.T) {
	topology := newTopology(twoNetworks(t).open().cfg)
	link := func(a string) string { // option 82 with suboption 5
		return "\x05\x04" + string(addr(a).AsSlice())
	}
	subnet := func(v string) func(*dhcp4.Message) {
		return func(m *dhcp4.Message) { m.SetOption(dhcp4.OptionSubnetSelection, []byte(v)) }
	}
	eth9 := func(r *dhcp4.Request) { r.Local, r.Link.Name = netip.Addr{}, "eth9" }
	tests := []struct {
		name string
		m    msg
		with func(*dhcp4.Request)
		want string // name of the network
		sure bool
	}{
		{name: "by the interface", want: "10.0.10.0/24", sure: true},
		{name: "by the relay", m: msg{giaddr: "10.0.20.1"}, want: "shared", sure: true},
		{name: "by the relay, in the second subnet of the link", m: msg{giaddr: "10.0.21.1"}, want: "shared", sure: true},
		{name: "an unknown relay", m: msg{giaddr: "10.9.9.1"}, want: "", sure: true},
		{name: "link selection before giaddr", m: msg{giaddr: "10.0.10.1", info: link("10.0.21.0")}, want: "shared", sure: true},
		{name: "an unknown link selection does not fall back", m: msg{giaddr: "10.0.10.1", info: link("10.9.9.0")}, sure: true},
		{name: "link selection of three octets", m: msg{giaddr: "10.0.10.1", info: "\x05\x03abc"}, sure: true},
		{name: "subnet selection", m: msg{with: subnet("\x0a\x00\x14\x00")}, want: "shared", sure: true},
		{name: "subnet selection before giaddr", m: msg{giaddr: "10.0.10.1", with: subnet("\x0a\x00\x14\x00")}, want: "shared", sure: true},
		{name: "link selection before subnet selection",
			m:    msg{giaddr: "10.0.10.1", info: link("10.0.30.0"), with: subnet("\x0a\x00\x14\x00")},
			want: "tunnel", sure: true},
		{name: "subnet selection of two octets", m: msg{with: subnet("\x0a\x00")}, sure: true},
		{name: "an interface without address, by its name", with: eth9, want: "tunnel", sure: true},
		{name: "an unknown interface without address", m: msg{noLink: true}, sure: true},
		{name: "renewal by unicast from behind a router", m: msg{ciaddr: "10.0.20.10", unicast: true}, want: "shared"},
		{name: "renewal by unicast on the link", m: msg{ciaddr: "10.0.10.10", unicast: true}, want: "10.0.10.0/24"},
		{name: "renewal by unicast from nowhere we know", m: msg{ciaddr: "10.9.9.9", unicast: true}, want: "10.0.10.0/24"},
		{name: "rebinding by broadcast", m: msg{ciaddr: "10.0.20.10"}, want: "10.0.10.0/24", sure: true},
		{name: "rebinding by a relay", m: msg{ciaddr: "10.0.20.10", giaddr: "10.0.30.1"}, want: "tunnel", sure: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.m.kind = dhcp4.MessageTypeRequest
			req := tt.m.request(t, start)
			if tt.with != nil {
				tt.with(req)
			}
			got := topology.placeOf(req)
			name := ""
			if got.net != nil {
				name = got.net.name
			}
			if name != tt.want || got.sure != tt.sure {
				t.Errorf("got %q, sure %v, want %q, %v", name, got.sure, tt.want, tt.sure)
			}
		})
	}
}

func TestScopeOf(t *testing.T) {
	scopeOf := twoNetworks(t).cfg.ScopeOf()
	for a, want := range map[string]uint32{"10.0.10.1": 0, "10.0.20.1": 1, "10.0.21.1": 1, "10.0.30.1": 2, "192.0.2.1": 3} {
		if got := scopeOf(addr(a)); uint32(got) != want {
			t.Errorf("%s: scope %d, want %d", a, got, want)
		}
	}
}
