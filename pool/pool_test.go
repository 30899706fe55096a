package pool_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

func TestConfigValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		ranges []pool.Range
		extra  string // an excluded address
		err    string
	}{
		{"one address", []pool.Range{span("10.0.0.1", "10.0.0.1")}, "", ""},
		{"neighbours in the wrong order", []pool.Range{span("10.0.0.5", "10.0.0.9"), span("10.0.0.1", "10.0.0.4")}, "", ""},
		{"a /8", []pool.Range{span("10.0.0.0", "10.255.255.255")}, "", ""},
		{"a /8 and one", []pool.Range{span("10.0.0.0", "11.0.0.0")}, "", "more than 16777216 addresses"},
		{"all there are, twice", []pool.Range{span("0.0.0.1", "127.255.255.255"), span("128.0.0.0", "255.255.255.254")}, "", "more than 16777216 addresses"},
		{"no range", nil, "", "is empty"},
		{"zero range", []pool.Range{{}}, "", "is not IPv4"},
		{"IPv6", []pool.Range{span("2001:db8::1", "2001:db8::2")}, "", "is not IPv4"},
		{"IPv4 in IPv6", []pool.Range{span("::ffff:10.0.0.1", "::ffff:10.0.0.2")}, "", "is not IPv4"},
		{"backwards", []pool.Range{span("10.0.0.2", "10.0.0.1")}, "", "10.0.0.2-10.0.0.1 ends before it begins"},
		{"no address", []pool.Range{span("0.0.0.0", "0.0.0.5")}, "", "0.0.0.0"},
		{"broadcast", []pool.Range{span("255.255.255.250", "255.255.255.255")}, "", "broadcast"},
		{"overlap", []pool.Range{span("10.0.0.5", "10.0.0.9"), span("10.0.0.1", "10.0.0.5")}, "", "10.0.0.1-10.0.0.5 overlaps 10.0.0.5-10.0.0.9"},
		{"excluded outside", []pool.Range{span("10.0.0.5", "10.0.0.9")}, "10.0.0.1", ""},
		{"excluded IPv6", []pool.Range{span("10.0.0.5", "10.0.0.9")}, "::1", "Config.Excluded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := pool.Config{Name: "p", Ranges: tt.ranges}
			if tt.extra != "" {
				cfg.Excluded = append(cfg.Excluded, addr(tt.extra))
			}
			err := cfg.Validate()
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error is %v, want %q", err, tt.err)
			}
			if _, newErr := pool.New(cfg, nil); fmt.Sprint(newErr) != fmt.Sprint(err) {
				t.Errorf("New says %v, Validate %v", newErr, err)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	p, _ := newPool(t, pool.Config{
		Name:     "two nets",
		Ranges:   []pool.Range{span("10.0.1.0", "10.0.1.2"), span("10.0.0.254", "10.0.0.255")},
		Excluded: []netip.Addr{addr("10.0.1.1"), addr("10.0.1.1"), addr("10.0.2.1")},
	})
	if p.Name() != "two nets" || p.Size() != 4 {
		t.Errorf("%q of %d addresses", p.Name(), p.Size())
	}
	if got, want := fmt.Sprint(p.Ranges()), "[10.0.0.254-10.0.0.255 10.0.1.0-10.0.1.2]"; got != want {
		t.Errorf("Ranges %v, want %v", got, want)
	}
	if got, want := fmt.Sprint(slices.Collect(p.Addrs())), "[10.0.0.254 10.0.0.255 10.0.1.0 10.0.1.2]"; got != want {
		t.Errorf("Addrs %v, want %v", got, want)
	}
	for a, want := range map[string]bool{
		"10.0.0.253": false, "10.0.0.254": true, "10.0.0.255": true, "10.0.1.0": true, "10.0.1.1": false,
		"10.0.1.2": true, "10.0.1.3": false, "::ffff:10.0.1.0": false, "::1": false, "0.0.0.0": false,
	} {
		if got := p.Contains(addr(a)); got != want {
			t.Errorf("Contains(%v) is %v", a, got)
		}
	}
	if p.Contains(netip.Addr{}) {
		t.Error("Contains the zero Addr")
	}
}

// Never used first, in the order of addresses, then the one that has been free longest.
func TestPickOrder(t *testing.T) {
	for _, from := range []lease.Status{lease.Free, lease.Backup} {
		t.Run(from.String(), func(t *testing.T) {
			p, v := newPool(t, pool.Config{
				Ranges:   []pool.Range{span("10.0.0.1", "10.0.0.8")},
				Excluded: []netip.Addr{addr("10.0.0.3")},
			})
			ago := func(secs int) time.Time { return start.Add(-time.Duration(secs) * time.Second) }
			for _, l := range []lease.Lease{
				{Addr: addr("10.0.0.1"), Status: from, Expiry: ago(10), Client: mac(1)},
				{Addr: addr("10.0.0.2"), Status: from, Expiry: ago(30), Client: mac(2)},
				{Addr: addr("10.0.0.4"), Status: from, Expiry: ago(40), Client: mac(4), Flags: lease.Reserved},
				{Addr: addr("10.0.0.5"), Status: from, Expiry: ago(20), Client: mac(5)},
				{Addr: addr("10.0.0.6"), Status: from, Since: ago(5)}, // came from the partner, never used
				{Addr: addr("10.0.0.7"), Status: lease.Active, Expiry: ago(50), Client: mac(7)},
				{Addr: addr("10.0.0.8"), Status: from, Since: ago(5), Flags: lease.Reserved, Client: mac(8)},
			} {
				v.set(l)
			}
			var got []string
			for {
				l, ok := p.Pick(from, nil)
				if !ok {
					break
				}
				got = append(got, l.Addr.String())
				l.Status, l.Expiry = lease.Active, start.Add(time.Hour)
				v.set(l)
			}
			want := []string{"10.0.0.6", "10.0.0.2", "10.0.0.5", "10.0.0.1"}
			if !slices.Equal(got, want) {
				t.Errorf("picked %v, want %v", got, want)
			}
		})
	}
}

func TestPickTakesNothingAway(t *testing.T) {
	p, _ := newPool(t, pool.Config{Ranges: []pool.Range{span("10.0.0.1", "10.0.0.3")}})
	offered := make(map[netip.Addr]bool)
	usable := func(l lease.Lease) bool { return !offered[l.Addr] }
	for i := range 3 {
		for range 2 {
			if l, ok := p.Pick(lease.Free, usable); !ok || l != lease.Virgin(nth(addr("10.0.0.1"), i)) {
				t.Fatalf("pick %d is %+v, %v", i, l, ok)
			}
		}
		offered[nth(addr("10.0.0.1"), i)] = true
	}
	if l, ok := p.Pick(lease.Free, usable); ok {
		t.Fatalf("all are on offer, and yet %v", l.Addr)
	}
	delete(offered, addr("10.0.0.2")) // the offer was not taken
	if l, ok := p.Pick(lease.Free, usable); !ok || l.Addr != addr("10.0.0.2") {
		t.Errorf("picked %v, %v, want 10.0.0.2", l.Addr, ok)
	}
	for _, s := range []lease.Status{0, lease.Active, lease.Expired, lease.Abandoned, 9} {
		if l, ok := p.Pick(s, nil); ok {
			t.Errorf("picked %v from status %v", l.Addr, s)
		}
		for l := range p.Oldest(s) {
			t.Errorf("%v is among the oldest in status %v", l.Addr, s)
		}
	}
}

// Ten thousand addresses on offer are not asked about by each Pick, and a Pick that finds none usable asks about a
// bounded number of them, the next one about the next.
func TestPickAmongOffers(t *testing.T) {
	p, _ := newPool(t, pool.Config{Ranges: []pool.Range{span("10.0.0.0", "10.0.255.255")}})
	offered := make(map[netip.Addr]bool)
	asked := 0
	usable := func(l lease.Lease) bool { asked++; return !offered[l.Addr] }
	for range p.Size() {
		l, ok := p.Pick(lease.Free, usable)
		if !ok {
			t.Fatalf("nothing to pick, %d on offer", len(offered))
		}
		offered[l.Addr] = true
	}
	if most := 2 * p.Size(); asked > most {
		t.Errorf("asked %d times for %d addresses, want %d at most", asked, p.Size(), most)
	}

	delete(offered, addr("10.0.128.0"))
	asked = 0
	picks := 0
	for ; ; picks++ {
		before := asked
		l, ok := p.Pick(lease.Free, usable)
		if got := asked - before; got > 256 {
			t.Fatalf("one Pick asked %d times", got)
		}
		if ok {
			if l.Addr != addr("10.0.128.0") {
				t.Fatalf("picked %v", l.Addr)
			}
			break
		}
		if asked > 2*p.Size() {
			t.Fatal("the usable one is not found")
		}
	}
	if want := p.Size() / 256; picks > want {
		t.Errorf("found after %d picks, want %d at most", picks, want)
	}
}

// Those never used are all on offer; used ones are given nevertheless.
func TestPickUsedBehindOffers(t *testing.T) {
	p, v := newPool(t, pool.Config{Ranges: []pool.Range{span("10.0.0.0", "10.0.3.255")}})
	v.set(lease.Lease{Addr: addr("10.0.2.0"), Status: lease.Free, Expiry: start, Client: mac(1)})
	for range 20 {
		l, ok := p.Pick(lease.Free, func(l lease.Lease) bool { return !l.IsVirgin() })
		if !ok || l.Addr != addr("10.0.2.0") {
			t.Fatalf("picked %v, %v, want 10.0.2.0", l.Addr, ok)
		}
	}
}

// The View can be ahead of what the Pool was told. What it gives is right by the View.
func TestViewAhead(t *testing.T) {
	p, v := newPool(t, pool.Config{Ranges: []pool.Range{span("10.0.0.1", "10.0.0.2")}})
	l := lease.Lease{Addr: addr("10.0.0.1"), Status: lease.Active, Client: mac(1), Expiry: start}
	old := v.publish(l)
	if got, ok := p.Pick(lease.Free, nil); !ok || got.Addr != addr("10.0.0.2") {
		t.Errorf("picked %v, which is leased", got.Addr)
	}
	if got := p.AppendDue(nil, start, 10); !slices.Equal(got, []lease.Lease{l}) {
		t.Errorf("due %v", got) // found by Pick
	}
	p.Changed(old, l)
	if got, want := p.Counts(), (pool.Counts{Free: 1, Active: 1}); got != want {
		t.Errorf("Counts %+v, want %+v", got, want)
	}
}

func TestExpiry(t *testing.T) {
	p, v := newPool(t, pool.Config{Ranges: []pool.Range{span("10.0.0.1", "10.0.0.9")}})
	if _, ok := p.NextExpiry(); ok {
		t.Error("something ends in a new pool")
	}
	in := func(secs int) time.Time { return start.Add(time.Duration(secs) * time.Second) }
	for _, l := range []lease.Lease{
		{Addr: addr("10.0.0.1"), Status: lease.Active, Expiry: in(20)},
		{Addr: addr("10.0.0.2"), Status: lease.Active, Expiry: in(10)},
		{Addr: addr("10.0.0.3"), Status: lease.Abandoned, Expiry: in(15)},
		{Addr: addr("10.0.0.4"), Status: lease.Active, Expiry: lease.Never, Flags: lease.BOOTP},
		{Addr: addr("10.0.0.5"), Status: lease.Active},
		{Addr: addr("10.0.0.6"), Status: lease.Active, Expiry: in(16), Flags: lease.Reserved},
		{Addr: addr("10.0.0.7"), Status: lease.Expired, Expiry: in(1)},
		{Addr: addr("10.0.0.8"), Status: lease.Free, Expiry: in(1)},
	} {
		v.set(l)
	}
	due := func(now time.Time, limit int) (out []string) {
		for _, l := range p.AppendDue(nil, now, limit) {
			out = append(out, l.Addr.String())
		}
		return out
	}
	check := func(now time.Time, limit int, want ...string) {
		t.Helper()
		if got := due(now, limit); !slices.Equal(got, want) {
			t.Errorf("due at +%v: %v, want %v", now.Sub(start), got, want)
		}
	}
	check(in(9), 10)
	check(in(10), 10, "10.0.0.2")
	check(in(10), 10, "10.0.0.2") // nobody changed it
	check(in(20), 10, "10.0.0.2", "10.0.0.3", "10.0.0.6", "10.0.0.1")
	check(in(20), 2, "10.0.0.2", "10.0.0.3")
	check(in(20), 0)
	check(in(20), -1)

	renewed := v.Get(addr("10.0.0.2"))
	renewed.Expiry = in(100)
	v.set(renewed)
	if got, ok := p.NextExpiry(); !ok || got != in(15) {
		t.Errorf("after a renewal the next end is +%v, %v, want +15s", got.Sub(start), ok)
	}
	v.set(lease.Virgin(addr("10.0.0.3")))
	check(in(20), 10, "10.0.0.6", "10.0.0.1")
	check(in(1000), 10, "10.0.0.6", "10.0.0.1", "10.0.0.2")
}

func TestAge(t *testing.T) {
	p, v := newPool(t, pool.Config{Ranges: []pool.Range{span("10.0.0.1", "10.0.0.2")}})
	check := func(when string, from lease.Status, want time.Duration) {
		t.Helper()
		if got := p.Age(start, from); got != want {
			t.Errorf("%s: age of %v is %v, want %v", when, from, got, want)
		}
	}
	check("new", lease.Free, start.Sub(time.Unix(0, 0)))
	check("new", lease.Backup, 0)
	v.set(lease.Lease{Addr: addr("10.0.0.1"), Status: lease.Free, Expiry: start.Add(-time.Minute)})
	check("one used", lease.Free, start.Sub(time.Unix(0, 0)))
	v.set(lease.Lease{Addr: addr("10.0.0.2"), Status: lease.Backup, Expiry: start.Add(time.Minute)})
	check("both used", lease.Free, time.Minute)
	check("both used", lease.Backup, 0)
}

// A pool is filled from a ledger that has leases by being told of each as a change from the virgin one.
func TestFromRecord(t *testing.T) {
	v := &ledger{leases: make(map[netip.Addr]lease.Lease)}
	l := lease.Lease{Addr: addr("10.0.0.2"), Status: lease.Active, Client: mac(2), Expiry: start}
	v.set(l)
	p, err := pool.New(pool.Config{Ranges: []pool.Range{span("10.0.0.1", "10.0.0.3")}}, v)
	if err != nil {
		t.Fatal(err)
	}
	p.Changed(lease.Virgin(l.Addr), l)
	if got, want := p.Counts(), (pool.Counts{Free: 2, Active: 1}); got != want {
		t.Errorf("Counts %+v, want %+v", got, want)
	}
	v.publish(lease.Virgin(l.Addr))
	p.Changed(l, lease.Virgin(l.Addr))
	v.publish(l)
	p.Changed(lease.Lease{}, l) // the zero Lease of a Change is the virgin one
	if got, want := p.Counts(), (pool.Counts{Free: 2, Active: 1}); got != want {
		t.Errorf("Counts %+v, want %+v", got, want)
	}
}

// Several writers, each with addresses of its own, while others pick, expire and balance.
func TestConcurrent(t *testing.T) {
	p, v := newPool(t, pool.Config{Ranges: []pool.Range{span("10.0.0.0", "10.0.0.255")}})
	done := make(chan struct{})
	var writers, readers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 5))
			for range 2000 {
				v.set(random(r, nth(addr("10.0.0.0"), 64*w+r.IntN(64)), start))
			}
		})
	}
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				for _, from := range []lease.Status{lease.Free, lease.Backup} {
					if l, ok := p.Pick(from, func(l lease.Lease) bool { return p.Contains(l.Addr) && p.Counts() != pool.Counts{} }); ok && l.Status != from {
						t.Errorf("picked %v from %v", l.Status, from)
					}
				}
				p.AppendDue(nil, start, 10)
				p.NextExpiry()
				p.Surplus(pool.Balance{}, true, nil)
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	twin := &slow{view: v, addrs: slices.Collect(p.Addrs())}
	if got, want := p.Counts(), twin.counts(); got != want {
		t.Errorf("Counts %+v, want %+v", got, want)
	}
	for _, from := range []lease.Status{lease.Free, lease.Backup} {
		if got, want := slices.Collect(p.Oldest(from)), twin.oldest(from); !slices.Equal(got, want) {
			t.Errorf("Oldest(%v) differs from the slow twin's", from)
		}
	}
}

// A /8 takes no memory until it is used, and a pick in it is immediate.
func TestLargePoolIsSmall(t *testing.T) {
	v := &ledger{leases: make(map[netip.Addr]lease.Lease)}
	cfg := pool.Config{Ranges: []pool.Range{span("10.0.0.0", "10.255.255.255")}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p, err := pool.New(cfg, v)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 16<<10 {
		t.Errorf("a new /8 took %d octets", got)
	}
	if got := p.Counts(); got != (pool.Counts{Free: 1 << 24}) || p.Size() != 1<<24 {
		t.Errorf("Counts %+v", got)
	}
	for i := range 1000 {
		l, ok := p.Pick(lease.Free, nil)
		if want := nth(addr("10.0.0.0"), i); !ok || l.Addr != want {
			t.Fatalf("picked %v, want %v", l.Addr, want)
		}
		l.Status, l.Expiry = lease.Active, start
		old := v.publish(l)
		p.Changed(old, l)
	}
}
