package leasefile_test

import (
	"path/filepath"
	"testing"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

// A store at work allocates nothing for a change: what it needs it has used before.
func TestApplyAllocatesNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), file), leasefile.Config{CompactAt: leasefile.Growth{Factor: -1}})
	defer s.Close()
	versions := [2]lease.Lease{leasetest.Leased(leasetest.Addr(1), 1), leasetest.Leased(leasetest.Addr(1), 2)}
	batch := lease.Batch{Changes: []lease.Change{{New: versions[0]}}}
	n := 0
	apply := func() {
		if err := s.Apply(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		batch.Changes[0] = lease.Change{Old: versions[n%2], New: versions[(n+1)%2]}
		n++
	}
	for range 200 { // buffers have grown
		apply()
	}
	if allocs := testing.AllocsPerRun(200, apply); allocs > 0 {
		t.Errorf("%v allocations for an Apply", allocs)
	}
}
