package dhcp4test_test

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4/dhcp4test"
	"github.com/tandem-dhcp/tandem/dhcp4/dora"
	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
)

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// everyone has each client acquire an address, all at once.
func everyone(t *testing.T, clients []*dhcp4test.Client) {
	t.Helper()
	errs := make(chan error, len(clients))
	for _, c := range clients {
		go func() { _, err := c.Acquire(); errs <- err }()
	}
	for range clients {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func newPair(t *testing.T) (*dhcp4test.LAN, *dhcp4test.Pair) {
	lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
	pair := lan.NewPair(dhcp4test.PairConfig{ServerConfig: dhcp4test.ServerConfig{
		Settings: dora.Settings{DefaultLease: 24 * time.Hour},
	}})
	pair.Await(failover.Normal)
	return lan, pair
}

func TestPairSharesThePool(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan, pair := newPair(t)
		everyone(t, lan.NewClients(100))
		pair.Settle()
		if n := lan.Held(); n != 100 {
			t.Errorf("%d clients have an address, want 100", n)
		}
		for _, s := range []*dhcp4test.Server{pair.Primary, pair.Secondary} {
			n := 0
			for l := range s.Book().All() {
				if l.Status == lease.Active {
					n++
				}
			}
			if n != 100 {
				t.Errorf("%v has %d leases on record, want 100", s, n)
			}
		}
	})
}

// A server that is killed, or loses its power, forgets nothing it told, and its clients lose nothing.
func TestDeathOfAServer(t *testing.T) {
	for _, c := range []struct {
		name string
		die  func(*dhcp4test.Server)
	}{
		{"killed", (*dhcp4test.Server).Crash},
		{"without power", (*dhcp4test.Server).PowerOff},
		{"stopped", (*dhcp4test.Server).Stop},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				lan, pair := newPair(t)
				clients := lan.NewClients(60)
				everyone(t, clients[:40])
				pair.Settle() // the survivor knows them all; else it would leave some to the dead one's return
				c.die(pair.Primary)
				pair.Secondary.Await(failover.CommunicationsInterrupted)
				everyone(t, clients[40:])
				for _, k := range clients[:40] {
					if _, err := k.Rebind(); err != nil {
						t.Error(err)
					}
				}
				time.Sleep(time.Minute)
				pair.Primary.Restart()
				pair.Settle()
				if n := lan.Held(); n != 60 {
					t.Errorf("%d addresses are held, want 60", n)
				}
			})
		})
	}
}

// Clients that live on for ten days, while one server after the other dies now and then, in bad weather, keep their
// addresses.
func TestTenDays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
		pair := lan.NewPair(dhcp4test.PairConfig{
			// Less talk about nothing, so that the ten days pass sooner.
			AdjustFailover: func(cfg *failover.Config) { cfg.ReceiveTimer = 5 * time.Minute },
		})
		pair.Await(failover.Normal)
		lan.SetWeather(dhcp4test.Weather{Loss: 0.1, Duplicate: 0.1, MinDelay: time.Millisecond, MaxDelay: time.Second, Seed: 7})
		clients := lan.NewClients(20)
		for _, c := range clients {
			c.Live()
		}
		for day := range 10 {
			s := pair.Primary
			if day%2 == 1 {
				s = pair.Secondary
			}
			switch time.Sleep(20 * time.Hour); day % 5 {
			case 1:
				s.Crash()
			case 2:
				s.PowerOff()
			case 3:
				pair.CutLink()
			case 4:
				lan.Split(pair.Primary, clients[0], clients[1])
			}
			time.Sleep(4 * time.Hour)
			switch day % 5 {
			case 1, 2:
				s.Restart()
			}
			pair.HealLink()
			lan.Heal()
		}
		lan.SetWeather(dhcp4test.Weather{})
		time.Sleep(time.Hour)
		for _, c := range clients {
			c.Rest()
			if _, ok := c.Lease(); !ok {
				t.Errorf("client %v has no address", c)
			}
		}
		pair.Settle()
	})
}

