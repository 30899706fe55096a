package pool_test

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// record is a View that is a map, for examples in which a lease.Book would be in the way.
type record map[netip.Addr]lease.Lease

func (r record) Get(a netip.Addr) lease.Lease {
	if l, ok := r[a]; ok {
		return l
	}
	return lease.Virgin(a)
}

// A pool over a ledger: pick, lease, and see when the lease ends.
func Example() {
	ctx := context.Background()
	book, err := lease.OpenBook(ctx, lease.NewMemory(), lease.BookConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := pool.New(pool.Config{
		Name:     "office",
		Ranges:   []pool.Range{{First: netip.MustParseAddr("10.0.10.10"), Last: netip.MustParseAddr("10.0.10.250")}},
		Excluded: []netip.Addr{netip.MustParseAddr("10.0.10.10")}, // the printer
	}, book)
	if err != nil {
		fmt.Println(err)
		return
	}
	book.Observe(p)

	l, ok := p.Pick(lease.Free, nil)
	fmt.Println(l.Addr, ok)

	leased := l
	leased.Status, leased.Expiry = lease.Active, time.Unix(1795353900, 0).UTC()
	if err := book.Apply(ctx, lease.Batch{Changes: []lease.Change{{Old: l, New: leased}}}); err != nil {
		fmt.Println(err)
		return
	}

	l, _ = p.Pick(lease.Free, nil)
	fmt.Println(l.Addr, p.Counts().Free, p.Counts().Active)
	end, _ := p.NextExpiry()
	fmt.Println(end)
	// Output:
	// 10.0.10.11 true
	// 10.0.10.12 239 1
	// 2026-11-22 13:25:00 +0000 UTC
}

// Addresses on offer to somebody else are passed over.
func ExamplePool_Pick() {
	p, err := pool.New(pool.Config{
		Ranges: []pool.Range{{First: netip.MustParseAddr("10.0.0.1"), Last: netip.MustParseAddr("10.0.0.2")}},
	}, make(record))
	if err != nil {
		fmt.Println(err)
		return
	}
	offered := make(map[netip.Addr]bool)
	for range 3 {
		l, ok := p.Pick(lease.Free, func(l lease.Lease) bool { return !offered[l.Addr] })
		fmt.Println(l.Addr, ok)
		offered[l.Addr] = true
	}
	// Output:
	// 10.0.0.1 true
	// 10.0.0.2 true
	// invalid IP false
}

// The client with this hardware address is served by the primary if that has the first 128 buckets.
func ExampleBucket() {
	split, err := pool.Split(128)
	if err != nil {
		fmt.Println(err)
		return
	}
	bucket := pool.Bucket([]byte{0x02, 0x00, 0x00, 0x00, 0x00, 0x02})
	fmt.Println(bucket, split.Primary(bucket))
	// Output: 45 true
}

func ExampleParseHBA() {
	h, err := pool.ParseHBA("ff:1:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0")
	fmt.Println(h.Primary(8), h.Primary(9), err)
	// Output: true false <nil>
}

// A primary with a new pool of 241 addresses has 120 to give. It asks its partner for some when it has 72 less than
// half.
func ExampleBalance_Give() {
	var isc pool.Balance // ISC's defaults: 15 and 10 percent
	f := isc.Give(241, 0, true)
	fmt.Printf("lts %d thresh %d hold %d panic %d\n", f.Surplus, f.Threshold, f.Hold, f.Panic)
	// Output: lts 120 thresh 36 hold 24 panic -72
}

// One balance of a new pool, at the primary.
func ExamplePool_Surplus() {
	book := make(record)
	p, err := pool.New(pool.Config{
		Ranges: []pool.Range{{First: netip.MustParseAddr("10.0.0.1"), Last: netip.MustParseAddr("10.0.0.4")}},
	}, book)
	if err != nil {
		fmt.Println(err)
		return
	}
	split, err := pool.Split(128)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, l := range p.Surplus(pool.Balance{}, true, split.WantedByPartner(true)) {
		given := l
		given.Status = lease.Backup
		book[l.Addr] = given
		p.Changed(l, given)
		fmt.Println(l.Addr, given.Status)
	}
	fmt.Println(p.Counts().Free, p.Counts().Backup)
	// Output:
	// 10.0.0.1 backup
	// 10.0.0.2 backup
	// 2 2
}
