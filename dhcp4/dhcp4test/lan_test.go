package dhcp4test_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/dhcp4test"
	"github.com/tandem-dhcp/tandem/dhcp4/dora"
	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
)

// always gives everybody the same address, which is what no server may do.
func always(a netip.Addr, d time.Duration) dhcp4.Handler {
	return dhcp4.HandlerFunc(func(_ context.Context, req *dhcp4.Request) (*dhcp4.Message, error) {
		t := dhcp4.MessageTypeOffer
		if req.MessageType() == dhcp4.MessageTypeRequest {
			t = dhcp4.MessageTypeAck
		}
		m := req.NewReply(&req.Reply, t)
		m.YourIPAddr = a
		m.SetServerIdentifier(req.Local)
		m.SetIPAddressLeaseTime(d)
		return m, nil
	})
}

// wants fails the test unless exactly one promise was broken, this one.
func wants(t *testing.T, lan *dhcp4test.LAN, p dhcp4test.Promise, part string) {
	t.Helper()
	b := lan.Breaches()
	if len(b) != 1 || b[0].Promise != p || !strings.Contains(b[0].Error(), part) {
		t.Fatalf("got %v, want one address that is not %v: %s", b, p, part)
	}
	if b := lan.Breaches(); len(b) > 0 {
		t.Errorf("asked again, %v is said once more", b)
	}
}

func TestCheckFindsAnAddressHeldTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
		lan.Serve(always(lan.Addr(50), time.Hour))
		everyone(t, []*dhcp4test.Client{lan.NewClient()})
		everyone(t, []*dhcp4test.Client{lan.NewClient()})
		wants(t, lan, dhcp4test.Once, "10.0.0.1 gives it to client 02:00:00:00:00:02, while client 02:00:00:00:00:01 has it")
		time.Sleep(time.Hour)
		everyone(t, []*dhcp4test.Client{lan.NewClient()}) // the others' time is over
	})
}

// Two servers that do not know of each other give the same addresses on the two halves of a split switch.
func TestCheckFindsStrangersOnASplitSwitch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
		a, b := lan.NewServer(dhcp4test.ServerConfig{}), lan.NewServer(dhcp4test.ServerConfig{})
		left, right := lan.NewClients(30), lan.NewClients(30)
		half := []dhcp4test.Station{b}
		for _, c := range right {
			half = append(half, c)
		}
		lan.Split(half...)
		everyone(t, left)
		everyone(t, right)
		breaches := lan.Breaches()
		if len(breaches) != 30 {
			t.Fatalf("%v and %v gave %d addresses twice, want 30", a, b, len(breaches))
		}
		for _, b := range breaches {
			if b.Promise != dhcp4test.Once {
				t.Error(b)
			}
		}
	})
}

func TestCheckFindsARefusal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
		gives, nak := always(lan.Addr(50), time.Hour), false
		lan.Serve(dhcp4.HandlerFunc(func(ctx context.Context, req *dhcp4.Request) (*dhcp4.Message, error) {
			if nak {
				return req.NewReply(&req.Reply, dhcp4.MessageTypeNak), nil
			}
			return gives.ServeDHCP(ctx, req)
		}))
		c := lan.NewClient()
		everyone(t, []*dhcp4test.Client{c})
		nak = true
		if _, err := c.Renew(); !errors.Is(err, dhcp4test.ErrNak) {
			t.Errorf("got %v, want DHCPNAK", err)
		}
		wants(t, lan, dhcp4test.Kept, "refuses it to client 02:00:00:00:00:01")
		if _, err := c.Renew(); !errors.Is(err, dhcp4test.ErrNoLease) {
			t.Errorf("got %v, want that there is no lease", err)
		}
	})
}

// Somebody puts an old lease file back.
func TestCheckFindsWhatARestartForgets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
		s := lan.NewServer(dhcp4test.ServerConfig{})
		old, err := s.Disk().ReadFile("dhcpd.leases")
		if err != nil {
			t.Fatal(err)
		}
		everyone(t, lan.NewClients(1))
		s.Crash()
		s.Restart()
		if b := lan.Breaches(); len(b) > 0 {
			t.Errorf("with its own file: %v", b)
		}
		s.Stop()
		s.Disk().WriteFile("dhcpd.leases", old)
		s.Restart()
		wants(t, lan, dhcp4test.Remembered, "but server 10.0.0.1 after its start has it as free")
	})
}

func TestWeather(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
		lan.NewServer(dhcp4test.ServerConfig{})
		lan.SetWeather(dhcp4test.Weather{Loss: 1})
		began := time.Now()
		_, err := lan.NewClient().Acquire()
		if !errors.Is(err, dhcp4test.ErrNoAnswer) || time.Since(began) != time.Minute {
			t.Errorf("got %v after %v, want no answer after a minute", err, time.Since(began))
		}
		if want := "(5 tries)"; err == nil || !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "(4 tries)") {
			t.Errorf("got %v, want how often was tried", err)
		}
		lan.SetWeather(dhcp4test.Weather{MinDelay: 3 * time.Second, MaxDelay: 3 * time.Second})
		offers, err := lan.NewClient().Offers(0)
		if err != nil || len(offers) != 0 {
			t.Errorf("got %d offers within two seconds over a LAN of three", len(offers))
		}
		lan.SetWeather(dhcp4test.Weather{Loss: 0.3, Duplicate: 0.3, MaxDelay: 5 * time.Second, Seed: 1})
		clients := lan.NewClients(50)
		for _, c := range clients {
			c.Patience = time.Hour
		}
		everyone(t, clients)
	})
}

