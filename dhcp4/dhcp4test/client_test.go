package dhcp4test_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/dhcp4test"
	"github.com/tandem-dhcp/tandem/dhcp4/dora"
	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
)

// A client goes through all that RFC 2131 has for it.
func TestClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
		s := lan.NewServer(dhcp4test.ServerConfig{Settings: dora.Settings{DefaultLease: time.Hour, CacheThreshold: -1}})
		c := lan.NewClientHW(net.HardwareAddr{2, 0, 0, 0xaa, 0xbb, 0xcc})
		c.ID, c.HostName, c.Broadcast = "\x00office printer", "printer", true
		c.Prepare = func(m *dhcp4.Message) { m.SetText(dhcp4.OptionClassIdentifier, "printers") }

		if _, err := c.Renew(); !errors.Is(err, dhcp4test.ErrNoLease) {
			t.Errorf("got %v from a renewal of nothing", err)
		}
		if _, err := c.Reboot(); !errors.Is(err, dhcp4test.ErrNoLease) {
			t.Errorf("got %v from INIT-REBOOT without a memory", err)
		}
		if err := c.Release(); !errors.Is(err, dhcp4test.ErrNoLease) {
			t.Errorf("got %v from a release of nothing", err)
		}
		first, err := c.Acquire()
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Book().Get(first.Addr); got.Client.ID != c.ID || got.HostName != c.HostName || got.VendorClass != "printers" {
			t.Errorf("the server knows %+v", got)
		}
		if d := time.Until(first.Expiry); first.Length != time.Hour || d != time.Hour || first.Renewal.After(first.Rebinding) {
			t.Errorf("got %+v, want an hour", first)
		}
		for _, again := range []struct {
			name string
			ask  func() (dhcp4test.Lease, error)
		}{{"renew", c.Renew}, {"rebind", c.Rebind}, {"reboot", c.Reboot}} {
			time.Sleep(10 * time.Minute)
			l, err := again.ask()
			if err != nil || l.Addr != first.Addr || !l.Expiry.Equal(time.Now().Add(time.Hour)) {
				t.Errorf("%s: got %v until %v, %v; want %v for an hour", again.name, l.Addr, l.Expiry, err, first.Addr)
			}
		}
		if err := c.Decline(); err != nil {
			t.Error(err)
		}
		second, err := c.Acquire()
		if err != nil || second.Addr == first.Addr {
			t.Errorf("after a decline got %v, %v, want another than %v", second.Addr, err, first.Addr)
		}
		if got := s.Book().Get(first.Addr).Status; got != lease.Abandoned {
			t.Errorf("the declined address is %v", got)
		}
		time.Sleep(2 * time.Hour)
		if a := c.Addr(); a.IsValid() {
			t.Errorf("it still has %v after its time", a)
		}
		if n := lan.Held(); n != 0 || lan.Acks() != 5 {
			t.Errorf("%d addresses are held after %d acks, want none after 5", n, lan.Acks())
		}
	})
}

// A client that lives on its own keeps its address for as long as there is a server, and gets one again when there is.
func TestLive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
		s := lan.NewServer(dhcp4test.ServerConfig{Settings: dora.Settings{DefaultLease: time.Hour, CacheThreshold: -1}})
		c := lan.NewClient()
		c.Live()
		time.Sleep(time.Minute)
		first := c.Addr()
		if !first.IsValid() {
			t.Fatal("it has no address")
		}
		time.Sleep(24 * time.Hour)
		if got := c.Addr(); got != first {
			t.Errorf("a day later it has %v, had %v", got, first)
		}
		if n := lan.Acks(); n < 45 || n > 52 {
			t.Errorf("%d acks in a day of one-hour leases, want some 48", n)
		}
		s.Crash()
		time.Sleep(2 * time.Hour)
		if got := c.Addr(); got.IsValid() {
			t.Errorf("it has %v, though nobody has renewed it for two hours", got)
		}
		s.Restart()
		time.Sleep(5 * time.Minute)
		if got := c.Addr(); got != first {
			t.Errorf("it has %v again, had %v", got, first)
		}
	})
}

