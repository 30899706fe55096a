package failover

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

var replay = flag.Uint64("seed", 0, "run TestRandomWorld with this seed alone, and show all that happens")

// TestRandomWorld lets two servers live through cut connections, crashes, deaths, partner-down and failed writes, with clients that come, renew,
// go and vanish, and asks after each step that no address is held by two clients, each by what it was told. At the end
// of each life all is quiet, and the two must agree and be normal.
func TestRandomWorld(t *testing.T) {
	if *replay != 0 {
		randomWorld(t, *replay, t.Logf)
		return
	}
	seeds := uint64(150)
	if testing.Short() {
		seeds = 20
	}
	for s := uint64(1); s <= seeds; s++ {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			randomWorld(t, s, func(string, ...any) {})
			if t.Failed() {
				t.Logf("go test ./failover -run TestRandomWorld -seed %d -v", s)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// holder is a client as it sees itself.
type holder struct {
	client lease.Client
	addr   netip.Addr
	until  time.Time
	server int // that gave it last
}

func randomWorld(t *testing.T, seed uint64, logf func(string, ...any)) {
	rng := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, 30)
	w.settle()
	w.quiet = true
	clients := make([]holder, 25)
	for i := range clients {
		clients[i].client = mac(byte(i))
	}
	holds := make(map[netip.Addr]int) // index of the client that was told last
	told := func(i int, l lease.Lease, server int) {
		if j, ok := holds[l.Addr]; ok && j != i && clients[j].addr == l.Addr && clients[j].until.After(w.now) {
			t.Fatalf("seed %d, %v: %v is given to client %d until %v, but client %d has it until %v",
				seed, w.now.Sub(start), l.Addr, i, l.Expiry.Sub(start), j, clients[j].until.Sub(start))
		}
		holds[l.Addr] = i
		clients[i].addr, clients[i].until, clients[i].server = l.Addr, l.Expiry, server
	}
	act := func(i int) {
		c := &clients[i]
		server := rng.IntN(2)
		n := w.nodes[server]
		if n.dead || services[n.machine.State()] == silent {
			return
		}
		switch {
		case rng.IntN(12) == 0:
			c.addr = netip.Addr{} // it vanishes, and comes back as if new
		case rng.IntN(12) == 0 && c.addr.IsValid() && c.until.After(w.now):
			old := n.book.Get(c.addr)
			gone := old
			gone.Status, gone.Client, gone.LastTransaction = lease.Released, c.client, w.now
			err := n.step(Changed{lease.Change{Old: old, New: gone}})
			logf("%v client %d releases %v at %s: %v", w.now.Sub(start), i, c.addr, n.name, err)
			c.addr = netip.Addr{}
		default:
			l, err := n.grant(c.client, 20*time.Minute)
			logf("%v client %d asks %s: %v until %v, %v", w.now.Sub(start), i, n.name, l.Addr, l.Expiry.Sub(start), err)
			if err != nil {
				return
			}
			if rng.IntN(8) != 0 { // else the answer is lost
				told(i, l, server)
			}
		}
	}
	for range 400 {
		switch rng.IntN(20) {
		case 0:
			if w.wire {
				logf("%v cut", w.now.Sub(start))
				w.cut(errors.New("cut"))
			}
		case 1:
			n := w.nodes[rng.IntN(2)]
			switch k := rng.IntN(6); {
			case k == 0 && !n.other().dead:
				logf("%v %s dies", w.now.Sub(start), n.name)
				n.die()
			case k == 1 && n.dead && n.other().machine.State() != Startup:
				logf("%v partner-down at %s", w.now.Sub(start), n.other().name)
				n.other().fail = nil
				if err := n.other().order(OrderPartnerDown); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			default:
				logf("%v (re)start of %s", w.now.Sub(start), n.name)
				n.crash()
				if n.other().machine.State() == PartnerDown && !n.other().dead {
					w.connect() // else the order would have been wrong: it must hear before it serves
					n.fail, n.other().fail = nil, nil
					w.settle()
				}
			}
		case 2:
			n := w.nodes[rng.IntN(2)]
			logf("%v a write of %s will fail", w.now.Sub(start), n.name)
			n.fail = errors.New("no space")
		case 3, 4, 5:
			w.pass(time.Duration(rng.IntN(900)) * time.Second)
		case 6, 7:
			w.pass(time.Duration(rng.IntN(20)) * time.Second)
		default:
			act(rng.IntN(len(clients)))
		}
		for range rng.IntN(12) { // messages take their time
			w.deliver(rng.IntN(2))
		}
		if !w.wire && rng.IntN(4) == 0 && !w.nodes[0].dead && !w.nodes[1].dead {
			w.connect()
		}
	}
	for _, n := range w.nodes {
		n.fail = nil
		if n.dead {
			n.crash()
		}
	}
	if !w.wire {
		w.connect()
	}
	w.pass(2*time.Minute + w.nodes[0].cfg.MCLT) // RECOVER-WAIT may take MCLT
	w.nodes[0].state(Normal)
	w.nodes[1].state(Normal)
	w.agree()
	w.pass(2 * time.Hour)
	w.agree()
	if c := w.nodes[0].pool.Counts(); c.Free+c.Backup != 30 {
		t.Errorf("seed %d: %+v when every lease has ended, want 30 available", seed, c)
	}
}