func TestRelay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		core, edge := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24")), dhcp4test.NewLAN(t, netip.MustParsePrefix("10.1.0.0/24"))
		var seen atomic.Int32 // messages with the relay's circuit
		pair := core.NewPair(dhcp4test.PairConfig{ServerConfig: dhcp4test.ServerConfig{
			Pools:    []dhcp4test.Pool{{}, {Prefix: edge.Prefix()}},
			Settings: dora.Settings{CacheThreshold: -1},
			Adjust: func(cfg *dora.Config) {
				cfg.Classes = []dora.Class{{Name: "port 7", Match: func(m *dhcp4.Message) bool {
					id, _ := m.RelayAgentSub(dhcp4.AgentCircuitID)
					if string(id) == "port 7" {
						seen.Add(1)
					}
					return false
				}}}
			},
		}})
		pair.Await(failover.Normal)
		relay := edge.NewRelay(core, pair.Primary, pair.Secondary)
		relay.CircuitID = "port 7"
		c := edge.NewClient()
		l, err := c.Acquire()
		if err != nil || !edge.Prefix().Contains(l.Addr) {
			t.Fatalf("got %v, %v, want an address of %v", l.Addr, err, edge.Prefix())
		}
		if _, ok := l.Ack.RelayAgentInfo(); ok {
			t.Error("the client sees option 82")
		}
		if seen.Load() == 0 {
			t.Error("no server saw the relay's circuit")
		}
		if _, err := c.Renew(); err != nil { // by unicast, across the router
			t.Error(err)
		}
		if err := c.Release(); err != nil {
			t.Error(err)
		}
		pair.Settle()
		if got := pair.Primary.Book().Get(l.Addr).Status; !got.Available() {
			t.Errorf("the released address is %v", got)
		}
	})
}

func TestPing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
		squatter := lan.Serve(always(netip.Addr{}, 0)) // a station that has 10.0.0.1, which is all it is here for
		squatter.Stop()
		s := lan.NewServer(dhcp4test.ServerConfig{Ping: true, Pools: []dhcp4test.Pool{{First: lan.Addr(20), Last: lan.Addr(21)}}})
		a, b := lan.NewClient(), lan.NewClient()
		everyone(t, []*dhcp4test.Client{a})
		s.Crash()
		s.LoseDisk() // so that it does not know of a, who answers its ping
		s.Restart()
		l, err := b.Acquire()
		if err != nil || l.Addr == a.Addr() {
			t.Errorf("got %v, %v, want the other than %v", l.Addr, err, a.Addr())
		}
		if got := s.Book().Get(a.Addr()).Status; got != lease.Abandoned {
			t.Errorf("the address that answered is %v, want abandoned", got)
		}
	})
}

// What is recorded can be replayed: a server that is configured alike answers alike.
func TestRecordAndReplay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var capture bytes.Buffer
		lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
		lan.NewServer(dhcp4test.ServerConfig{})
		lan.Record(&capture)
		for range 3 {
			c := lan.NewClient()
			if _, err := c.Acquire(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			if _, err := c.Renew(); err != nil {
				t.Fatal(err)
			}
			if err := c.Release(); err != nil {
				t.Fatal(err)
			}
		}
		again := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
		again.NewServer(dhcp4test.ServerConfig{})
		exchanges, err := again.Replay(&capture)
		if err != nil {
			t.Fatal(err)
		}
		if len(exchanges) != 12 {
			t.Errorf("%d messages of clients were replayed, want 12", len(exchanges))
		}
		for _, e := range exchanges {
			if len(e.Recorded) != len(e.Replies) {
				t.Error(e)
				continue
			}
			for i, was := range e.Recorded {
				if is := e.Replies[i]; is.String() != was.String() {
					t.Errorf("was %v\nis  %v", was, is)
				}
			}
		}
	})
}

