package pool_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

func TestGive(t *testing.T) {
	type figures = pool.Figures
	for _, tt := range []struct {
		name              string
		b                 pool.Balance
		free, backup      int
		primary           bool
		want              figures
		short, imbalanced bool
	}{
		// Seen between two ISC dhcpd 4.4.3 servers with a pool of 241.
		{"new pair on entering NORMAL: 120 BACKUP are sent", pool.Balance{}, 241, 0, true, figures{120, 36, 24, -72}, false, true},
		{"and then it is even", pool.Balance{}, 121, 120, true, figures{0, 36, 24, -72}, false, false},
		{"100 FREE ones leased: the secondary sends 49 FREE", pool.Balance{}, 21, 120, false, figures{49, 21, 14, -42}, false, true},
		{"the same at the primary, which is short", pool.Balance{}, 21, 120, true, figures{-49, 21, 14, -42}, true, false},
		{"100 BACKUP ones leased: the secondary sends POOLREQ", pool.Balance{}, 121, 20, false, figures{-50, 21, 14, -42}, true, false},
		{"and POOLRESP says 50", pool.Balance{}, 121, 20, true, figures{50, 21, 14, -42}, false, true},
		// Seen with a scripted partner: 10 free, none backup, and POOLREQ since -5 is below -4.
		{"a pool of ten at a new secondary", pool.Balance{}, 10, 0, false, figures{-5, 2, 1, -4}, true, false},

		{"an odd address stays where it is", pool.Balance{}, 4, 3, true, figures{0, 1, 1, -2}, false, false},
		{"also at the partner's", pool.Balance{}, 4, 3, false, figures{0, 1, 1, -2}, false, false},
		{"no address", pool.Balance{}, 0, 0, true, figures{0, 0, 0, -1}, false, false},
		{"three, of which two are not worth a word", pool.Balance{}, 0, 3, true, figures{-1, 0, 0, -1}, false, false},
		{"four, of which two are", pool.Balance{}, 0, 4, true, figures{-2, 1, 0, -2}, false, false},
		{"percentages from the configuration", pool.Balance{MaxMisbalance: 50, MaxOwnership: 25}, 150, 50, true,
			figures{50, 100, 50, -200}, false, false},
		{"no percentages", pool.Balance{MaxMisbalance: -1, MaxOwnership: -1}, 0, 200, true,
			figures{-100, 0, 0, -1}, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.b.Give(tt.free, tt.backup, tt.primary)
			if got != tt.want {
				t.Errorf("Give is %+v, want %+v", got, tt.want)
			}
			if got.Short() != tt.short || got.Imbalanced() != tt.imbalanced {
				t.Errorf("Short is %v and Imbalanced %v, want %v and %v", got.Short(), got.Imbalanced(), tt.short, tt.imbalanced)
			}
		})
	}
}

func TestNext(t *testing.T) {
	now := start
	const ever = time.Duration(1795353900) * time.Second // the age of an address never used
	for _, tt := range []struct {
		name         string
		b            pool.Balance
		last         time.Time
		free, backup time.Duration
		primary      bool
		want         time.Duration // after now
	}{
		{"never used on both sides: the longest", pool.Balance{}, now, ever, ever, true, time.Hour},
		{"one side is empty: the shortest after the last", pool.Balance{}, now, ever, 0, true, time.Minute},
		{"the shortest counts from the last run", pool.Balance{}, now.Add(-50 * time.Second), 0, ever, false, 10 * time.Second},
		{"which may be long ago", pool.Balance{}, now.Add(-time.Hour), 0, ever, false, 0},
		{"there was no run", pool.Balance{}, time.Time{}, 0, 0, false, 0},
		{"the partner's list at the primary", pool.Balance{}, now, 2000 * time.Second, 1000 * time.Second, true, 150 * time.Second},
		{"the own list at the primary counts twice", pool.Balance{}, now, 1000 * time.Second, ever, true, 300 * time.Second},
		{"the own list at the secondary counts twice", pool.Balance{}, now, ever, 1000 * time.Second, false, 300 * time.Second},
		{"a percentage is rounded", pool.Balance{}, now, ever, 1003 * time.Second, true, 150 * time.Second},
		{"upwards too", pool.Balance{}, now, ever, 1004 * time.Second, true, 151 * time.Second},
		{"bounds from the configuration", pool.Balance{MinBalance: 2 * time.Hour, MaxBalance: 3 * time.Hour}, now, ever, ever, true, 3 * time.Hour},
		{"no shortest time", pool.Balance{MinBalance: -1}, now, 0, 0, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.b.Next(now, tt.last, tt.free, tt.backup, tt.primary).Sub(now); got != tt.want {
				t.Errorf("next in %v, want %v", got, tt.want)
			}
		})
	}
}

