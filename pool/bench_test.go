package pool_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// slim is a View of the addresses after 10.0.0.0 that is small enough for a million leases.
type slim struct {
	status []lease.Status
	expiry []uint32 // seconds after start; 0 is none
	pool   *pool.Pool
}

func (v *slim) Get(a netip.Addr) lease.Lease {
	b := a.As4()
	i := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
	l := lease.Lease{Addr: a, Status: v.status[i]}
	if v.expiry[i] != 0 {
		l.Expiry = start.Add(time.Duration(v.expiry[i]) * time.Second)
	}
	return l
}

// address returns the n-th address.
func (v *slim) address(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
}

func (v *slim) set(a netip.Addr, s lease.Status, expiry uint32) {
	old := v.Get(a)
	b := a.As4()
	i := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
	v.status[i], v.expiry[i] = s, expiry
	v.pool.Changed(old, v.Get(a))
}

// filled returns a pool of size addresses of which use percent are leased, and one in ten of the others was.
func filled(tb testing.TB, size, use int) *slim {
	v := &slim{status: make([]lease.Status, size), expiry: make([]uint32, size)}
	for i := range v.status {
		v.status[i] = lease.Free
	}
	var err error
	v.pool, err = pool.New(pool.Config{
		Ranges: []pool.Range{{First: v.address(0), Last: v.address(size - 1)}},
	}, v)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range size {
		a := v.address(i)
		switch {
		case i*7919%100 < use:
			v.set(a, lease.Active, uint32(1_000_000+i*7919%size))
		case i*7919%1000 < use*10+(100-use):
			v.set(a, lease.Free, uint32(1+i*7919%size))
		}
	}
	return v
}

func sizes(b *testing.B, f func(b *testing.B, v *slim)) {
	for _, size := range []int{1_000, 30_000, 1_000_000} {
		for _, use := range []int{0, 50, 99} {
			b.Run(fmt.Sprintf("size=%d/use=%d", size, use), func(b *testing.B) { f(b, filled(b, size, use)) })
		}
	}
}

// The address picked is offered to somebody, so the next Pick must find another one.
func BenchmarkPick(b *testing.B) {
	sizes(b, func(b *testing.B, v *slim) {
		var offered netip.Addr
		usable := func(l lease.Lease) bool { return l.Addr != offered }
		b.ReportAllocs()
		for b.Loop() {
			l, ok := v.pool.Pick(lease.Free, usable)
			if !ok {
				b.Fatal("nothing to pick")
			}
			offered = l.Addr
		}
	})
}

// One turn is a Pick, the lease of what it gave, and the end of the lease that ends first, so that the use stays.
func BenchmarkTurn(b *testing.B) {
	sizes(b, func(b *testing.B, v *slim) {
		end := uint32(10_000_000)
		b.ReportAllocs()
		for b.Loop() {
			l, ok := v.pool.Pick(lease.Free, nil)
			if !ok {
				b.Fatal("nothing to pick")
			}
			end++
			v.set(l.Addr, lease.Active, end)
			due := v.pool.AppendDue(nil, lease.Never, 1)
			v.set(due[0].Addr, lease.Free, end)
		}
	})
}

// Ten thousand of the addresses are on offer to others, which is what each Pick is told of them.
func BenchmarkPickAmongOffers(b *testing.B) {
	for _, size := range []int{20_000, 1_000_000} {
		b.Run(fmt.Sprintf("size=%d/offers=10000", size), func(b *testing.B) {
			v := filled(b, size, 0)
			offers := make([]netip.Addr, 10_000) // a ring: the oldest is withdrawn
			offered := make(map[netip.Addr]bool)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				l, ok := v.pool.Pick(lease.Free, func(l lease.Lease) bool { return !offered[l.Addr] })
				if !ok {
					continue // comes round among 10,000 on offer
				}
				delete(offered, offers[i%len(offers)])
				offers[i%len(offers)], offered[l.Addr] = l.Addr, true
			}
		})
	}
}

func BenchmarkRenew(b *testing.B) {
	sizes(b, func(b *testing.B, v *slim) {
		size := len(v.status)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if i = (i + 7919) % size; v.status[i] == lease.Active || v.status[i] == lease.Free {
				v.set(v.address(i), lease.Active, v.expiry[i]+3600)
			}
		}
	})
}

func BenchmarkBucket(b *testing.B) {
	stid := "\x01\x02\x00\x00\x00\x00\x02"
	for b.Loop() {
		pool.Bucket(stid)
	}
}
