package dora

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"

	"github.com/tandem-dhcp/tandem/lease"
)

// squatters is a Pinger that hears some addresses, after a moment.
type squatters struct {
	mu    sync.Mutex
	there map[netip.Addr]bool
	err   error
	asked []netip.Addr
}

func (s *squatters) Ping(ctx context.Context, a netip.Addr) (bool, error) {
	s.mu.Lock()
	s.asked = append(s.asked, a)
	there, err := s.there[a], s.err
	s.mu.Unlock()
	if err != nil {
		return false, err
	}
	if there {
		<-time.After(time.Millisecond)
		return true, nil
	}
	<-ctx.Done()
	return false, nil
}

func pinging(t *testing.T, p *squatters, with ...func(*world)) *world {
	w := newWorld(t, "10.0.10.10", "10.0.10.13")
	w.cfg.Pinger = p
	for _, f := range with {
		f(w)
	}
	return w.open()
}

func TestPingBeforeOffer(t *testing.T) { synctest.Test(t, testPingBeforeOffer) }

func testPingBeforeOffer(t *testing.T) {
	p := &squatters{there: map[netip.Addr]bool{addr("10.0.10.10"): true, addr("10.0.10.11"): true}}
	w := pinging(t, p)
	w.now = time.Now()
	began := w.now
	w.expect("two addresses answer", msg{kind: dhcpDiscover}, "DHCPOFFER 10.0.10.12 10m0s")
	if took := time.Since(began); took != time.Second+2*time.Millisecond {
		t.Errorf("took %v", took)
	}
	for _, a := range []string{"10.0.10.10", "10.0.10.11"} {
		if l := w.book.Get(addr(a)); l.Status != lease.Abandoned {
			t.Errorf("%s is %v", a, l.Status)
		}
		if want := "Abandoning IP address " + a + ": pinged before offer"; !slices.Contains(w.lines(), want) && a == "10.0.10.10" {
			t.Errorf("not logged: %q", want)
		}
	}
	began = time.Now()
	w.now = began
	w.expect("the same client again", msg{kind: dhcpDiscover}, "DHCPOFFER 10.0.10.12 10m0s")
	w.dora(msg{})
	w.expect("its lease", msg{kind: dhcpDiscover}, "DHCPOFFER 10.0.10.12 10m0s")
	if took := time.Since(began); took != 0 || len(p.asked) != 3 {
		t.Errorf("took %v, %d pings", took, len(p.asked))
	}
	if got := w.server.Stats(); got.PingsHeard != 2 || got.PingsSilent != 1 || got.Abandoned != 2 {
		t.Errorf("%+v", got)
	}
}

func TestNoPing(t *testing.T) { synctest.Test(t, testNoPing) }

func testNoPing(t *testing.T) {
	began := time.Now()
	p := new(squatters)
	w := pinging(t, p, func(w *world) { w.cfg.Settings.PingCheck = Off })
	w.expect("switched off", msg{kind: dhcpDiscover}, "DHCPOFFER 10.0.10.10 10m0s")

	p.err = errors.New("no permission")
	w = pinging(t, p)
	w.expect("impossible", msg{kind: dhcpDiscover}, "DHCPOFFER 10.0.10.10 10m0s")
	if got := w.server.Stats().PingsFailed; got != 1 {
		t.Errorf("%d pings failed", got)
	}
	if took := time.Since(began); took != 0 {
		t.Errorf("took %v", took)
	}
}

func TestPingOfTwoMessages(t *testing.T) { synctest.Test(t, testPingOfTwoMessages) }

