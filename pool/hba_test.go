package pool_test

import (
	"strings"
	"testing"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// Which of two ISC dhcpd 4.4.3 servers answered these clients at split 128, and the hash that explains it.
func TestBucket(t *testing.T) {
	split, err := pool.Split(128)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		stid    string
		bucket  uint8
		primary bool
	}{
		{"chaddr b6:ec:57:bf:93:3c", "\xb6\xec\x57\xbf\x93\x3c", 208, false},
		{"chaddr 02:00:00:00:00:01", "\x02\x00\x00\x00\x00\x01", 133, false},
		{"chaddr 02:00:00:00:00:02", "\x02\x00\x00\x00\x00\x02", 45, true},
		{"chaddr 02:00:00:00:00:05", "\x02\x00\x00\x00\x00\x05", 13, true},
		{"client identifier 01:00:07:09", "\x01\x00\x07\x09", 101, true},
		{"client identifier 01:01:07:09", "\x01\x01\x07\x09", 154, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := pool.Bucket(tt.stid); got != tt.bucket {
				t.Errorf("Bucket is %d, want %d", got, tt.bucket)
			}
			if got := pool.Bucket([]byte(tt.stid)); got != tt.bucket {
				t.Errorf("Bucket of octets is %d, want %d", got, tt.bucket)
			}
			if got := split.Primary(tt.bucket); got != tt.primary {
				t.Errorf("Primary is %v, want %v", got, tt.primary)
			}
		})
	}
}

// Pearson's hash needs a table in which each value stands once: then all strings that differ in their first octet
// alone have buckets of their own.
func TestMixIsPermutation(t *testing.T) {
	seen := make(map[uint8]bool)
	for b := range pool.Buckets {
		seen[pool.Bucket([]byte{byte(b), 7, 7})] = true
	}
	if len(seen) != pool.Buckets {
		t.Errorf("%d buckets for %d first octets", len(seen), pool.Buckets)
	}
}

// The bitmaps that ISC dhcpd 4.4.3 sends for these splits.
func TestSplit(t *testing.T) {
	octets := func(n int, s string) string { return strings.Repeat(s, n) }
	for _, tt := range []struct {
		n    int
		want string
	}{
		{0, octets(32, "\x00")},
		{1, "\x01" + octets(31, "\x00")},
		{9, "\xff\x01" + octets(30, "\x00")},
		{128, octets(16, "\xff") + octets(16, "\x00")},
		{255, octets(31, "\xff") + "\x7f"},
		{256, octets(32, "\xff")},
	} {
		h, err := pool.Split(tt.n)
		if err != nil || string(h[:]) != tt.want {
			t.Errorf("Split(%d) is %x, %v, want %x", tt.n, h, err, tt.want)
		}
		for b := range pool.Buckets {
			if got := h.Primary(uint8(b)); got != (b < tt.n) {
				t.Errorf("Split(%d): bucket %d is the primary's: %v", tt.n, b, got)
			}
		}
	}
	for _, n := range []int{-1, 257} {
		if _, err := pool.Split(n); err == nil {
			t.Errorf("Split(%d) has no error", n)
		}
	}
}

func TestWantedByPartner(t *testing.T) {
	split, err := pool.Split(128)
	if err != nil {
		t.Fatal(err)
	}
	ofPrimary := lease.Client{HW: "\x01\x02\x00\x00\x00\x00\x02"}
	ofSecondary := lease.Client{HW: "\x01\x02\x00\x00\x00\x00\x01"}
	for _, tt := range []struct {
		name             string
		c                lease.Client
		primary, partner bool
	}{
		{"the primary's client, asked at the primary", ofPrimary, true, false},
		{"the primary's client, asked at the secondary", ofPrimary, false, true},
		{"the secondary's client, asked at the primary", ofSecondary, true, true},
		{"the secondary's client, asked at the secondary", ofSecondary, false, false},
		{"the identifier goes before the hardware address", lease.Client{ID: "\x01\x01\x07\x09", HW: ofPrimary.HW}, true, true},
		{"nobody", lease.Client{}, true, false},
		{"a hardware type without an address", lease.Client{HW: "\x01"}, false, false},
	} {
		if got := split.WantedByPartner(tt.primary)(tt.c); got != tt.partner {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.partner)
		}
	}
}

func TestParseHBA(t *testing.T) {
	ones := strings.TrimSuffix(strings.Repeat("ff:", 32), ":")
	for _, tt := range []struct{ name, in, err string }{
		{"32 octets", ones, ""},
		{"capital letters and single digits", strings.Replace(ones, "ff:ff:", "F:0A:", 1), ""},
		{"31 octets", ones[3:], "has 31 octets, not 32"},
		{"33 octets", ones + ":00", "has 33 octets, not 32"},
		{"nothing", "", "has 1 octets, not 32"},
		{"an empty octet", strings.Replace(ones, "ff:ff", "ff:", 1), "octet 1"},
		{"three digits", strings.Replace(ones, "ff", "0ff", 1), `octet 0 is "0ff": more than two digits`},
		{"not hexadecimal", strings.Replace(ones, "ff", "fg", 1), "octet 0"},
		{"a sign", strings.Replace(ones, "ff", "-1", 1), "octet 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, err := pool.ParseHBA(tt.in)
			switch {
			case tt.err == "" && err != nil:
				t.Error(err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("error is %v, want %q", err, tt.err)
			case err != nil && h != pool.HBA{}:
				t.Errorf("an error, and %v", h)
			}
		})
	}
}

func FuzzParseHBA(f *testing.F) {
	for _, n := range []int{0, 1, 128, 256} {
		h, err := pool.Split(n)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(h.String())
	}
	f.Add(strings.Repeat(":", 31))
	f.Add("f:" + strings.Repeat("0:", 30) + "A")
	f.Add("ff")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := pool.ParseHBA(s)
		if err != nil {
			return
		}
		again, err := pool.ParseHBA(h.String())
		if err != nil || again != h {
			t.Fatalf("%q is %v, which reads as %v, %v", s, h, again, err)
		}
	})
}
