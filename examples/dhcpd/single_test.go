//go:build linux

package main_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// aloneConf is a server without a partner, on the seed's network. It answers without a ping, and writes each renewal.
const aloneConf = `authoritative;
ping-check false;
dhcp-cache-threshold 0;
default-lease-time 7200;
max-lease-time 7200;
subnet 10.0.10.0 netmask 255.255.255.0 {
  option routers 10.0.10.254;
  range 10.0.10.10 10.0.10.250;
}
`

// killCount is how often the server is killed.
func killCount(t testing.TB) int {
	t.Helper()
	text := os.Getenv(envKills)
	if text == "" {
		return 100
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s: want a number of kills", envKills, text)
	}
	return n
}

// A server that is killed again and again, in the middle of its work, has on disk what it told its clients.
func TestKilledServerRemembers(t *testing.T) {
	long(t)
	t.Parallel()
	const clients = 24
	l := newLab(t, 1)
	s := l.server(nodePrimary, aloneConf)
	station := l.probe("c1")
	crowd := station.crowd(macs(clients, 1, ""))
	kills := killCount(t)
	for round := range kills {
		s.start()
		s.serving(t)
		// Everybody asks for something all the time, until the kill.
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond+rand.N(200*time.Millisecond))
		done := make(chan error, 1)
		go func() { done <- everyone(crowd, func(c *player) error { return c.bustle(ctx) }) }()
		<-ctx.Done()
		s.kill()
		err := <-done
		cancel()
		if err != nil {
			t.Fatalf("before kill %d: %v", round+1, err)
		}
		if err := l.told.onRecord(s.leases(t)); err != nil {
			t.Fatalf("kill %d: %v", round+1, err)
		}
	}
	l.told.checkNoNak(t)
	acks := l.told.count()
	t.Logf("%d kills, %d promises", kills, acks)
	if acks < 5*kills {
		t.Errorf("the server has told its clients something only %d times: no load to speak of", acks)
	}
	s.start()
	s.serving(t)
	for c, p := range l.told.promises() {
		if _, err := c.reboot(within(t, 10*time.Second), p.addr); err != nil || c.addr != p.addr {
			t.Errorf("%v had %v: %v", c.mac, p.addr, err)
		}
	}
	l.told.checkGivenOnce(t, clients/2)
}

// bustle does what clients do, without a pause, until ctx is done.
func (c *player) bustle(ctx context.Context) error {
	for {
		var err error
		switch what := rand.N(10); {
		case !c.bound:
			_, err = c.acquire(ctx)
		case what == 0:
			err = c.release()
		case what < 5:
			_, err = c.renew(ctx)
		default:
			_, err = c.rebind(ctx)
		}
		if ctx.Err() != nil {
			return nil // what it did last may have failed for that
		}
		if err != nil {
			return err
		}
	}
}

// loud matches what a server says when it cannot write.
const loud = `(?i)no space left on device|unable to (write|commit)|can't write`

// A server whose disk is full promises nothing, says so, and goes on when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	l := newLab(t, 1)
	s := l.server(nodePrimary, aloneConf)
	s.disk = "256k"
	station := l.probe("c1")
	settled, coming := station.crowd(macs(5, 1, "")), station.crowd(macs(60, 1000, ""))
	s.start()
	s.serving(t)
	t.Run("five clients are served while there is room", func(t *testing.T) {
		if err := everyone(settled, func(c *player) error { _, err := c.acquire(within(t, time.Minute)); return err }); err != nil {
			t.Fatal(err)
		}
	})
	filler := filepath.Join(filepath.Dir(s.leaseFile()), "filler")
	fill(t, filler)
	from := s.log.len()
	// try is one attempt of a client. A server that cannot write stays silent, so there is no use in waiting for long.
	try := func(t *testing.T, c *player) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if c.bound {
			_, err := c.rebind(ctx)
			return err
		}
		_, err := c.attempt(ctx, 10)
		return err
	}
	var refused *player
	t.Run("there is no ACK when there is none", func(t *testing.T) {
		for i, c := range coming {
			err := try(t, c)
			if err == nil {
				continue // into what was left of the file's last page
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("want silence, got %v", err)
			}
			t.Logf("%d clients were served after the disk was full", i)
			refused = c
			break
		}
		if refused == nil {
			t.Fatalf("%d clients were served", len(coming))
		}
		for _, c := range append(settled[:2:2], refused) {
			if err := try(t, c); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("client %v: want silence, got %v", c.mac, err)
			}
		}
		if err := l.told.onRecord(s.leases(t)); err != nil {
			t.Error(err)
		}
	})
	if refused == nil {
		t.FailNow()
	}
	t.Run("the log says so", func(t *testing.T) { s.waitLog(t, 5*time.Second, from, loud) })
	t.Run("and when there is room again, there is service again", func(t *testing.T) {
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		again := append([]*player{refused}, settled...)
		if err := everyone(again, func(c *player) error {
			if c.bound {
				_, err := c.rebind(within(t, 30*time.Second))
				return err
			}
			_, err := c.acquire(within(t, 30*time.Second))
			return err
		}); err != nil {
			t.Error(err)
		}
		if err := l.told.onRecord(s.leases(t)); err != nil {
			t.Error(err)
		}
		l.told.checkNoNak(t)
		l.told.checkGivenOnce(t, len(again))
	})
}

