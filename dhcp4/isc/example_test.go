package isc_test

import (
	"fmt"
	"testing/fstest"

	"github.com/tandem-dhcp/tandem/dhcp4/isc"
)

// A configuration in two files, as two servers have it that share the second.
func ExampleLoad() {
	files := fstest.MapFS{
		"usr/local/etc/dhcpd.conf": {Data: []byte(`# CORE
failover peer "ha-dhcp" {
  primary;
  address 10.0.10.251;
  port 678;
  peer address 10.0.10.252;
  peer port 678;
  max-response-delay 60;
  max-unacked-updates 10;
  mclt 3600;
  split 128;
  load balance max seconds 3;
}

include "/usr/local/etc/dhcpd.conf.SHARED";
`)},
		"usr/local/etc/dhcpd.conf.SHARED": {Data: []byte(`# CLIENTS
subnet 10.0.10.0 netmask 255.255.255.0 {
  default-lease-time         604800;
  max-lease-time             604800;
  option routers             10.0.10.254;
  option broadcast-address   10.0.10.255;
  option subnet-mask         255.255.255.0;
  option domain-search       "domain.com";
  option domain-name-servers 1.1.1.1,9.9.9.9;

  pool {
    failover peer "ha-dhcp";
    range 10.0.10.10 10.0.10.250;
  }
}
`)},
	}
	c, err := isc.Load(files, "/usr/local/etc/dhcpd.conf", isc.LoadOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range c.Peers {
		fmt.Printf("failover peer %q: %v:%d and %v:%d, mclt %v\n", p.Name, p.Address, p.Port, p.PartnerAddresses[0], p.PartnerPort, p.MCLT)
	}
	for _, n := range c.Networks {
		for _, p := range n.Pools {
			fmt.Printf("pool of %s: %v to %v, with %s, for %v\n", n.Name, p.Ranges[0].First, p.Ranges[0].Last, p.Peer, p.All.DefaultLeaseTime.Value)
			for _, o := range p.All.Options {
				fmt.Printf("  %s % x\n", o.Name, o.Value)
			}
		}
	}
	// Output:
	// failover peer "ha-dhcp": 10.0.10.251:678 and 10.0.10.252:678, mclt 1h0m0s
	// pool of 10.0.10.0/24: 10.0.10.10 to 10.0.10.250, with ha-dhcp, for 168h0m0s
	//   routers 0a 00 0a fe
	//   broadcast-address 0a 00 0a ff
	//   subnet-mask ff ff ff 00
	//   domain-search 06 64 6f 6d 61 69 6e 03 63 6f 6d 00
	//   domain-name-servers 01 01 01 01 09 09 09 09
}

// Every mistake is told with its place; what dhcpd can do and this server cannot is one, too.
func ExampleLoad_errors() {
	files := fstest.MapFS{"dhcpd.conf": {Data: []byte(`default-lease-tim 600;
class "phones" { match if substring (hardware, 1, 3) = 0:4:f2; }
subnet 10.0.0.0 netmask 255.255.255.0 {
  option routers 10.0.0.1 10.0.0.2;
  range 10.0.0.10 10.0.1.20;
}
`)}}
	_, err := isc.Load(files, "dhcpd.conf", isc.LoadOptions{})
	fmt.Println(err)

	files["dhcpd.conf"].Data = []byte("if known { min-secs 3; }\nddns-update-style none;\n")
	c, err := isc.Load(files, "dhcpd.conf", isc.LoadOptions{Lenient: true})
	fmt.Println(err)
	for _, e := range c.Skipped {
		fmt.Println(e.Error())
	}
	// Output:
	// dhcpd.conf:1:1: expecting a parameter or declaration: "default-lease-tim" is unknown
	// dhcpd.conf:2:1: class is not supported: nothing here depends on what a client sends
	// dhcpd.conf:4:27: semicolon expected.
	// dhcpd.conf:5:3: bad range, address 10.0.1.20 not in subnet 10.0.0.0/24
	// <nil>
	// dhcpd.conf:1:1: if is not supported: nothing here depends on what a client sends
}
