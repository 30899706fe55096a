package failover

import (
	"errors"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// TestTakenOverWaits has an address that was the partner's to give and was taken over in PARTNER-DOWN. When the partner is
// up again it may still give it away, until it has heard of that.
func TestTakenOverWaits(t *testing.T) {
	l := lease.Lease{Status: lease.Free, Rewind: lease.Backup, Unacked: true}
	for s, want := range map[service]error{balanced: ErrInTransition, alone: ErrInTransition, survivor: nil} {
		if err := mayGrant(Primary, s, start, time.Hour, start, l, mac(1)); !errors.Is(err, want) {
			t.Errorf("service %d: %v, want %v", s, err, want)
		}
	}
	l.Rewind, l.Unacked = 0, false // acknowledged
	if err := mayGrant(Primary, balanced, start, time.Hour, start, l, mac(1)); err != nil {
		t.Errorf("when the partner knows: %v", err)
	}
}
