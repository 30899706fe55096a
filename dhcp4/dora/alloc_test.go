package dora

import (
	"context"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// A client that is known is served without making garbage: its strings are those of its record.
func TestServesKnownClientsWithoutAllocating(t *testing.T) {
	w := newWorld(t, "10.0.10.10", "10.0.10.249")
	w.cfg.Networks[0].Subnets[0].Settings.CacheThreshold = -1
	w.silent = true
	w.open()
	const clients = 8
	var asks [clients][2]*dhcp4.Request
	for n := range clients {
		m := msg{mac: number(n), id: "client " + number(n), host: "host", info: "\x01\x02ab", giaddr: "10.0.10.1", list: []byte{1, 28, 2, 3, 15, 6, 119, 12}}
		m.wish = w.dora(m).String()
		m.kind = dhcpDiscover
		asks[n][0] = m.request(t, start)
		m.kind, m.server = dhcpRequest, serverAddr.String()
		asks[n][1] = m.request(t, start)
	}
	for name, answer := range map[string]func(*dhcp4.Request) (*dhcp4.Message, error){
		"served": func(req *dhcp4.Request) (*dhcp4.Message, error) { return w.server.ServeDHCP(context.Background(), req) },
		"started": func() func(*dhcp4.Request) (*dhcp4.Message, error) {
			var reply *dhcp4.Message
			var err error
			done := func(m *dhcp4.Message, e error) { reply, err = m, e } // a Memory does not wait
			return func(req *dhcp4.Request) (*dhcp4.Message, error) {
				reply, err = nil, nil
				if m, pending, e := w.server.StartDHCP(context.Background(), req, done); !pending {
					return m, e
				}
				return reply, err
			}
		}(),
	} {
		n := 0
		serve := func() {
			n++
			for _, req := range asks[n%clients] {
				req.Received = start.Add(time.Duration(n) * time.Second)
				if reply, err := answer(req); err != nil || reply == nil {
					t.Fatalf("%s: %v, %v", name, reply, err)
				}
			}
		}
		for range 10 * clients { // buffers have grown
			serve()
		}
		if allocs := testing.AllocsPerRun(100, serve); allocs > 0 {
			t.Errorf("%s: %v allocations for a DHCPDISCOVER and a DHCPREQUEST", name, allocs)
		}
	}
}
