package isc

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/tandem-dhcp/tandem/dhcp4/dora"
	"github.com/tandem-dhcp/tandem/lease"
)

// FuzzParse reads a file that can include itself and another: a Config, or errors that have a place. What is read without
// an error can be set up, or that says where not.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/seed/*/dhcpd.conf")
	if err != nil {
		f.Fatal(err)
	}
	shared, err := filepath.Glob("testdata/seed/dhcpd.conf.SHARED*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(files, shared...) {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b), "", false)
	}
	for _, tc := range statementCases {
		f.Add(tc.conf, "default-lease-time 60;", true)
	}
	for _, tc := range optionCases {
		f.Add(tc.conf, "", false)
	}
	for _, tc := range peerCases {
		f.Add(`failover peer "f" { `+tc.body+` } include "y";`, peerPool, false)
	}
	f.Add(scopes, "", false)
	f.Add(`include "x"; include "y";`, `include "x";`, true)
	f.Fuzz(func(t *testing.T, x, y string, lenient bool) {
		c, err := Load(fstest.MapFS{"x": {Data: []byte(x)}, "y": {Data: []byte(y)}}, "x", LoadOptions{Lenient: lenient, Resolve: resolve})
		if err != nil {
			list := all(err)
			if c != nil || len(list) == 0 || len(list) > maxProblems {
				t.Fatalf("%q: a Config %v, %d errors", x, c != nil, len(list))
			}
			for _, e := range list {
				if e.Line < 1 || e.Col < 1 || e.File == "" || e.Msg == "" {
					t.Fatalf("%q: error without a place: %v", x, e)
				}
			}
			return
		}
		s, err := c.Setup(emptyView{})
		if err != nil {
			if place := new(Error); !errors.As(err, &place) {
				t.Fatalf("%q: error without a place: %v", x, err)
			}
			return
		}
		d, err := s.Dora(func(peer string) dora.Gate { return gate{name: peer} })
		if err != nil && len(d.Networks) > 0 {
			t.Fatalf("%q: what was checked is refused: %v", x, err)
		}
	})
}

// emptyView is a ledger in which nothing is.
type emptyView struct{}

func (emptyView) Get(a netip.Addr) lease.Lease { return lease.Virgin(a) }
