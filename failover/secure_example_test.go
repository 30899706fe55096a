package failover_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"

	"github.com/tandem-dhcp/tandem/failover"
)

// Two nodes that believe only each other: the certificate of each has its name, and comes from an authority of their own.
func ExampleTLS() {
	transport := failover.TLS{
		Transport: failover.TCP{
			Local:   netip.MustParseAddrPort("10.0.10.251:647"),
			Partner: netip.MustParseAddrPort("10.0.10.252:647"),
		},
		Config: &tls.Config{
			Certificates: make([]tls.Certificate, 1), // of tls.LoadX509KeyPair
			RootCAs:      x509.NewCertPool(),
			ServerName:   "dhcp2.example.org",
		},
	}
	fmt.Println(transport.Validate())
	transport.Config.InsecureSkipVerify = true
	fmt.Println(transport.Validate())
	// Output:
	// <nil>
	// failover: TLS.Config.InsecureSkipVerify is true: the partner must be verified
}

// Two relationships between the same two servers, each of which is the primary of one, on one port.
func ExampleMux() {
	mux := failover.NewMux(failover.TCP{
		Local:   netip.MustParseAddrPort("10.0.10.251:647"),
		Partner: netip.MustParseAddrPort("10.0.10.252:647"),
	}, nil)
	offices := failover.Options{Transport: mux.Transport("offices", failover.Primary)}
	guests := failover.Options{Transport: mux.Transport("guests", failover.Secondary)}
	fmt.Println(offices.Transport != guests.Transport) // each for an Endpoint of its own
	// Output: true
}
