package failovertest

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
)

// The known ways to lose an address, or to give it twice. Each is a world in which exactly that is done.

// plot is a scene to be played.
type plot struct {
	name string
	cfg  Config
	fix  func(*Model)
	do   func(*scene)

	doubles bool // addresses are given twice, and people are told
}

var catalogue = slices.Concat(knownWays, foundWays)

// knownWays are those that the literature, and the users of other servers, tell of.
var knownWays = []plot{
	{name: "undivided pool on a split", cfg: Config{Clients: 24, Addresses: 60}, do: func(s *scene) {
		// Kea 2.2 in hot-standby gives 60 clients 30 addresses. Here each side gives only its own.
		s.pass(10 * time.Second)
		s.split()
		s.pass(30 * time.Minute)
		if s.bound() < len(s.clients)*3/4 { // some are off
			s.t.Errorf("%d of %d clients are bound on the two sides", s.bound(), len(s.clients))
		}
		s.join()
	}},
	{name: "both forced to partner-down", cfg: Config{Clients: 20, Addresses: 12}, doubles: true, do: func(s *scene) {
		s.pass(10 * time.Minute)
		s.ruin()
		s.split()
		s.down(s.primary(), true)
		s.down(s.secondary(), true)
		s.pass(5 * time.Hour) // each takes the other's addresses, and its clients' when they have ended
		s.join()
		s.pass(time.Minute)
	}},
	{name: "partner-down server dies and the stale partner starts alone", cfg: Config{Clients: 20, Addresses: 12}, doubles: true, do: func(s *scene) {
		s.pass(10 * time.Minute)
		s.secondary().die(true)
		s.pass(time.Minute)
		s.down(s.primary(), false)
		var absent []*client
		for _, c := range s.clients {
			if c.holds() && len(absent) < 4 {
				absent = append(absent, c)
				s.off(c)
			}
		}
		s.pass(3 * time.Hour) // others get their addresses
		s.ruin()              // nobody may do what follows
		s.primary().die(true)
		s.secondary().boot()
		s.pass(time.Minute)
		for _, c := range absent {
			c.reboot()
		}
		s.pass(3 * time.Hour)
		s.primary().boot()
	}},
	{name: "expiry judged by a skewed clock", cfg: Config{Clients: 20, Addresses: 10}, do: func(s *scene) {
		s.primary().set(40 * time.Second)
		s.secondary().set(-15 * time.Second)
		s.pass(8 * time.Hour)
		s.secondary().set(40 * time.Second)
		s.primary().set(-15 * time.Second)
		s.pass(8 * time.Hour)
	}},
	{name: "lease file gone in a compaction window", fix: func(m *Model) { m.files = true }, do: func(s *scene) {
		s.pass(time.Hour)
		s.cut() // what the primary promises now is in its file alone
		s.pass(20 * time.Minute)
		s.lose(s.primary())
		s.boot(s.primary())
		s.join()
		s.pass(time.Minute)
		if s.primary().status.Answers() == nil {
			s.t.Error("a server without a ledger serves before all it may have promised is over")
		}
		s.pass(4 * time.Hour)
	}},
	{name: "restored old store", do: func(s *scene) {
		backup := s.primary().store.clone()
		s.pass(3 * time.Hour)
		s.ruin()
		s.primary().die(true)
		if err := s.primary().store.restore(backup); err != nil {
			s.t.Fatal(err)
		}
		s.boot(s.primary())
		s.primary().give(failover.Order{Kind: failover.OrderRecover})
		s.pass(time.Hour)
		s.state(s.primary(), failover.Normal)
	}},
	{name: "restored old store and nobody says so", do: func(s *scene) {
		backup := s.secondary().store.clone()
		s.pass(3 * time.Hour)
		s.ruin()
		s.stale = true
		s.secondary().die(true)
		if err := s.secondary().store.restore(backup); err != nil {
			s.t.Fatal(err)
		}
		s.boot(s.secondary())
		s.pass(3 * time.Hour)
	}},
	{name: "update window leaked on a dropped link", cfg: Config{Clients: 20, Addresses: 40}, fix: func(m *Model) { m.window = 2 },
		do: func(s *scene) {
			s.wire.delay = 500 * time.Millisecond
			for range 60 {
				s.wire.reset(2)
				s.pass(7 * time.Second)
			}
		}},
	{name: "partner-down reallocating at the end it knows while the partner had renewed", cfg: Config{Clients: 14, Addresses: 12}, do: func(s *scene) {
		s.pass(40 * time.Minute)
		s.cut()
		s.pass(time.Minute)
		for _, c := range s.clients {
			if c.holds() && c.state == bound && (s.now-c.since)*3 > c.end-c.since { // else it is told what is left
				s.renew(c, s.secondary()) // and the primary does not hear of it
			}
		}
		s.secondary().die(true)
		s.secondary().held = true
		s.mend()
		s.pass(10 * time.Second)
		s.down(s.primary(), false)
		s.pass(6 * time.Hour)
		s.revive(s.secondary())
	}},
	{name: "start straight into partner-down with an old start time", cfg: Config{Clients: 20, Addresses: 12}, do: func(s *scene) {
		s.pass(10 * time.Minute)
		s.secondary().die(true)
		s.secondary().held = true
		s.pass(time.Minute)
		s.down(s.primary(), false)
		s.pass(30 * time.Minute)
		s.primary().die(true)
		s.pass(20 * time.Hour)
		s.primary().boot()
		s.pass(3 * time.Hour)
		s.revive(s.secondary())
	}},
	{name: "duelling updates", cfg: Config{Clients: 20, Addresses: 30}, do: func(s *scene) {
		s.wire.delay = time.Second
		for range 40 {
			for _, c := range s.clients {
				if c.state != bound {
					continue
				}
				c.become(rebinding) // both servers hear it, and both tell the other
				c.began = s.now
				c.ask()
			}
			s.pass(3 * time.Second)
		}
	}},
	{name: "EXPIRED that never becomes FREE", cfg: Config{Clients: 10, Addresses: 10}, do: func(s *scene) {
		s.pass(30 * time.Minute)
		s.cut()
		for _, c := range s.clients {
			c.forget()
			c.addr = netip.Addr{}
			s.off(c)
		}
		s.pass(6 * time.Hour)
		s.mend()
		s.pass(5 * time.Minute)
		if c := s.primary().pool.Counts(); c.Free+c.Backup != 10 {
			s.t.Errorf("%+v after the partners have met, want 10 available", c)
		}
	}},
	{name: "both answer one REQUEST", cfg: Config{Clients: 12, Addresses: 20}, do: func(s *scene) {
		s.pass(20 * time.Minute)
		for range 10 {
			for _, c := range s.clients {
				if c.state == bound {
					s.tracef("client %d is on again", c.id)
					c.reboot() // INIT-REBOOT is no server's
				}
			}
			s.pass(5 * time.Minute)
		}
	}},
	{name: "ACK sent before the write", cfg: Config{Clients: 15, Addresses: 20}, do: func(s *scene) {
		for n := range 60 {
			v := s.servers[n%2]
			v.crash = beforeSave + crashPoint(n/2%5)
			s.pass(2 * time.Minute)
			s.boot(v)
		}
	}},
	{name: "a malformed record that stops the next start", fix: func(m *Model) { m.files = true }, do: func(s *scene) {
		s.pass(time.Hour)
		for n, tail := range []string{"lease 10.0.0.1 {\n  starts 9 x", "}}}}\n", "\x00\x00\x00", "lease 999.0.0.1 { }\n"} {
			v := s.servers[n%2]
			v.die(false)
			file, err := v.store.disk.OpenFile(leasePath, os.O_RDWR, 0)
			if err != nil {
				s.t.Fatal(err)
			}
			info, err := file.Stat()
			if err != nil {
				s.t.Fatal(err)
			}
			if _, err := file.WriteAt([]byte(tail), info.Size()); err != nil {
				s.t.Fatal(err)
			}
			if err := errors.Join(file.Sync(), file.Close()); err != nil {
				s.t.Fatal(err)
			}
			s.pass(10 * time.Second)
			s.boot(v)
			s.pass(10 * time.Minute)
			if !v.alive {
				s.t.Fatalf("%s does not start after %q", v.name, tail)
			}
		}
	}},
	{name: "one client with two identifiers", cfg: Config{Clients: 6, Addresses: 12}, do: func(s *scene) {
		for range 20 {
			for _, c := range s.clients {
				if c.state == bound {
					c.forget()
					c.rename()
					c.begin()
				}
			}
			s.pass(20 * time.Minute)
		}
	}},
	{name: "POOLREQ ping-pong", cfg: Config{Clients: 2, Addresses: 3}, do: func(s *scene) {
		s.pass(time.Hour)
		s.conversation = 0
		s.pass(5 * time.Hour)
		if s.conversation > 400 {
			s.t.Errorf("%d messages about three addresses in five hours", s.conversation)
		}
	}},
	{name: "a message that ends the partner", do: func(s *scene) {
		for n := range 300 {
			s.wire.garble[n%2] = uint32(n)*2654435761 | 1
			s.pass(11 * time.Second)
		}
	}},
	{name: "a reservation moved while leased", cfg: Config{Clients: 10, Addresses: 9}, do: func(s *scene) {
		s.pass(30 * time.Minute)
		var moved netip.Addr
		for _, v := range s.servers { // somebody edits the files of both
			v.die(false)
			for _, a := range []byte{1, 2, 3, 4, 5, 6, 7, 8, 9} {
				l := v.store.get(netip.AddrFrom4([4]byte{10, 0, 0, a}))
				if l.Status == lease.Active && (!moved.IsValid() || moved == l.Addr) {
					moved = l.Addr
					l.Flags |= lease.Reserved
					v.store.leases[l.Addr] = l
				}
			}
		}
		if !moved.IsValid() {
			s.t.Fatal("nobody is bound")
		}
		owner := s.primary().store.get(moved).Client
		s.boot(s.primary())
		s.boot(s.secondary())
		for range 30 {
			s.pass(10 * time.Minute)
			for _, v := range s.servers {
				if l := v.book.Get(moved); l.Status == lease.Active && !l.Client.Is(owner) {
					s.t.Fatalf("%s gives what is set aside for %v: %s", v.name, owner, show(l))
				}
			}
		}
	}},
	{name: "differing ranges", cfg: Config{Clients: 20, Addresses: 20}, fix: func(m *Model) {
		m.unequal = true
	}, do: func(s *scene) {
		s.secondary().die(false)
		s.secondary().addrs = s.ranges(14)
		s.boot(s.secondary())
		s.pass(3 * time.Hour)
		s.secondary().die(true)
		s.pass(time.Hour)
		s.boot(s.secondary())
		s.pass(3 * time.Hour)
	}},
}