func TestBalanceValidate(t *testing.T) {
	for _, tt := range []struct {
		name string
		b    pool.Balance
		ok   bool
	}{
		{"zero", pool.Balance{}, true},
		{"none of all", pool.Balance{MaxMisbalance: -1, MaxOwnership: -1, MinBalance: -1, MaxBalance: -1}, true},
		{"more than all misbalanced", pool.Balance{MaxMisbalance: 101}, false},
		{"more than all owned", pool.Balance{MaxOwnership: 101}, false},
		{"shortest longer than longest", pool.Balance{MinBalance: 2 * time.Hour}, false},
	} {
		if err := tt.b.Validate(); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// give makes the surplus durable, as an Endpoint would, and returns the addresses.
func give(v *ledger, leases []lease.Lease, to lease.Status) (last []string) {
	for _, l := range leases {
		l.Status = to
		l.Since, l.SentPotentialExpiry = start, start
		v.set(l)
		last = append(last, l.Addr.String())
	}
	return last
}

// On entering NORMAL an ISC primary of a new pair sent BACKUP for 10.0.10.10 to 10.0.10.129 of 10.0.10.10 to
// 10.0.10.250, in this order, and gave its first client 10.0.10.130.
func TestBalanceNewPair(t *testing.T) {
	p, v := seed(t)
	split, _ := pool.Split(128)
	gave := give(v, p.Surplus(pool.Balance{}, true, split.WantedByPartner(true)), lease.Backup)
	if len(gave) != 120 {
		t.Fatalf("%d addresses given, want 120", len(gave))
	}
	for i, a := range gave {
		if want := nth(addr("10.0.10.10"), i).String(); a != want {
			t.Fatalf("address %d given is %v, want %v", i, a, want)
		}
	}
	if got, want := p.Counts(), (pool.Counts{Free: 121, Backup: 120}); got != want {
		t.Errorf("Counts %+v, want %+v", got, want)
	}
	if l, ok := p.Pick(lease.Free, nil); !ok || l.Addr != addr("10.0.10.130") {
		t.Errorf("the primary picks %v, want 10.0.10.130", l.Addr)
	}
	for _, primary := range []bool{true, false} {
		if again := p.Surplus(pool.Balance{}, primary, split.WantedByPartner(primary)); len(again) != 0 {
			t.Errorf("primary %v: balanced, and yet %d to give", primary, len(again))
		}
	}
}

// A hundred leases later the side that had not given any returns some of its own: 49 from an ISC secondary, 50 from a
// primary. An ISC secondary takes them from the top of the range (10.0.10.129 first), this one from below.
func TestBalanceAfterLeases(t *testing.T) {
	for _, tt := range []struct {
		name         string
		leasedFrom   lease.Status
		primaryGives bool
		first, last  string
		free, backup int
	}{
		{"100 from the primary's half", lease.Free, false, "10.0.10.10", "10.0.10.58", 70, 71},
		{"100 from the secondary's half", lease.Backup, true, "10.0.10.130", "10.0.10.179", 71, 70},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, v := seed(t)
			give(v, p.Surplus(pool.Balance{}, true, nil), lease.Backup)
			for i := range 100 {
				l, ok := p.Pick(tt.leasedFrom, nil)
				if !ok {
					t.Fatal("nothing to pick")
				}
				l.Status, l.Client, l.Expiry = lease.Active, mac(i), start.Add(time.Hour)
				v.set(l)
			}
			to := lease.Free
			if tt.primaryGives {
				to = lease.Backup
			}
			gave := give(v, p.Surplus(pool.Balance{}, tt.primaryGives, nil), to)
			if len(gave) == 0 || gave[0] != tt.first || gave[len(gave)-1] != tt.last {
				t.Errorf("gave %v, want %v to %v", gave, tt.first, tt.last)
			}
			if got, want := p.Counts(), (pool.Counts{Free: tt.free, Backup: tt.backup, Active: 100}); got != want {
				t.Errorf("Counts %+v, want %+v", got, want)
			}
		})
	}
}