// A capture of two ISC dhcpd 4.4.3-P1 servers, after the host that holds 10.0.10.19 was given a fixed address: dhclient
// renews and is refused, asks anew and is bound, renews, releases; then a DHCPDISCOVER, and INIT-REBOOT with a wrong
// address. Two Tandems answer each message as these did, as long as they share the configuration.
func TestReplayISC(t *testing.T) {
	bubble(t, func(t *testing.T) {
		file, err := os.Open("testdata/fixed-host.pcap")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.10.0/24"))
		pair := lan.NewPair(dhcp4test.PairConfig{ServerConfig: dhcp4test.ServerConfig{
			Addr:     lan.Addr(251),
			Pools:    []dhcp4test.Pool{{First: lan.Addr(10), Last: lan.Addr(29)}},
			Settings: dora.Settings{DefaultLease: 40 * time.Second, MaxLease: 40 * time.Second, Authoritative: dora.On, ServerIDCheck: dora.Off},
			Adjust: func(cfg *dora.Config) {
				cfg.Hosts = []dora.Host{{
					Name: "DHCPc", HW: lease.MakeHWAddr(1, []byte{0x08, 0x00, 0x27, 0xd9, 0x45, 0x96}), Fixed: []netip.Addr{lan.Addr(9)},
				}}
			},
		}})
		pair.Await(failover.Normal)
		exchanges, err := lan.Replay(file)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range exchanges {
			got = append(got, fmt.Sprintf("%.0f s %v", e.At.Seconds(), e))
		}
		want := []string{
			"0 s DHCPREQUEST: was DHCPNAK, is DHCPNAK",
			"0 s DHCPDISCOVER: was DHCPOFFER 10.0.10.9 and DHCPOFFER 10.0.10.9, is DHCPOFFER 10.0.10.9 and DHCPOFFER 10.0.10.9",
			"0 s DHCPREQUEST: was DHCPACK 10.0.10.9 and DHCPACK 10.0.10.9, is DHCPACK 10.0.10.9 and DHCPACK 10.0.10.9",
			"21 s DHCPREQUEST: was DHCPACK 10.0.10.9, is DHCPACK 10.0.10.9",
			"26 s DHCPRELEASE: was silence, is silence",
			"27 s DHCPDISCOVER: was DHCPOFFER 10.0.10.9 and DHCPOFFER 10.0.10.9, is DHCPOFFER 10.0.10.9 and DHCPOFFER 10.0.10.9",
			"30 s DHCPREQUEST: was DHCPNAK and DHCPNAK, is DHCPNAK and DHCPNAK",
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// Mistakes are told at once, with what was expected.
func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t testing.TB)
		want string
	}{
		{"no subnet", func(t testing.TB) { dhcp4test.NewLAN(t, netip.Prefix{}) }, "NewLAN: subnet is invalid Prefix: want an IPv4 subnet"},
		{"a subnet without room", func(t testing.TB) { dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/30")) }, "at least eight addresses"},
		{"an address twice", func(t testing.TB) {
			l := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
			l.NewServer(dhcp4test.ServerConfig{Addr: l.Addr(7)})
			l.NewServer(dhcp4test.ServerConfig{Addr: l.Addr(7)})
		}, "server address 10.0.0.7: want one of 10.0.0.0/24 that nobody has"},
		{"weather that cannot be", func(t testing.TB) {
			dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24")).SetWeather(dhcp4test.Weather{Loss: 20})
		}, "Weather.Loss is 20: want 0 to 1"},
		{"a pool that ends before it begins", func(t testing.TB) {
			l := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
			l.NewServer(dhcp4test.ServerConfig{Pools: []dhcp4test.Pool{{First: l.Addr(20), Last: l.Addr(10)}}})
		}, "ServerConfig.Pools[0]"},
		{"a start of what runs", func(t testing.TB) {
			dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24")).NewServer(dhcp4test.ServerConfig{}).Restart()
		}, "Restart: server 10.0.0.1 runs"},
		{"a split of 300", func(t testing.TB) {
			dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24")).NewPair(dhcp4test.PairConfig{Split: 300})
		}, "PairConfig.Split"},
		{"a state of who has no partner", func(t testing.TB) {
			dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24")).NewServer(dhcp4test.ServerConfig{}).Await(failover.Normal)
		}, "Await(normal): server 10.0.0.1 has no partner"},
		{"a hardware address that is none", func(t testing.TB) {
			dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24")).NewClientHW(net.HardwareAddr{2, 0, 1})
		}, "NewClientHW: 02:00:01 has 3 octets: want six"},
		{"a clock that stands", func(t testing.TB) {
			dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24")).NewServer(dhcp4test.ServerConfig{}).DriftClock(-1)
		}, "DriftClock(-1)"},
		{"a relay to nobody", func(t testing.TB) {
			l := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
			l.NewRelay(l)
		}, "name a server"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := &failing{TB: t}
				done := make(chan struct{})
				go func() { defer close(done); c.make(f) }()
				<-done
				for i := len(f.cleanups) - 1; i >= 0; i-- {
					f.cleanups[i]()
				}
				if !strings.Contains(f.said, c.want) {
					t.Errorf("got %q, want %q", f.said, c.want)
				}
			})
		})
	}
}

// failing is a test that is expected to fail.
type failing struct {
	testing.TB
	said     string
	cleanups []func()
}

func (f *failing) Cleanup(c func())          { f.cleanups = append(f.cleanups, c) }
func (f *failing) Fatal(args ...any)         { f.Fatalf("%s", fmt.Sprint(args...)) }
func (f *failing) Errorf(s string, a ...any) { f.said += fmt.Sprintf(s, a...) }
func (f *failing) Fatalf(s string, a ...any) { f.Errorf(s, a...); f.FailGoroutine() }
func (f *failing) Error(args ...any)         { f.said += fmt.Sprint(args...) }

// FailGoroutine ends the goroutine, as FailNow does, but not the test.
func (f *failing) FailGoroutine() { runtime.Goexit() }
