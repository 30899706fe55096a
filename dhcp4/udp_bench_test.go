package dhcp4

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// BenchmarkServer asks a Server on the loopback interface, with so many requests under way at a time, and counts the
// client's side too, which uses the same batches. The handler of wait=1ms waits as for a disk.
func BenchmarkServer(b *testing.B) {
	slow := func(ctx context.Context, req *Request) (*Message, error) {
		time.Sleep(time.Millisecond)
		return offer(ctx, req)
	}
	for _, bb := range []struct {
		wait    string
		handler HandlerFunc
		window  int
	}{{"0", offer, 1}, {"0", offer, 16}, {"0", offer, 128}, {"1ms", slow, 128}} {
		b.Run(fmt.Sprintf("wait=%s/window=%d", bb.wait, bb.window), func(b *testing.B) {
			c, client := listen(b, UDPConfig{}), listen(b, UDPConfig{})
			s := &Server{Handler: bb.handler, Destination: toSender}
			start(b, s, c)
			ask := make([]Datagram, 256) // of a client each, lest they wait for one another
			for i := range ask {
				ask[i] = Datagram{Data: discover(byte(i)).Data, Dst: c.LocalAddr()}
				ask[i].Data[chaddrAt] = byte(i)
			}
			answers := room(bb.window, 2000)
			sent, heard := 0, 0
			run := func(n int) {
				for heard < n {
					if k := min(bb.window-(sent-heard), n-sent); k > 0 {
						next := sent % len(ask)
						k, err := client.WriteBatch(ask[next:min(next+k, len(ask))])
						if err != nil {
							b.Fatal(err)
						}
						sent += k
					}
					k, err := client.ReadBatch(answers)
					if err != nil {
						b.Fatal(err)
					}
					heard += k
				}
			}
			run(20 * bb.window) // jobs and workers are made
			sent, heard = 0, 0
			b.ReportAllocs()
			b.ResetTimer()
			run(b.N)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
		})
	}
}

func BenchmarkUDPConn(b *testing.B) {
	for _, size := range []int{1, maxBatch} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			from, to := listen(b, UDPConfig{}), listen(b, UDPConfig{})
			ds, in := make([]Datagram, size), room(size, 2000)
			for i := range ds {
				ds[i] = Datagram{Data: discover(0).Data, Dst: to.LocalAddr()}
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := from.WriteBatch(ds); err != nil {
					b.Fatal(err)
				}
				for got := 0; got < size; {
					n, err := to.ReadBatch(in)
					if err != nil {
						b.Fatal(err)
					}
					got += n
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/datagram")
		})
	}
}