// used returns a pool of 10.0.10.10 to 10.0.10.29 as a secondary left it that was in PARTNER-DOWN for long: three
// leased, all others free after having been leased to 02:10:00:00:00:01 and so on.
func used(t *testing.T) (*pool.Pool, *ledger) {
	p, v := newPool(t, pool.Config{Ranges: []pool.Range{span("10.0.10.10", "10.0.10.29")}})
	for i := range 3 {
		v.set(lease.Lease{Addr: nth(addr("10.0.10.18"), i), Status: lease.Active, Client: mac(0x4426), Expiry: start.Add(time.Hour)})
	}
	for i := range 8 {
		v.set(lease.Lease{Addr: nth(addr("10.0.10.17"), -i), Status: lease.Free, Client: mac(1 + i), Expiry: start.Add(-41 * time.Second)})
	}
	for i := range 9 {
		v.set(lease.Lease{Addr: nth(addr("10.0.10.29"), -i), Status: lease.Free, Client: mac(1 + i), Expiry: start.Add(-3 * time.Second)})
	}
	return p, v
}

// What an ISC primary with split 128 sent BACKUP for when it became NORMAL with that pool, in this order: 17 free, so
// half is 8, and one more (of the 2 it may have more) since nine of their clients are the secondary's.
func TestBalanceUsedPool(t *testing.T) {
	p, v := used(t)
	split, _ := pool.Split(128)
	gave := give(v, p.Surplus(pool.Balance{}, true, split.WantedByPartner(true)), lease.Backup)
	want := []string{"10.0.10.10", "10.0.10.12", "10.0.10.13", "10.0.10.15",
		"10.0.10.21", "10.0.10.22", "10.0.10.24", "10.0.10.25", "10.0.10.27"}
	if !slices.Equal(gave, want) {
		t.Errorf("gave %v, want %v", gave, want)
	}
}

func TestSurplusBounds(t *testing.T) {
	all := func(lease.Client) bool { return true }
	t.Run("the partner gets no more than it may hold", func(t *testing.T) {
		p, _ := used(t) // 17 free: lts 8, hold 2
		if got := p.Surplus(pool.Balance{}, true, all); len(got) != 10 {
			t.Errorf("%d given, want 10", len(got))
		}
	})
	t.Run("used addresses nobody wants are kept up to hold", func(t *testing.T) {
		p, _ := used(t)
		if got := p.Surplus(pool.Balance{}, true, nil); len(got) != 6 || got[0].Addr != addr("10.0.10.10") {
			t.Errorf("%d given, want 6 from 10.0.10.10", len(got))
		}
	})
	t.Run("reserved ones are never given", func(t *testing.T) {
		p, v := newPool(t, pool.Config{Ranges: []pool.Range{span("10.0.0.1", "10.0.0.4")}})
		v.set(lease.Lease{Addr: addr("10.0.0.1"), Status: lease.Free, Flags: lease.Reserved, Client: mac(1)})
		v.set(lease.Lease{Addr: addr("10.0.0.2"), Status: lease.Free, Flags: lease.Reserved, Client: mac(2), Expiry: start})
		got := p.Surplus(pool.Balance{}, true, all)
		if len(got) != 1 || got[0].Addr != addr("10.0.0.3") {
			t.Errorf("given %v, want 10.0.0.3", got)
		}
	})
	t.Run("a large pool takes several calls", func(t *testing.T) {
		p, v := newPool(t, pool.Config{Ranges: []pool.Range{span("10.0.0.0", "10.0.63.255")}})
		var calls []int
		for {
			gave := give(v, p.Surplus(pool.Balance{}, true, nil), lease.Backup)
			calls = append(calls, len(gave))
			if len(gave) < pool.MaxSurplus {
				break
			}
		}
		if want := []int{4096, 4096, 0}; !slices.Equal(calls, want) {
			t.Errorf("calls gave %v, want %v", calls, want)
		}
		if c := p.Counts(); c.Free != c.Backup {
			t.Errorf("Counts %+v, want as many FREE as BACKUP", c)
		}
	})
}