// The two halves of a split switch, each with a server, give no address twice; and all is known to both after it heals.
func TestSplit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan, pair := newPair(t)
		left, right := lan.NewClients(60), lan.NewClients(60)
		half := []dhcp4test.Station{pair.Primary}
		for _, c := range left {
			half = append(half, c)
		}
		lan.Split(half...)
		everyone(t, left)
		everyone(t, right)
		if a, b := pair.Primary.State(), pair.Secondary.State(); a != failover.CommunicationsInterrupted || b != a {
			t.Errorf("the primary is %v, the secondary %v, want both communications-interrupted", a, b)
		}
		lan.Heal()
		pair.Settle()
		if n := lan.Held(); n != 120 {
			t.Errorf("%d addresses are held, want 120", n)
		}
	})
}

// One way of the link is enough to notice that the other is cut.
func TestOneWayLink(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, pair := newPair(t)
		pair.CutFrom(pair.Primary)
		pair.Await(failover.CommunicationsInterrupted)
		pair.HealLink()
		pair.Settle()
		pair.ResetLink()
		time.Sleep(10 * time.Second)
		pair.Settle()
	})
}

// A server whose disk is gone learns all from its partner, and serves after MCLT.
func TestLostDisk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan, pair := newPair(t)
		clients := lan.NewClients(30)
		everyone(t, clients)
		pair.Settle()
		time.Sleep(30 * time.Minute)
		for _, c := range clients { // the first lease is only MCLT long
			if l, err := c.Renew(); err != nil || l.Length != 24*time.Hour {
				t.Errorf("renewed for %v (%v), want 24h", l.Length, err)
			}
		}
		pair.Settle()
		pair.Primary.Crash()
		pair.Primary.LoseDisk()
		pair.Primary.Restart()
		pair.Primary.Await(failover.RecoverWait)
		time.Sleep(time.Hour)
		pair.Settle()
		for _, c := range clients {
			if _, err := c.Rebind(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestPartnerDownByOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan, pair := newPair(t)
		pair.Primary.PowerOff()
		pair.Secondary.Await(failover.CommunicationsInterrupted)
		if err := pair.Secondary.Order(failover.Order{Kind: failover.OrderPartnerDown}); err != nil {
			t.Fatal(err)
		}
		pair.Secondary.Await(failover.PartnerDown)
		time.Sleep(time.Hour + time.Second) // MCLT: the primary's addresses are its own now
		everyone(t, lan.NewClients(240))
		pair.Primary.Restart()
		pair.Settle()
	})
}

// Clocks that differ by less than a minute do no harm; those that differ by more keep two servers apart.
func TestClocks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan, pair := newPair(t)
		pair.Secondary.StepClock(40 * time.Second)
		everyone(t, lan.NewClients(20))
		pair.Settle()
		if d := pair.Secondary.Now().Sub(pair.Primary.Now()); d != 40*time.Second {
			t.Errorf("the clocks differ by %v, want 40s", d)
		}
		pair.Secondary.DriftClock(0.01)
		time.Sleep(time.Hour) // another 36 seconds
		pair.Await(failover.CommunicationsInterrupted)
		pair.Secondary.DriftClock(0)
		pair.Secondary.StepClock(-70 * time.Second)
		time.Sleep(2 * time.Minute) // for its Machine time must not go back: it stands until then
		pair.Settle()
	})
}

// A disk that fails makes a server silent, not forgetful.
func TestFullDisk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan, pair := newPair(t)
		for _, s := range []*dhcp4test.Server{pair.Primary, pair.Secondary} {
			s.Disk().SetRoom(0)
		}
		c := lan.NewClient()
		if l, err := c.Acquire(); !errors.Is(err, dhcp4test.ErrNoAnswer) {
			t.Fatalf("got %v and %v though nothing can be written, want no answer", l.Addr, err)
		}
		for _, s := range []*dhcp4test.Server{pair.Primary, pair.Secondary} {
			s.Disk().SetRoom(-1)
		}
		if _, err := c.Acquire(); err != nil {
			t.Error(err)
		}
		pair.Settle()
	})
}
