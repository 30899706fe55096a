package dhcp4test_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4/dhcp4test"
	"github.com/tandem-dhcp/tandem/dhcp4/dora"
	"github.com/tandem-dhcp/tandem/failover"
)

var storms = flag.Int("storms", 3, "how many seeds TestStorm tries")

// TestStorm lets 200 things happen to a pair, fast or slowly, drawn from a seed: deaths of one server or both, loss of
// power, rightly ordered PARTNER-DOWN, cut and reset links, split switches, bad weather, full disks, clients
// that vanish, release and decline.
// Whatever happens no promise may be broken, and when all is whole again both servers must agree.
func TestStorm(t *testing.T) {
	for seed := range uint64(*storms) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { bubble(t, func(t *testing.T) { storm(t, seed) }) })
	}
}

// late is longer than any datagram takes: what a client says before it gives up an address must not come after it has got
// the same one again from the other server. Nobody could tell.
const late = 11 * time.Second

func storm(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
	pair := lan.NewPair(dhcp4test.PairConfig{
		ServerConfig: dhcp4test.ServerConfig{
			Pools:    []dhcp4test.Pool{{First: lan.Addr(10), Last: lan.Addr(60)}},
			Settings: dora.Settings{DefaultLease: time.Hour, CacheThreshold: r.IntN(30) - 1},
			Seed:     seed,
		},
		MCLT: 10 * time.Minute,
	})
	pair.Await(failover.Normal)
	servers := []*dhcp4test.Server{pair.Primary, pair.Secondary}
	down := map[*dhcp4test.Server]bool{}
	clients := lan.NewClients(20)
	for _, c := range clients {
		c.Live()
	}
	var fenced *dhcp4test.Server // its partner is PARTNER-DOWN
	calm := func() {
		lan.SetWeather(dhcp4test.Weather{})
		lan.Heal()
		pair.HealLink()
	}
	restart := func(s *dhcp4test.Server) {
		if !down[s] {
			return
		}
		if fenced != nil { // it must not serve before it has heard of that: RECOVER, and RECOVER-WAIT for up to MCLT
			calm()
			for _, s := range servers {
				s.Disk().SetRoom(-1)
				if down[s] && s != fenced {
					s.Restart()
					down[s] = false
				}
			}
			s = fenced
			fenced = nil
			s.Restart()
			down[s] = false
			time.Sleep(11 * time.Minute)
			pair.Await(failover.Normal)
			return
		}
		s.Restart()
		down[s] = false
	}
	var said []string
	note := func(what string, about ...any) {
		said = append(said, fmt.Sprintln(append([]any{time.Now().Format("15:04:05"), what}, about...)...))
	}
	pace := []time.Duration{2 * time.Second, 20 * time.Second, 2 * time.Minute, 5 * time.Minute}[r.IntN(4)]
	for range 200 {
		time.Sleep(time.Duration(r.ExpFloat64() * float64(pace)))
		s, c := servers[r.IntN(2)], clients[r.IntN(len(clients))]
		switch what := r.IntN(17); what {
		case 0, 1, 2:
			if down[s] {
				note("restart", s)
				restart(s)
				break
			}
			note([]string{"crash", "power off", "stop"}[what], s)
			[]func(){s.Crash, s.PowerOff, s.Stop}[what]()
			down[s] = true
		case 16:
			other := pair.Other(s)
			if !down[s] && down[other] && fenced == nil {
				note("partner down at", s, s.State())
				if err := s.Order(failover.Order{Kind: failover.OrderPartnerDown}); err == nil {
					fenced = other
				} else {
					note("refused", err)
				}
			}
		case 3:
			note("cut link")
			pair.CutLink()
		case 4:
			note("cut from", s)
			pair.CutFrom(s)
		case 5:
			note("heal link")
			pair.HealLink()
		case 6:
			note("reset link")
			pair.ResetLink()
		case 7:
			half := []dhcp4test.Station{s}
			for _, c := range clients {
				if r.IntN(2) == 0 {
					half = append(half, c)
				}
			}
			note("split", s)
			lan.Split(half...)
		case 8:
			note("heal")
			lan.Heal()
		case 9:
			w := dhcp4test.Weather{Loss: r.Float64() / 2, Duplicate: r.Float64() / 4, MaxDelay: time.Duration(r.IntN(10000)) * time.Millisecond, Seed: seed}
			note("weather", w)
			lan.SetWeather(w)
		case 10:
			note("fine weather")
			lan.SetWeather(dhcp4test.Weather{})
		case 11:
			if !down[s] {
				note("full disk", s)
				s.Disk().SetRoom(0)
			}
		case 12:
			for _, s := range servers {
				s.Disk().SetRoom(-1)
			}
			note("empty disks")
		case 13:
			c.Rest()
			if _, ok := c.Lease(); ok {
				note("release", c, c.Addr())
				_ = c.Release() // what it sends may be lost
				time.Sleep(late)
			}
			c.Live()
		case 14:
			c.Rest()
			note("vanish", c, c.Addr())
			c.Vanish()
			c.Live()
		case 15:
			c.Rest()
			if _, ok := c.Lease(); ok && r.IntN(4) == 0 { // a declined address is out of use for a day
				note("decline", c, c.Addr())
				_ = c.Decline() // what it sends may be lost
				time.Sleep(late)
			}
			c.Live()
		}
	}
	note("all is whole")
	calm()
	for _, s := range servers {
		s.Disk().SetRoom(-1)
		restart(s)
	}
	time.Sleep(10 * time.Minute)
	for _, c := range clients {
		c.Rest()
		if _, ok := c.Lease(); !ok {
			t.Errorf("client %v has no address", c)
		}
	}
	pair.Settle()
	if breaches := lan.Breaches(); len(breaches) > 0 {
		for _, b := range breaches {
			t.Error(b)
		}
		for _, line := range said {
			t.Log(line[:len(line)-1])
		}
	}
}
