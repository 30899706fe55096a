package dhcp4test_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4/dhcp4test"
	"github.com/tandem-dhcp/tandem/dhcp4/dora"
	"github.com/tandem-dhcp/tandem/failover"
)

// A server renews a lease up to what its partner knows, without the partner's hearing of it, and then loses its ledger. The
// partner ends the lease at the end it knows, and the one that knows nothing any more agrees: but the client holds on.
func TestLostLedgerKeepsWhatThePartnerMayReckonWith(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
		pair := lan.NewPair(dhcp4test.PairConfig{
			ServerConfig: dhcp4test.ServerConfig{
				Pools:    []dhcp4test.Pool{{First: lan.Addr(10), Last: lan.Addr(19)}},
				Settings: dora.Settings{DefaultLease: 24 * time.Hour, CacheThreshold: -1},
			},
		})
		pair.Await(failover.Normal)
		c := lan.NewClient()
		l, err := c.Acquire()
		if err != nil {
			t.Fatal(err)
		}
		pair.Settle()
		server := pair.Primary
		if l.Server == pair.Secondary.Addr() {
			server = pair.Secondary
		}
		pair.CutLink()
		pair.Await(failover.CommunicationsInterrupted)
		if l, err = c.Renew(); err != nil || l.Length != 24*time.Hour {
			t.Fatalf("renewed for %v, %v; want a day", l.Length, err)
		}
		server.Crash()
		server.LoseDisk()
		pair.HealLink()
		server.Restart()
		time.Sleep(2 * time.Hour)
		pair.Await(failover.Normal)
		pair.Settle()
		for range 10 {
			k := lan.NewClient()
			k.Patience = 10 * time.Second
			_, _ = k.Acquire() // there is one address less than clients
		}
	})
}
