//go:build linux

package main_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// The seed's figures.
const (
	seedMCLT  = 3600 * time.Second
	seedLease = 604800 * time.Second
	// normalPeriod is how soon two servers that run and reach each other must be normal.
	normalPeriod = 5 * time.Second
	// agreePeriod is how soon what one server did must be in the other's lease file.
	agreePeriod = 20 * time.Second
)

// A pair is a lab whose two servers are partners.
type pair struct {
	*lab
	primary, secondary *server
}

// seed returns a file of the seed, unchanged.
func seed(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/seed", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// seedPair makes a lab with the seed's pair, not yet started. The files are the seed's, unchanged, and the included one
// is where they expect it.
func seedPair(t *testing.T, clients int) *pair {
	t.Helper()
	l := newLab(t, clients)
	p := &pair{l, l.server(nodePrimary, seed(t, "primary/dhcpd.conf")), l.server(nodeSecondary, seed(t, "secondary/dhcpd.conf"))}
	p.share(seed(t, "dhcpd.conf.SHARED"))
	return p
}

// share installs the included file on both servers.
func (p *pair) share(text string) {
	p.t.Helper()
	p.primary.share(text)
	p.secondary.share(text)
}

// start starts both servers and waits until they are normal and have shared the pool.
func (p *pair) start(t testing.TB) {
	t.Helper()
	p.meet(t)
	p.shared(t)
}

// meet starts both servers and waits until they are normal.
func (p *pair) meet(t testing.TB) {
	t.Helper()
	p.primary.start()
	p.primary.serving(t) // so that the secondary finds it listening, and nobody waits for a second attempt
	p.secondary.start()
	began := time.Now()
	p.normal(t, normalPeriod)
	t.Logf("both are normal after %v", time.Since(began).Round(time.Millisecond))
}

// shared waits until both lease files show the seed's pool halved, which is before any client came.
func (p *pair) shared(t testing.TB) {
	t.Helper()
	eventually(t, agreePeriod, func() error {
		for _, s := range []*server{p.primary, p.secondary} {
			if n := s.leases(t).count(); n["free"] != 121 || n["backup"] != 120 {
				return fmt.Errorf("%s has %v, want 121 free and 120 backup", s.node, n)
			}
		}
		return nil
	})
}

// normal waits until both servers are normal.
func (p *pair) normal(t testing.TB, d time.Duration) {
	t.Helper()
	p.primary.waitState(t, d, "normal")
	p.secondary.waitState(t, d, "normal")
}

// other returns the partner of a server.
func (p *pair) other(s *server) *server {
	if s == p.primary {
		return p.secondary
	}
	return p.primary
}

// byNode returns the server in a node.
func (p *pair) byNode(node string) *server {
	if node == nodePrimary {
		return p.primary
	}
	return p.secondary
}

// granter returns the server that a client took its address from.
func (p *pair) granter(t testing.TB, e event) *server {
	t.Helper()
	for _, s := range []*server{p.primary, p.secondary} {
		if s.addr == e.server {
			return s
		}
	}
	t.Fatalf("the server identifier is %v", e.server)
	return nil
}

// agree waits until both lease files say the same, and know of every promise to the played clients.
func (p *pair) agree(t testing.TB, d time.Duration) {
	t.Helper()
	eventually(t, d, func() error {
		f, g := p.primary.leases(t), p.secondary.leases(t)
		return errors.Join(differ(f, g), p.told.onRecord(f), p.told.onRecord(g))
	})
}

// bound waits until a binding is in both lease files with the right times: those of a lease of length given by the server
// granter at about that time, where the configuration would give want. It returns the record of the granter.
func (p *pair) bound(t testing.TB, granter *server, addr netip.Addr, hw string, about time.Time, given, want time.Duration) leaseRecord {
	t.Helper()
	var own leaseRecord
	eventually(t, agreePeriod, func() error {
		own = granter.leases(t).record(addr)
		theirs := p.other(granter).leases(t).record(addr)
		var wrong []string
		check := func(ok bool, format string, args ...any) {
			if !ok {
				wrong = append(wrong, fmt.Sprintf(format, args...))
			}
		}
		check(own.state == "active" && own.hw == hw, "%s has %v %s for %s, want active for %s", granter.node, addr, own.state, own.hw, hw)
		check(theirs.state == "active" && theirs.hw == hw, "the partner has %v %s for %s, want active for %s", addr, theirs.state, theirs.hw, hw)
		const drift = 5 * time.Second
		check(own.clt.Sub(about).Abs() < drift, "cltt is %v, want about %v", own.clt, about.UTC())
		check(own.ends.Equal(own.clt.Add(given)), "ends is %v after cltt, want %v", own.ends.Sub(own.clt), given)
		// What the partner is told: the whole time, and half of what the client was given (the latest time of its
		// next renewal) on top.
		check(own.tstp.Equal(own.clt.Add(want+given/2)), "tstp is %v after cltt, want %v", own.tstp.Sub(own.clt), want+given/2)
		check(!own.tsfp.Before(own.tstp), "the partner has not acknowledged: tsfp %v, tstp %v", own.tsfp, own.tstp)
		check(theirs.ends.Equal(own.ends), "ends is %v at the partner, want %v", theirs.ends, own.ends)
		check(theirs.tsfp.Equal(own.tstp), "tsfp is %v at the partner, want %v", theirs.tsfp, own.tstp)
		if wrong == nil {
			return nil
		}
		return errors.New(strings.Join(wrong, "\n  "))
	})
	return own
}

// wantOptions is what the seed gives every client besides its address.
var wantOptions = event{
	mask: "255.255.255.0", router: "10.0.10.254", broadcast: "10.0.10.255", dns: "1.1.1.1 9.9.9.9", search: "domain.com",
}

// inSeedPool reports whether an address is of the seed's pool.
func inSeedPool(a netip.Addr) bool {
	return a.Compare(seedPool[0]) >= 0 && a.Compare(seedPool[len(seedPool)-1]) <= 0
}

// checkGiven compares what a real client was told with the seed.
func checkGiven(t testing.TB, e event, lease time.Duration) netip.Addr {
	t.Helper()
	got := e
	got.reason, got.addr, got.lease, got.server = "", "", 0, netip.Addr{}
	if got != wantOptions {
		t.Errorf("got  %+v\nwant %+v", got, wantOptions)
	}
	if e.lease != lease {
		t.Errorf("the lease is %v long, want %v", e.lease, lease)
	}
	addr, err := netip.ParseAddr(e.addr)
	if err != nil || !inSeedPool(addr) {
		t.Errorf("address %q is not in the pool", e.addr)
	}
	return addr
}

// realClients are the three, and the node in which each lives.
var realClients = []struct{ node, kind string }{{"c1", "dhclient"}, {"c2", "udhcpc"}, {"c3", "dhcpcd"}}

// clientPeriod is how long a real client may take to its address: dhcpcd alone takes some 7 seconds.
const clientPeriod = 30 * time.Second

// The seed's two configurations, unchanged: normal, the pool shared, real clients served, the first lease MCLT long.
func TestSeedPair(t *testing.T) {
	t.Parallel()
	p := seedPair(t, 4)
	if !t.Run("both are normal within five seconds", func(t *testing.T) { p.meet(t) }) {
		t.FailNow()
	}
	t.Run("the pool is split 121 to 120, in both lease files", func(t *testing.T) { p.shared(t) })
	var clients []*client
	began := time.Now()
	for _, r := range realClients {
		c := p.client(r.node, r.kind)
		c.start()
		clients = append(clients, c)
	}
	for _, c := range clients {
		t.Run(c.kind+" is given an address, all options and 3600 seconds", func(t *testing.T) {
			e := c.wait(t, clientPeriod, 0, "BOUND")
			addr := checkGiven(t, e, seedMCLT)
			p.boundSince(t, p.granter(t, e), addr, p.mac(c.node), began)
		})
	}
	c := p.probe("c4").player(macs(1, 1, "")[0])
	t.Run("a renewal within the first quarter is answered with what is left", func(t *testing.T) {
		ctx := within(t, time.Minute)
		first, err := c.acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if got := first.IPAddressLeaseTime(0); got != seedMCLT {
			t.Errorf("the first lease is %v long, want %v", got, seedMCLT)
		}
		p.bound(t, p.byNode(first.server()), c.addr, c.mac.String(), time.Now(), seedMCLT, seedLease)
		a, err := c.renew(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.IPAddressLeaseTime(0); got > seedMCLT || got < seedMCLT-time.Minute || a.server() != first.server() {
			t.Errorf("got %v, want some seconds less than %v, from %s", a, seedMCLT, first.server())
		}
	})
	t.Run("a client with a new host name is given 604800 seconds at once", func(t *testing.T) {
		// What the server has on record of it changes, so the old lease cannot be told again.
		c.host = "renamed"
		a, err := c.renew(within(t, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if got := a.IPAddressLeaseTime(0); got != seedLease {
			t.Errorf("got %v, want %v", got, seedLease)
		}
		p.bound(t, p.byNode(a.server()), c.addr, c.mac.String(), time.Now(), seedLease, seedLease)
	})
	t.Run("both lease files agree", func(t *testing.T) { p.agree(t, agreePeriod) })
	p.checkCaptures(t)
}

// boundSince is bound for a first lease that was given at an unknown time since then.
func (p *pair) boundSince(t testing.TB, granter *server, addr netip.Addr, hw string, since time.Time) {
	t.Helper()
	var about time.Time
	eventually(t, agreePeriod, func() error {
		if about = granter.leases(t).record(addr).clt; about.Before(since.Truncate(time.Second)) {
			return fmt.Errorf("cltt of %v at %s is %v", addr, granter.node, about)
		}
		return nil
	})
	p.bound(t, granter, addr, hw, about, seedMCLT, seedLease)
}

// The seed's pair with one statement more, which makes a server forget the rule of the first quarter, so that the second
// lease can be seen without waiting for 15 minutes: it is as long as the configuration says.
func TestSeedPairRenewsForAWeek(t *testing.T) {
	long(t)
	t.Parallel()
	p := seedPair(t, 4)
	p.share("dhcp-cache-threshold 0;\n" + seed(t, "dhcpd.conf.SHARED"))
	p.start(t)
	var clients []*client
	for _, r := range realClients {
		c := p.client(r.node, r.kind)
		c.start()
		clients = append(clients, c)
	}
	for _, c := range clients {
		t.Run(c.kind, func(t *testing.T) {
			e := c.wait(t, clientPeriod, 0, "BOUND")
			addr := checkGiven(t, e, seedMCLT)
			// Acknowledged by the partner, the lease may be as long as configured.
			p.boundSince(t, p.granter(t, e), addr, p.mac(c.node), time.Time{})
			from := c.events.len()
			c.renew()
			e = c.wait(t, clientPeriod, from, "RENEW|REBIND|REBOOT")
			if again := checkGiven(t, e, seedLease); again != addr {
				t.Errorf("renewed %v as %v", addr, again)
			}
		})
	}
	t.Run("a played client, by unicast", func(t *testing.T) {
		c, ctx := p.probe("c4").player(macs(1, 1, "")[0]), within(t, time.Minute)
		a, err := c.acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		granter := p.byNode(a.server())
		p.bound(t, granter, c.addr, c.mac.String(), time.Now(), seedMCLT, seedLease)
		for range 2 { // and again: the partner has acknowledged the longer time, too
			if a, err = c.renew(ctx); err != nil {
				t.Fatal(err)
			}
			if got := a.IPAddressLeaseTime(0); got != seedLease {
				t.Errorf("got %v, want %v", got, seedLease)
			}
			p.bound(t, granter, c.addr, c.mac.String(), time.Now(), seedLease, seedLease)
		}
	})
	t.Run("what clients give back is free again on both", func(t *testing.T) {
		for _, c := range clients {
			c.release()
		}
		eventually(t, agreePeriod, func() error {
			for _, s := range []*server{p.primary, p.secondary} {
				if n := s.leases(t).count(); n["active"] != 1 || n["free"]+n["backup"] != len(seedPool)-1 {
					return fmt.Errorf("%s has %v, want the played client's lease and all else free or backup", s.node, n)
				}
			}
			return nil
		})
	})
	t.Run("both lease files agree", func(t *testing.T) { p.agree(t, agreePeriod) })
	p.checkCaptures(t)
}

// The seed's story: a client with a dynamic lease becomes a host with a fixed address.
func TestSeedPairReservesAHost(t *testing.T) {
	long(t)
	t.Parallel()
	const mac = "08:00:27:d9:45:96"
	fixed := netip.MustParseAddr("10.0.10.9")
	p := seedPair(t, 2)
	p.setMAC("c1", mac)
	p.start(t)
	c := p.client("c1", "dhclient")
	t.Run("the client holds a dynamic lease", func(t *testing.T) {
		c.start()
		e := c.wait(t, clientPeriod, 0, "BOUND")
		addr := checkGiven(t, e, seedMCLT)
		p.boundSince(t, p.granter(t, e), addr, mac, time.Time{})
	})
	t.Run("the file with the host is installed, and both restart in turn", func(t *testing.T) {
		p.share(seed(t, "dhcpd.conf.SHARED.with-host"))
		for _, s := range []*server{p.secondary, p.primary} {
			s.stop(t)
			s.start()
			p.normal(t, 3*normalPeriod) // an attempt to connect every five seconds
		}
	})
	t.Run("its next request is NAKed, then it is bound to 10.0.10.9 for 604800 seconds", func(t *testing.T) {
		said, told := c.log.len(), c.events.len()
		c.renew()
		e := c.wait(t, clientPeriod, told, "BOUND")
		if e.addr != fixed.String() || e.lease != seedLease {
			t.Errorf("got %s for %v, want %v for %v", e.addr, e.lease, fixed, seedLease)
		}
		if _, err := c.log.wait(within(t, time.Second), said, contains("DHCPNAK")); err != nil {
			t.Errorf("dhclient has seen no NAK: %v", err)
		}
	})
	c.kill()
	t.Run("both offer 10.0.10.9", func(t *testing.T) {
		twin := p.probe("c2").player(mustMAC(t, mac))
		offers, err := twin.discover(t.Context(), 0, patience)
		if err != nil {
			t.Fatal(err)
		}
		from := make(map[string]int)
		for _, o := range offers {
			from[o.server()]++
			if o.MessageType() != dhcpv4.MessageTypeOffer || o.YourIPAddr.String() != fixed.String() || o.IPAddressLeaseTime(0) != seedLease {
				t.Errorf("got %v, want an offer of %v for %v", o, fixed, seedLease)
			}
		}
		if from[nodePrimary] != 1 || from[nodeSecondary] != 1 {
			t.Errorf("offers came from %v, want one from each", from)
		}
	})
	p.checkCaptures(t)
}
