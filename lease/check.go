package lease

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
)

// maxFaults bounds the error of Check.
const maxFaults = 20

// Check returns what is wrong with a set of Leases that one server holds, or nil: an address that stands twice, a
// status that does not exist, a lease that is held by nobody, ends before it began, or is abandoned and yet belongs to
// a client (draft 7.1.2). At most twenty faults are named.
func Check(leases iter.Seq[Lease]) error {
	var faults []error
	seen := make(map[netip.Addr]bool)
	for l := range leases {
		if len(faults) == maxFaults {
			faults = append(faults, errors.New("lease: and more"))
			break
		}
		if err := check(l); err != nil {
			faults = append(faults, fmt.Errorf("lease: %v: %w", l.Addr, err))
		}
		if seen[l.Addr] {
			faults = append(faults, fmt.Errorf("lease: %v: stands twice", l.Addr))
		}
		seen[l.Addr] = true
	}
	return errors.Join(faults...)
}

func check(l Lease) error {
	switch {
	case !l.Addr.Is4():
		return errors.New("not an IPv4 address")
	case !l.Status.Valid():
		return fmt.Errorf("no such status: %v", l.Status)
	case l.Status == Active && l.Client.IsZero():
		return errors.New("active, but held by nobody")
	case l.Status == Active && l.Expiry.Before(l.Since):
		return fmt.Errorf("ends at %v, before it began at %v", l.Expiry, l.Since)
	case l.Status == Abandoned && !l.Client.IsZero():
		return fmt.Errorf("abandoned, but held by %v", l.Client)
	}
	return nil
}
