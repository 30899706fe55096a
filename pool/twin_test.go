package pool_test

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// slow is what a Pool must behave like, written as the protocol tells it: it has no index, and looks at each address
// each time.
type slow struct {
	addrs  []netip.Addr // ascending, without excluded ones
	view   *ledger
	cursor map[cursorOf]place
}

type cursorOf struct {
	status lease.Status
	used   bool
}

// place is where a Pick stopped: Expiry, then address.
type place struct {
	expiry time.Time
	addr   netip.Addr
}

func (p place) compare(q place) int {
	return cmp.Or(p.expiry.Compare(q.expiry), p.addr.Compare(q.addr))
}

func placeOf(l lease.Lease) place { return place{l.Expiry, l.Addr} }

// all returns the leases that keep says, in the order of draft and ISC: by Expiry (none first), then address.
func (s *slow) all(keep func(lease.Lease) bool) []lease.Lease {
	var out []lease.Lease
	for _, a := range s.addrs {
		if l := s.view.Get(a); keep(l) {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b lease.Lease) int { return placeOf(a).compare(placeOf(b)) })
	return out
}

func (s *slow) oldest(from lease.Status) []lease.Lease {
	return s.all(func(l lease.Lease) bool { return l.Status == from && l.Flags&lease.Reserved == 0 })
}

func (s *slow) counts() pool.Counts {
	var c pool.Counts
	for _, a := range s.addrs {
		switch l := s.view.Get(a); {
		case l.Status.Available() && l.Flags&lease.Reserved != 0:
			c.Reserved++
		case l.Status == lease.Free:
			c.Free++
		case l.Status == lease.Backup:
			c.Backup++
		case l.Status == lease.Active:
			c.Active++
		case l.Status == lease.Expired:
			c.Expired++
		case l.Status == lease.Released:
			c.Released++
		case l.Status == lease.Abandoned:
			c.Abandoned++
		case l.Status == lease.Reset:
			c.Reset++
		}
	}
	return c
}

func (s *slow) due(now time.Time, limit int) []lease.Lease {
	out := s.all(func(l lease.Lease) bool {
		return (l.Status == lease.Active || l.Status == lease.Abandoned) &&
			!l.Expiry.IsZero() && l.Expiry != lease.Never && !l.Expiry.After(now)
	})
	return out[:min(limit, len(out))]
}

// pick tries those never used and then the others, each starting at the cursor and once round.
func (s *slow) pick(from lease.Status, usable func(lease.Lease) bool) (lease.Lease, bool) {
	for _, used := range []bool{false, true} {
		c := cursorOf{from, used}
		list := slices.DeleteFunc(s.oldest(from), func(l lease.Lease) bool { return l.Expiry.IsZero() == used })
		at, _ := slices.BinarySearchFunc(list, s.cursor[c], func(l lease.Lease, p place) int { return placeOf(l).compare(p) })
		for _, l := range append(slices.Clone(list[at:]), list[:at]...) {
			if usable(l) {
				s.cursor[c] = placeOf(l)
				return l, true
			}
		}
	}
	return lease.Lease{}, false
}

// surplus is section 8.3 of the protocol notes, line by line.
func (s *slow) surplus(primary bool, wanted func(lease.Client) bool) []lease.Lease {
	c := s.counts()
	total := c.Free + c.Backup
	lts, own := (c.Backup-c.Free)/2, lease.Backup
	if primary {
		lts, own = (c.Free-c.Backup)/2, lease.Free
	}
	hold := (total*10 + 50) / 100
	var give []lease.Lease
	for _, l := range s.oldest(own) {
		if lts <= -hold {
			break
		}
		if wanted(l.Client) {
			give = append(give, l)
			lts--
		}
	}
	for _, l := range s.oldest(own) {
		if l.Expiry.IsZero() && lts <= 0 || !l.Expiry.IsZero() && lts <= hold {
			break
		}
		if slices.Contains(give, l) {
			continue
		}
		give = append(give, l)
		lts--
	}
	return give
}

// random returns a lease as any of them might be.
func random(r *rand.Rand, a netip.Addr, now time.Time) lease.Lease {
	l := lease.Lease{Addr: a, Status: lease.Status(1 + r.IntN(7))}
	if r.IntN(8) == 0 {
		return lease.Virgin(a)
	}
	if r.IntN(3) == 0 {
		l.Status = []lease.Status{lease.Free, lease.Backup, lease.Active}[r.IntN(3)]
	}
	if r.IntN(10) == 0 {
		l.Flags = lease.Reserved
	}
	switch r.IntN(12) {
	case 0:
		l.Expiry = lease.Never
	case 1, 2, 3:
	default:
		l.Client = mac(r.IntN(50))
		l.Expiry = now.Add(time.Duration(r.IntN(60)-40) * time.Second)
	}
	return l
}

