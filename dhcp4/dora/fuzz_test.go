package dora

import (
	"context"
	"net/netip"
	"testing"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/lease"
)

// FuzzServeDHCP gives a server two messages from anywhere. It must answer with messages that can be sent, or with
// silence, and its ledger must stay sound.
func FuzzServeDHCP(f *testing.F) {
	for _, m := range []msg{
		{kind: dhcpDiscover, host: "box", list: []byte{1, 3, 6, 12, 15, 51, 119}},
		{kind: dhcpDiscover, giaddr: "10.0.20.1", info: "\x05\x04\x0a\x00\x15\x00\x01\x02ab", id: "\x01xyz"},
		{kind: dhcpRequest, wish: "10.0.10.10", server: "10.0.10.251", want: Infinite},
		{kind: dhcpRequest, wish: "10.0.10.20"},
		{kind: dhcpRequest, ciaddr: "10.0.10.10", mac: reservedMAC},
		{kind: dhcpDecline, wish: "10.0.10.10"},
		{kind: dhcpRelease, ciaddr: "10.0.10.10"},
		{kind: dhcpInform, ciaddr: "10.0.10.99"},
		{kind: bootp},
	} {
		b, err := m.request(f, start).MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, b, true)
	}
	f.Fuzz(func(t *testing.T, one, two []byte, toAll bool) {
		w := twoNetworks(t)
		w.cfg.Settings = Settings{Authoritative: On, EchoClientID: On, Options: []Option{{dhcp4.OptionRenewTimeValue, "\x00\x00\x00\x10"}}}
		w.cfg.Hosts = []Host{reservation("10.0.10.9")}
		w.open()
		for _, b := range [][]byte{one, two} {
			m := new(dhcp4.Message)
			if m.UnmarshalBinary(b) != nil {
				continue
			}
			req := &dhcp4.Request{Message: m, Received: start, Local: serverAddr, Link: dhcp4.Link{Name: "eth0"}}
			req.Src = netip.AddrPortFrom(addr("10.0.10.77"), 68)
			if toAll {
				req.Dst = broadcast
			}
			reply, err := w.server.ServeDHCP(context.Background(), req)
			if err != nil {
				t.Fatalf("%v: %v", m, err)
			}
			if reply == nil {
				continue
			}
			if _, err := reply.MarshalBinary(); err != nil {
				t.Fatalf("%v is answered with what cannot be sent: %v", m, err)
			}
			q := w.server.query(req, start, w.book)
			q.describe()
		}
		if err := lease.Check(w.book.All()); err != nil {
			t.Fatal(err)
		}
	})
}
