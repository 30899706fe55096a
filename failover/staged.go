package failover

import (
	"net/netip"
	"slices"

	"github.com/tandem-dhcp/tandem/lease"
)

// staged are the Leases that a Machine has changed and that are not on record yet. Its memory is used again and again.
type staged struct {
	leases []lease.Lease
	index  map[netip.Addr]int // of leases
}

// maxStaged is for how many Leases there is room between two rounds.
const maxStaged = 1024

// find returns what is staged of an address, or nil. It is the caller's until the next put.
func (s *staged) find(a netip.Addr) *lease.Lease {
	if i, ok := s.index[a]; ok {
		return &s.leases[i]
	}
	return nil
}

func (s *staged) put(l lease.Lease) {
	if at := s.find(l.Addr); at != nil {
		*at = l
		return
	}
	if s.index == nil {
		s.index = make(map[netip.Addr]int)
	}
	s.index[l.Addr] = len(s.leases)
	s.leases = append(s.leases, l)
}

// addrs are the addresses, in their order.
func (s *staged) addrs() []netip.Addr {
	addrs := make([]netip.Addr, 0, len(s.leases))
	for i := range s.leases {
		addrs = append(addrs, s.leases[i].Addr)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return addrs
}

// reset forgets all.
func (s *staged) reset() {
	if len(s.leases) > maxStaged {
		*s = staged{}
		return
	}
	clear(s.leases)
	s.leases = s.leases[:0]
	clear(s.index)
}
