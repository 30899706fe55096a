package failovertest

import "testing"

// An ISC dhcpd survives all that a Tandem says to it, and the two find each other after whatever happened.
func TestISC(t *testing.T) {
	seeds := uint64(15)
	if *tried {
		seeds = 60
	}
	for _, side := range []ISC{ISCPrimary, ISCSecondary} {
		for seed := uint64(1); seed <= seeds; seed++ {
			cfg := Config{Seed: *from - 1 + seed, ISC: side}
			if _, err := New(cfg).Run(); err != nil {
				t.Errorf("side %d: %v", side, err)
			}
		}
	}
}
