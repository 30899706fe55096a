package dora

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
)

func TestValidate(t *testing.T) {
	subnet := func(s string) Subnet { return Subnet{Prefix: netip.MustParsePrefix(s)} }
	ethernet := lease.MakeHWAddr(1, mac(""))
	match := func(*dhcp4.Message) bool { return true }
	tests := []struct {
		name string
		with func(*Config)
		want string // part of the error; "" for none
	}{
		{"as it is", func(*Config) {}, ""},
		{"no network", func(c *Config) { c.Networks = nil }, "Config.Networks is empty"},
		{"no subnet", func(c *Config) { c.Networks[0].Subnets = nil }, "Config.Networks[0].Subnets is empty"},
		{"host bits", func(c *Config) { c.Networks[0].Subnets[0] = subnet("10.0.10.1/24") }, "without host bits"},
		{"IPv6", func(c *Config) { c.Networks[0].Subnets[0] = subnet("2001:db8::/64") }, "IPv4 prefix"},
		{"a subnet in another", func(c *Config) { c.Networks[1].Subnets = append(c.Networks[1].Subnets, subnet("10.0.10.128/25")) }, "10.0.10.0/24 overlaps"},
		{"a subnet around all", func(c *Config) { c.Networks[1].Subnets = append(c.Networks[1].Subnets, subnet("10.0.0.0/8")) }, "10.0.0.0/8 overlaps"},
		{"a range in no subnet", func(c *Config) { c.Networks[0].Subnets[0] = subnet("10.0.11.0/24") }, "is in no subnet"},
		{"a pool twice", func(c *Config) { c.Networks[0].Pools = append(c.Networks[0].Pools, c.Networks[0].Pools[0]) }, "10.0.10.10 is in two ranges"},
		{"no pool", func(c *Config) { c.Networks[0].Pools[0].Pool = nil }, "Pools[0].Pool is nil"},
		{"no gate", func(c *Config) { c.Networks[0].Pools[0].Gate = nil }, "Pools[0].Gate is nil"},
		{"a link in two networks", func(c *Config) { c.Networks[0].Links = []string{"eth9"} }, `"eth9" lies in two networks`},
		{"a host without a name", func(c *Config) { c.Hosts = []Host{{Name: "x"}} }, "Config.Hosts[0] (x)"},
		{"a fixed address of another kind", func(c *Config) {
			c.Hosts = []Host{{HW: ethernet, Fixed: []netip.Addr{addr("::1")}}}
		}, "is not IPv4"},
		{"a fixed address in a pool", func(c *Config) {
			c.Hosts = []Host{{HW: ethernet, Fixed: []netip.Addr{addr("10.0.10.12")}}}
		}, "in pool \"10.0.10.10\" as well"},
		{"a fixed address that is shared", func(c *Config) {
			h := Host{HW: ethernet, Fixed: []netip.Addr{addr("10.0.10.9")}}
			c.Hosts = []Host{h, h}
		}, ""},
		{"a class without a name", func(c *Config) { c.Classes = []Class{{Match: match}} }, "Config.Classes[0].Name"},
		{"a class twice", func(c *Config) { c.Classes = []Class{{Name: "a", Match: match}, {Name: "a", Match: match}} }, "Config.Classes[1].Name"},
		{"a class without members", func(c *Config) { c.Classes = []Class{{Name: "a"}} }, "Config.Classes[0].Match is nil"},
		{"a permit for no class", func(c *Config) {
			c.Networks[0].Pools[0].Deny = []Permit{{Who: ClassMembers, Class: "a"}}
		}, `no class "a"`},
		{"a negative time", func(c *Config) { c.Settings.MaxLease = -time.Second }, "Config.Settings.MaxLease is -1s"},
		{"a threshold of all", func(c *Config) { c.Networks[0].Settings.CacheThreshold = 100 }, "CacheThreshold is 100"},
		{"a long server name", func(c *Config) { c.Settings.ServerName = strings.Repeat("x", 65) }, "ServerName is 65"},
		{"a long file name", func(c *Config) { c.Settings.Filename = strings.Repeat("x", 129) }, "Filename is 129"},
		{"a server identifier of another kind", func(c *Config) { c.Settings.ServerIdentifier = addr("::1") }, "ServerIdentifier is ::1"},
		{"a next server of another kind", func(c *Config) { c.Settings.NextServer = addr("::1") }, "NextServer is ::1"},
		{"an address of another kind", func(c *Config) { c.Address = addr("::1") }, "Config.Address is ::1"},
		{"a negative number of pings", func(c *Config) { c.MaxPings = -1 }, "Config.MaxPings is -1"},
		{"an option of the server's own", func(c *Config) {
			c.Networks[0].Subnets[0].Settings.Options = []Option{{dhcp4.OptionIPAddressLeaseTime, "1234"}}
		}, "Settings.DefaultLease"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := twoNetworks(t).open().cfg
			tt.with(&c)
			err := c.Validate()
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if _, again := New(c, nil, nil); again == nil {
				t.Error("New takes it, and no Book")
			}
		})
	}
}