func TestSlowTwin(t *testing.T) {
	split, err := pool.Split(128)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 0))
		p, v := newPool(t, pool.Config{
			Ranges: []pool.Range{
				span("10.1.0.0", nth(addr("10.1.0.0"), r.IntN(100)).String()),
				span("10.0.0.3", nth(addr("10.0.0.3"), r.IntN(100)).String()),
				span("10.0.255.255", "10.0.255.255"),
			},
			Excluded: []netip.Addr{addr("10.0.0.3"), addr("10.1.0.7"), addr("10.9.9.9"), addr("10.0.0.3")},
		})
		twin := &slow{view: v, addrs: slices.Collect(p.Addrs()), cursor: make(map[cursorOf]place)}
		now := start
		for step := range 1000 {
			now = now.Add(time.Duration(r.IntN(3)) * time.Second)
			v.set(random(r, twin.addrs[r.IntN(len(twin.addrs))], now))
			v.set(random(r, []netip.Addr{addr("10.0.0.3"), addr("10.0.1.0"), addr("9.0.0.0")}[r.IntN(3)], now))
			if step%5 != 0 {
				continue
			}

			if got, want := p.Counts(), twin.counts(); got != want {
				t.Fatalf("seed %d step %d: Counts %+v, want %+v", seed, step, got, want)
			}
			from := []lease.Status{lease.Free, lease.Backup}[r.IntN(2)]
			if got, want := slices.Collect(p.Oldest(from)), twin.oldest(from); !slices.Equal(got, want) {
				t.Fatalf("seed %d step %d: Oldest(%v)\n%v\nwant\n%v", seed, step, from, got, want)
			}
			limit := r.IntN(40)
			if got, want := p.AppendDue(nil, now, limit), twin.due(now, limit); !slices.Equal(got, want) {
				t.Fatalf("seed %d step %d: AppendDue\n%v\nwant\n%v", seed, step, got, want)
			}
			first := twin.due(lease.Never.Add(-time.Second), 1)
			if got, ok := p.NextExpiry(); ok != (len(first) > 0) || ok && got != first[0].Expiry {
				t.Fatalf("seed %d step %d: NextExpiry %v, %v, want %v", seed, step, got, ok, first)
			}
			primary := r.IntN(2) == 0
			wanted := split.WantedByPartner(primary)
			if got, want := p.Surplus(pool.Balance{}, primary, wanted), twin.surplus(primary, wanted); !slices.Equal(got, want) {
				t.Fatalf("seed %d step %d: Surplus\n%v\nwant\n%v", seed, step, got, want)
			}
			refuse := r.IntN(4)
			for range 3 {
				usable := func(l lease.Lease) bool { return refuse == 0 || int(l.Addr.As4()[3])%4 != refuse }
				got, ok := p.Pick(from, usable)
				want, wantOK := twin.pick(from, usable)
				if got != want || ok != wantOK {
					t.Fatalf("seed %d step %d: Pick(%v) %v, %v, want %v, %v", seed, step, from, got, ok, want, wantOK)
				}
			}
		}
	}
}

// Changes of one address can be told in another order than they happened in, and the pool looks in between.
func TestToldOutOfOrder(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		p, v := newPool(t, pool.Config{Ranges: []pool.Range{span("10.0.0.1", "10.0.0.20")}})
		twin := &slow{view: v, addrs: slices.Collect(p.Addrs())}
		var untold [][2]lease.Lease
		for range 300 {
			if n := len(untold); n > 0 && r.IntN(2) == 0 {
				i := r.IntN(n)
				p.Changed(untold[i][0], untold[i][1])
				untold = slices.Delete(untold, i, i+1)
			} else {
				l := random(r, twin.addrs[r.IntN(len(twin.addrs))], start)
				untold = append(untold, [2]lease.Lease{v.publish(l), l})
			}
			if l, ok := p.Pick(lease.Backup, nil); ok && (l.Status != lease.Backup || l != v.Get(l.Addr)) {
				t.Fatalf("seed %d: Pick gave %+v, which is %+v", seed, l, v.Get(l.Addr))
			}
			p.AppendDue(nil, start, 100)
		}
		for _, c := range untold {
			p.Changed(c[0], c[1])
		}
		if got, want := p.Counts(), twin.counts(); got != want {
			t.Errorf("seed %d: Counts %+v, want %+v", seed, got, want)
		}
		for _, from := range []lease.Status{lease.Free, lease.Backup} {
			if got, want := slices.Collect(p.Oldest(from)), twin.oldest(from); !slices.Equal(got, want) {
				t.Errorf("seed %d: Oldest(%v)\n%v\nwant\n%v", seed, from, got, want)
			}
		}
	}
}
