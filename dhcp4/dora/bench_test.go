package dora

import (
	"context"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
)

// BenchmarkServe is what a message costs between decoding and encoding, with a ledger in memory.
func BenchmarkServe(b *testing.B) {
	list := []byte{1, 28, 2, 3, 15, 6, 119, 12}
	send := func(b *testing.B, w *world, req *dhcp4.Request) *dhcp4.Message {
		m, err := w.server.ServeDHCP(context.Background(), req)
		if err != nil || m == nil {
			b.Fatalf("%s, %v; log: %q", say(m), err, w.lines())
		}
		return m
	}
	quiet := func(b *testing.B, first, last string) *world {
		w := newWorld(b, first, last)
		w.cfg.Networks[0].Subnets[0].Settings.CacheThreshold = -1
		w.silent = true
		return w.open()
	}
	b.Run("msg=discover", func(b *testing.B) {
		w := quiet(b, "10.0.10.10", "10.0.10.249")
		req := msg{kind: dhcpDiscover, list: list}.request(b, start)
		b.ReportAllocs()
		for b.Loop() {
			send(b, w, req)
		}
	})
	b.Run("msg=renewal", func(b *testing.B) {
		w := quiet(b, "10.0.10.10", "10.0.10.249")
		a := w.dora(msg{})
		req := msg{kind: dhcpRequest, ciaddr: a.String(), unicast: true, list: list}.request(b, start)
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			req.Received = start.Add(time.Duration(n/1000) * time.Second)
			send(b, w, req)
		}
	})
	b.Run("msg=dora", func(b *testing.B) {
		w := quiet(b, "10.0.10.10", "10.0.10.249")
		const clients = 240
		var discovers, requests [clients]*dhcp4.Request
		for n := range clients {
			a := w.dora(msg{mac: number(n)}).String()
			discovers[n] = msg{kind: dhcpDiscover, mac: number(n), list: list}.request(b, start)
			requests[n] = msg{kind: dhcpRequest, mac: number(n), wish: a, server: serverAddr.String(), list: list}.request(b, start)
		}
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			send(b, w, discovers[n%clients])
			send(b, w, requests[n%clients])
		}
	})
}