func play(t *testing.T, n int, trace *bytes.Buffer) Report {
	c := catalogue[n]
	cfg := c.cfg
	cfg.Seed, cfg.Faults, cfg.Time = uint64(n+1), None, time.Hour
	if cfg.Addresses == 0 {
		cfg.Addresses, cfg.Clients = 16, 14
	}
	cfg.fix = func(m *Model) {
		m.mclt, m.lease, m.receive, m.maxSecs, m.split, m.window = sceneMCLT, sceneLease, 30*time.Second, 3, 128, 10
		m.safe, m.full, m.eager, m.files = 0, false, false, false
		if c.fix != nil {
			c.fix(m)
		}
	}
	if trace != nil {
		cfg.Trace = trace
	}
	s := &scene{New(cfg), t}
	s.start()
	s.pass(10 * time.Minute)
	c.do(s)
	s.heal()
	r, err := s.finish()
	if err != nil {
		t.Error(err)
	}
	return r
}

func TestCatalogue(t *testing.T) {
	for n, c := range catalogue {
		t.Run(c.name, func(t *testing.T) {
			var trace bytes.Buffer
			first := play(t, n, &trace)
			if t.Failed() {
				tail(t, &trace)
				return
			}
			if again := play(t, n, nil); again.Hash != first.Hash || again.Steps != first.Steps {
				t.Errorf("%x in %d events, and then %x in %d", first.Hash, first.Steps, again.Hash, again.Steps)
			}
			if first.Doubled > 0 != c.doubles {
				t.Errorf("%d addresses were given twice", first.Doubled)
			}
			t.Logf("%v, %d DHCPACKs, %d messages, %d doubled", first.Time, first.Acks, first.Messages, first.Doubled)
		})
	}
}

// tail shows the end of what happened.
func tail(t *testing.T, trace *bytes.Buffer) {
	t.Helper()
	lines := bytes.Split(trace.Bytes(), []byte("\n"))
	t.Logf("the end of what happened:\n%s", bytes.Join(lines[max(0, len(lines)-40):], []byte("\n")))
}