// Of a pool that is large and mostly unused the partner is given what it may need, and again what it has used up; and it
// gives back what is beyond that only if we are as short.
func TestSurplusOfUnusedAddresses(t *testing.T) {
	p, v := newPool(t, pool.Config{Ranges: []pool.Range{span("10.0.0.0", "10.255.255.255")}})
	b := pool.Balance{MaxUnused: 100}
	if gave := give(v, p.Surplus(b, true, nil), lease.Backup); len(gave) != 100 {
		t.Errorf("%d given, want 100", len(gave))
	}
	if gave := give(v, p.Surplus(b, true, nil), lease.Backup); len(gave) != 0 {
		t.Errorf("%d given at once again", len(gave))
	}
	for i := range 30 {
		l, _ := p.Pick(lease.Backup, nil)
		l.Status, l.Client, l.Expiry = lease.Active, mac(i), start.Add(time.Hour)
		v.set(l)
	}
	if gave := give(v, p.Surplus(b, true, nil), lease.Backup); len(gave) != 30 {
		t.Errorf("%d given after 30 were used, want 30", len(gave))
	}
	if got := p.Surplus(b, false, nil); len(got) != 0 {
		t.Errorf("the secondary gives %d back", len(got))
	}
	if got := p.Surplus(pool.Balance{MaxUnused: -1}, true, nil); len(got) != pool.MaxSurplus {
		t.Errorf("%d given without a bound, want %d", len(got), pool.MaxSurplus)
	}
}

// A hundred leases of 02:10:00:00:00:01 to :64 ended at an ISC primary with split 128, 69 FREE and 72 BACKUP being
// left. It made 48 of them BACKUP at once: all whose client is the secondary's.
func TestAffinityAfterExpiry(t *testing.T) {
	split, _ := pool.Split(128)
	wanted := split.WantedByPartner(true)
	free, backup := 69, 72
	for i := 1; i <= 100; i++ {
		if (pool.Balance{}).Affinity(free, backup, lease.Lease{Status: lease.Expired, Client: mac(i)}, wanted) {
			backup++
		} else {
			free++
		}
	}
	if free != 121 || backup != 120 {
		t.Errorf("%d FREE and %d BACKUP, want 121 and 120", free, backup)
	}
}

func TestAffinity(t *testing.T) {
	all := func(lease.Client) bool { return true }
	none := func(lease.Client) bool { return false }
	l := lease.Lease{Status: lease.Released, Client: mac(1)}
	with := func(f lease.Flags) lease.Lease { l := l; l.Flags = f; return l }
	for _, tt := range []struct {
		name         string
		free, backup int
		l            lease.Lease
		wanted       func(lease.Client) bool
		want         bool
	}{
		{"the secondary's client", 50, 50, l, all, true},
		{"the primary's client", 50, 50, l, none, false},
		{"no client", 50, 50, lease.Lease{Status: lease.Reset}, all, false},
		{"reserved", 50, 50, with(lease.Reserved), all, false},
		{"BOOTP", 50, 50, with(lease.BOOTP), all, false},
		{"the secondary may hold some more", 41, 59, l, all, true}, // lts -9, hold 10
		{"and has them", 40, 60, l, all, false},
	} {
		if got := (pool.Balance{}).Affinity(tt.free, tt.backup, tt.l, tt.wanted); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