// fill writes a file until the file system is full.
func fill(t testing.TB, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// A lease file that is damaged in the middle: the server says where, and keeps the rest.
func TestDamagedLeaseFile(t *testing.T) {
	t.Parallel()
	l := newLab(t, 1)
	s := l.server(nodePrimary, aloneConf)
	station := l.probe("c1")
	clients := station.crowd(macs(9, 1, ""))
	s.start()
	s.serving(t)
	for _, c := range clients { // one after the other, so that each has a commit of its own
		if _, err := c.acquire(within(t, time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	s.stop(t)
	victim := clients[4]
	had := l.told.promises()
	first, last := s.damage(t, victim.addr)
	from := s.log.len()
	s.start()
	s.serving(t)
	t.Run("the line is in the log", func(t *testing.T) {
		place := regexp.MustCompile(`dhcpd\.leases(?::| line )(\d+)`)
		line, err := s.log.wait(within(t, 5*time.Second), from, place.MatchString)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(place.FindStringSubmatch(line)[1])
		if err != nil || n < first-1 || n > last { // the commit that the record is in begins a line before
			t.Errorf("got %q, want a line of %d to %d", line, first-1, last)
		}
	})
	t.Run("all other leases are kept", func(t *testing.T) {
		for _, c := range clients {
			if c == victim {
				continue
			}
			if _, err := c.reboot(within(t, 10*time.Second), had[c].addr); err != nil || c.addr != had[c].addr {
				t.Errorf("%v had %v: %v", c.mac, had[c].addr, err)
			}
		}
	})
}

// damage garbles the last record of an address in the lease file of a server that does not run, and returns the lines
// between which an error may be reported: those of the record, and one more on which a reader may notice.
func (s *server) damage(t testing.TB, addr netip.Addr) (first, last int) {
	t.Helper()
	text, err := os.ReadFile(s.leaseFile())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	head := fmt.Sprintf("lease %v {", addr)
	for i, line := range lines {
		if line == head {
			first = i + 1
		}
	}
	for i := first; first > 0 && i < len(lines) && lines[i] != "}"; i++ {
		if strings.TrimSpace(lines[i]) == "binding state active;" {
			lines[i] = strings.Replace(lines[i], "state", "st\x00\xfft", 1)
			last = i + 1
		}
	}
	if last == 0 || last == len(lines) {
		t.Fatalf("%s has no active lease %v", s.leaseFile(), addr)
	}
	for last < len(lines) && lines[last-1] != "}" {
		last++
	}
	s.write("db/dhcpd.leases", strings.Join(lines, "\n"))
	return first, last + 1
}

// What else a client can ask, of a server without a partner.
func TestAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t, 1)
	s := l.server(nodePrimary, aloneConf)
	station := l.probe("c1")
	c := station.player(macs(1, 1, "")[0])
	s.start()
	s.serving(t)
	ctx := within(t, time.Minute)
	if _, err := c.acquire(ctx); err != nil {
		t.Fatal(err)
	}
	addr := c.addr
	t.Run("INIT-REBOOT with an address of another network is NAKed", func(t *testing.T) {
		other := station.player(macs(1, 2, "")[0])
		if a, err := other.reboot(ctx, netip.MustParseAddr("10.0.99.7")); !errors.Is(err, errNak) {
			t.Errorf("got %v, %v, want a NAK", a, err)
		}
	})
	t.Run("INFORM is answered without a lease", func(t *testing.T) {
		m, err := c.message(dhcpv4.MessageTypeInform, withCurrent(addr))
		if err != nil {
			t.Fatal(err)
		}
		a, err := c.first(ctx, m, netip.Addr{}, dhcpv4.MessageTypeAck)
		if err != nil {
			t.Fatal(err)
		}
		if !a.YourIPAddr.IsUnspecified() || a.Options.Has(dhcpv4.OptionIPAddressLeaseTime) || len(a.Router()) != 1 {
			t.Errorf("got %s", a.Summary())
		}
	})
	t.Run("a declined address is abandoned, and the client is given another", func(t *testing.T) {
		if err := c.decline(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.acquire(ctx); err != nil {
			t.Fatal(err)
		}
		if r := s.leases(t).record(addr); c.addr == addr || r.state != "abandoned" {
			t.Errorf("given %v again; the record of %v is %s", c.addr, addr, r.state)
		}
	})
	t.Run("a released address is free again, and the client's if it comes back", func(t *testing.T) {
		addr := c.addr
		if err := c.release(); err != nil {
			t.Fatal(err)
		}
		eventually(t, 5*time.Second, func() error {
			if r := s.leases(t).record(addr); r.state == "active" {
				return fmt.Errorf("the record of %v is %s", addr, r.state)
			}
			return nil
		})
		if _, err := c.acquire(ctx); err != nil || c.addr != addr {
			t.Errorf("had %v, has %v: %v", addr, c.addr, err)
		}
	})
	t.Run("SIGTERM ends the server, and its lease file is whole", func(t *testing.T) {
		s.stop(t)
		if err := l.told.onRecord(s.leases(t)); err != nil {
			t.Error(err)
		}
	})
}
