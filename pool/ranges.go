package pool

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// MaxSize is how many addresses one pool can have: as many as a /8, the largest network there is.
const MaxSize = 1 << 24

// Range is the IPv4 addresses from First to Last, both included. (dhcpd.conf: range)
type Range struct{ First, Last netip.Addr }

// Contains reports whether a is in r. An address that is not IPv4 is in none, a 4in6 one neither.
func (r Range) Contains(a netip.Addr) bool {
	return a.Is4() && r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0
}

// String returns the range as "10.0.10.10-10.0.10.250".
func (r Range) String() string { return r.First.String() + "-" + r.Last.String() }

// validate returns what is wrong with r as an end to the sentence "range %v ...".
func (r Range) validate() error {
	switch {
	case !r.First.Is4() || !r.Last.Is4():
		return fmt.Errorf("is not IPv4")
	case r.Last.Less(r.First):
		return fmt.Errorf("ends before it begins")
	case r.First.IsUnspecified():
		return fmt.Errorf("holds 0.0.0.0, which in DHCP is no address")
	case r.Last == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("holds 255.255.255.255, the broadcast address")
	}
	return nil
}

// Config is what a pool consists of.
type Config struct {
	// Name names the pool in messages for people. It may be empty.
	Name string
	// Ranges are the addresses, in any order. There is at least one, they do not overlap, and all together have no
	// more than MaxSize addresses.
	Ranges []Range
	// Excluded are addresses that do not belong to the pool although a Range holds them, such as the fixed address
	// of a host. Those outside the Ranges are ignored.
	Excluded []netip.Addr
}

// Validate returns an error that names the first field no Pool can be made from, its value and what is wrong with it.
func (c Config) Validate() error {
	_, err := newSpace(c)
	return err
}

// space numbers the addresses of a pool from 0 up, in the order of addresses over all its ranges. Excluded addresses
// have numbers too.
type space struct {
	runs []run // by first
	size uint32
}

// run is a Range as numbers: the address first+i has the number start+i.
type run struct{ first, last, start uint32 }

func newSpace(c Config) (space, error) {
	var s space
	if len(c.Ranges) == 0 {
		return s, fmt.Errorf("pool: Config.Ranges of pool %q is empty: a pool needs an address", c.Name)
	}
	for _, r := range c.Ranges {
		if err := r.validate(); err != nil {
			return s, fmt.Errorf("pool: Config.Ranges of pool %q: %v %w", c.Name, r, err)
		}
		s.runs = append(s.runs, run{first: number(r.First), last: number(r.Last)})
	}
	slices.SortFunc(s.runs, func(a, b run) int { return cmp.Compare(a.first, b.first) })
	size := uint64(0)
	for i := range s.runs {
		r := &s.runs[i]
		if i > 0 && r.first <= s.runs[i-1].last {
			return s, fmt.Errorf("pool: Config.Ranges of pool %q: %v overlaps %v", c.Name, s.runs[i-1].Range(), r.Range())
		}
		r.start = uint32(size)
		size += uint64(r.last-r.first) + 1
		if size > MaxSize {
			return s, fmt.Errorf("pool: Config.Ranges of pool %q: more than %d addresses", c.Name, MaxSize)
		}
	}
	s.size = uint32(size)
	for _, a := range c.Excluded {
		if !a.Is4() {
			return s, fmt.Errorf("pool: Config.Excluded of pool %q: %v is not IPv4", c.Name, a)
		}
	}
	return s, nil
}

func (r run) Range() Range { return Range{addr(r.first), addr(r.last)} }

// find returns the number of a. The second result is false if no range holds a.
func (s *space) find(a netip.Addr) (uint32, bool) {
	if !a.Is4() {
		return 0, false
	}
	n := number(a)
	i, ok := slices.BinarySearchFunc(s.runs, n, func(r run, n uint32) int {
		switch {
		case r.last < n:
			return -1
		case r.first > n:
			return 1
		}
		return 0
	})
	if !ok {
		return 0, false
	}
	return s.runs[i].start + (n - s.runs[i].first), true
}

// at is the inverse of find. The number must be below size.
func (s *space) at(n uint32) netip.Addr {
	i, ok := slices.BinarySearchFunc(s.runs, n, func(r run, n uint32) int { return cmp.Compare(r.start, n) })
	if !ok {
		i--
	}
	return addr(s.runs[i].first + (n - s.runs[i].start))
}

func number(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func addr(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}
