package failover

import (
	"strings"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

func TestPartnerKnowsTheClient(t *testing.T) {
	for _, off := range []bool{false, true} {
		w, p, s := normal(t, 20)
		p.machine.cfg.NoClientInfo = off
		l := p.book.Get(p.pool.Ranges()[0].Last)
		for x := range p.pool.Oldest(lease.Free) {
			l = x
		}
		old := l
		l.Status, l.Client, l.LastTransaction = lease.Active, mac(1), w.now
		l.HostName, l.VendorClass, l.RelayInfo = "host", "MSFT 5.0", "\x01\x04eth0"
		l.Expiry = w.now.Add(time.Hour)
		if err := p.step(Changed{lease.Change{Old: old, New: l}}); err != nil {
			t.Fatal(err)
		}
		w.settle()
		got := s.book.Get(l.Addr)
		if off && got.HostName+got.VendorClass+got.RelayInfo != "" {
			t.Errorf("the partner was told %q, %q, %q", got.HostName, got.VendorClass, got.RelayInfo)
		}
		if !off && (got.HostName != l.HostName || got.VendorClass != l.VendorClass || got.RelayInfo != l.RelayInfo) {
			t.Errorf("the partner has %q, %q, %q", got.HostName, got.VendorClass, got.RelayInfo)
		}
	}
}

func TestClientInfoFitsAMessage(t *testing.T) {
	l := lease.Lease{HostName: strings.Repeat("h", 255), VendorClass: strings.Repeat("v", 255), RelayInfo: strings.Repeat("r", 256)}
	var got lease.Lease
	if err := takeClientInfo(&got, clientInfo(l)); err != nil {
		t.Fatal(err)
	}
	if got.HostName != l.HostName || got.VendorClass != l.VendorClass || got.RelayInfo != "" {
		t.Errorf("got %d, %d, %d octets: want what fits an option, and nothing in part", len(got.HostName), len(got.VendorClass), len(got.RelayInfo))
	}
}

func FuzzClientInfo(f *testing.F) {
	f.Add("")
	f.Add(clientInfo(lease.Lease{HostName: "host", RelayInfo: "\x01\x02ab"}))
	f.Add(dhcpCookie + "\x0c\x01a\x00\x0c\x01b\xff\x0c")
	f.Fuzz(func(t *testing.T, s string) {
		var l, again lease.Lease
		if takeClientInfo(&l, s) != nil {
			if l != (lease.Lease{}) {
				t.Fatalf("%q is refused and yet leaves %+v", s, l)
			}
			return
		}
		if len(l.HostName)+len(l.VendorClass)+len(l.RelayInfo) > 700 || len(l.HostName) > 255 || len(l.VendorClass) > 255 || len(l.RelayInfo) > 255 {
			return // is cut when it is told on
		}
		if err := takeClientInfo(&again, clientInfo(l)); err != nil || again != l {
			t.Fatalf("%+v comes back as %+v, %v", l, again, err)
		}
	})
}