// A client that is carried to another link is refused what it had, and that is no fault.
func TestMove(t *testing.T) {
	bubble(t, func(t *testing.T) {
		here, there := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24")), dhcp4test.NewLAN(t, netip.MustParsePrefix("10.1.0.0/24"))
		here.NewServer(dhcp4test.ServerConfig{})
		there.NewServer(dhcp4test.ServerConfig{Settings: dora.Settings{Authoritative: dora.On}})
		c := here.NewClient()
		everyone(t, []*dhcp4test.Client{c})
		c.Move(there)
		if _, err := c.Reboot(); !errors.Is(err, dhcp4test.ErrNak) {
			t.Errorf("got %v, want DHCPNAK", err)
		}
		if l, err := c.Acquire(); err != nil || !there.Prefix().Contains(l.Addr) {
			t.Errorf("got %v, %v", l.Addr, err)
		}
	})
}

// Of a pair one server offers an address, and both do to a client that has asked for long.
func TestOffers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan, pair := newPair(t)
		for secs, want := range map[uint16]int{0: 1, 3: 1, 4: 2} {
			offers, err := lan.NewClient().Offers(secs)
			if err != nil || len(offers) != want {
				t.Errorf("%d offers to one who has asked for %d s (%v), want %d", len(offers), secs, err, want)
			}
		}
		pair.Primary.Crash()
		pair.Secondary.Await(failover.CommunicationsInterrupted)
		if offers, _ := lan.NewClient().Offers(0); len(offers) != 1 {
			t.Errorf("%d offers of a server alone, want 1", len(offers))
		}
	})
}

// Through a relay a capture is replayed, too: on the servers' LAN it is the relay that is played.
func TestReplayOfARelay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		serve := func() (core *dhcp4test.LAN, s *dhcp4test.Server) {
			core = dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
			return core, core.NewServer(dhcp4test.ServerConfig{Pools: []dhcp4test.Pool{{}, {Prefix: netip.MustParsePrefix("10.1.0.0/24")}}})
		}
		var capture bytes.Buffer
		core, s := serve()
		core.Record(&capture)
		edge := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.1.0.0/24"))
		edge.NewRelay(core, s).CircuitID = "port 7"
		for _, c := range edge.NewClients(3) {
			everyone(t, []*dhcp4test.Client{c})
			time.Sleep(time.Second)
		}

		again, _ := serve()
		exchanges, err := again.Replay(&capture)
		if err != nil || len(exchanges) != 6 {
			t.Fatalf("%d messages were replayed, %v; want 6", len(exchanges), err)
		}
		for _, e := range exchanges {
			if len(e.Recorded) != 1 || len(e.Replies) != 1 || e.Recorded[0].MessageType() != e.Replies[0].MessageType() {
				t.Error(e)
			}
		}
	})
}

func TestReplayErrors(t *testing.T) {
	lan := dhcp4test.NewLAN(t, netip.MustParsePrefix("10.0.0.0/24"))
	var empty bytes.Buffer
	lan.Record(&empty)
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"not a capture", []byte("DHCPDISCOVER"), "not a capture in the format of pcap"},
		{"nothing in it", empty.Bytes(), "no client says anything"},
		{"cut off", append(bytes.Clone(empty.Bytes()), 1, 2, 3), "frame 1"},
	} {
		if _, err := lan.Replay(bytes.NewReader(c.in)); err == nil || !bytes.Contains([]byte(err.Error()), []byte(c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// Servers whose clock is behind have ends on record that are early; that is not a lease forgotten.
func TestSlowClock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lan, pair := newPair(t)
		pair.Primary.StepClock(-20 * time.Second)
		time.Sleep(30 * time.Second) // its Machine stands still until then
		pair.Secondary.DriftClock(-0.001)
		everyone(t, lan.NewClients(20))
		pair.Settle()
		pair.Primary.Crash()
		pair.Primary.Restart()
		pair.Settle()
	})
}