func testPingOfTwoMessages(t *testing.T) {
	p := new(squatters)
	w := pinging(t, p, func(w *world) { w.cfg.MaxPings = 3; w.cfg.Settings.PingTimeout = 5 * time.Second })
	began := time.Now()
	w.now = began
	offers := make([]string, 4)
	var wg sync.WaitGroup
	send := func(i, client int) {
		wg.Go(func() { offers[i] = say(w.send(msg{kind: dhcpDiscover, mac: number(client)})) })
		synctest.Wait()
	}
	send(0, 1)
	send(1, 1) // the same client again: one ping, one address
	send(2, 2)
	if len(p.asked) != 2 {
		t.Errorf("%d pings for two clients", len(p.asked))
	}
	offers[3] = say(w.send(msg{kind: dhcpDiscover, mac: number(3)})) // no room for a ping
	if took := time.Since(began); took != 0 || offers[3] == "silence" {
		t.Errorf("after %v: %q", took, offers[3])
	}
	wg.Wait()
	if took := time.Since(began); took != 5*time.Second {
		t.Errorf("took %v", took)
	}
	if offers[0] != offers[1] || offers[0] == offers[2] || offers[2] == offers[3] {
		t.Errorf("offers %q", offers)
	}
}

func TestPingEndsWithTheServer(t *testing.T) { synctest.Test(t, testPingEndsWithTheServer) }

func testPingEndsWithTheServer(t *testing.T) {
	w := pinging(t, new(squatters))
	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	m, err := w.server.ServeDHCP(ctx, msg{kind: dhcpDiscover}.request(t, time.Now()))
	if m != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%s, %v", say(m), err)
	}
}

// What happens while a ping is waited for counts.
func TestAddressIsLostDuringThePing(t *testing.T) { synctest.Test(t, testAddressIsLostDuringThePing) }

func testAddressIsLostDuringThePing(t *testing.T) {
	w := pinging(t, new(squatters))
	w.now = time.Now()
	time.AfterFunc(500*time.Millisecond, func() { w.put(active("10.0.10.10", msg{mac: number(7)}.client())) })
	w.expect("discover", msg{kind: dhcpDiscover}, "DHCPOFFER 10.0.10.11 10m0s")
}

func TestICMP(t *testing.T) {
	p, err := NewICMP()
	if err != nil {
		t.Skip(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			a := netip.AddrFrom4([4]byte{127, 0, 0, byte(i + 1)})
			if there, err := p.Ping(ctx, a); err != nil || !there {
				t.Errorf("%v answered %v, %v", a, there, err)
			}
		})
	}
	wg.Wait()
}

func TestForgedEchoReply(t *testing.T) {
	p := &ICMP{token: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}, raw: true, waiting: make(map[netip.Addr]*echo)}
	e, err := p.expect(addr("10.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.expect(addr("10.0.0.1")); err == nil {
		t.Error("two may wait for one address")
	}
	good := icmp.Message{Type: ipv4.ICMPTypeEchoReply, Body: &icmp.Echo{ID: p.id(), Seq: e.seq, Data: p.token[:]}}
	host := func(s string) net.Addr { return &net.IPAddr{IP: addr(s).AsSlice()} }
	take := func(m icmp.Message, from net.Addr) bool {
		b, err := m.Marshal(nil)
		if err != nil {
			t.Fatal(err)
		}
		p.take(b, from)
		select {
		case <-e.reply:
			return true
		default:
			return false
		}
	}
	bad := func(id, seq int, data string) icmp.Message {
		return icmp.Message{Type: ipv4.ICMPTypeEchoReply, Body: &icmp.Echo{ID: id, Seq: seq, Data: []byte(data)}}
	}
	for name, forged := range map[string]struct {
		m    icmp.Message
		from string
	}{
		"from another address":  {good, "10.0.0.2"},
		"a request":             {icmp.Message{Type: ipv4.ICMPTypeEcho, Body: good.Body}, "10.0.0.1"},
		"of another process":    {bad(p.id()+1, e.seq, string(p.token[:])), "10.0.0.1"},
		"of an earlier request": {bad(p.id(), e.seq-1, string(p.token[:])), "10.0.0.1"},
		"without our octets":    {bad(p.id(), e.seq, "12345678"), "10.0.0.1"},
	} {
		if take(forged.m, host(forged.from)) {
			t.Fatalf("taken for the reply: one %s", name)
		}
	}
	p.take([]byte{0}, host("10.0.0.1"))
	if !take(good, host("10.0.0.1")) {
		t.Error("the reply is not seen")
	}
	p.take([]byte{0, 0}, nil)
}
