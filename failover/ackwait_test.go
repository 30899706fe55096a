package failover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

const testAckWait = 50 * time.Millisecond

func patiently(c *Config) { c.AckWait = testAckWait }

// slow is a Transport on whose connections what this side writes arrives later.
type slow struct {
	Transport
	delay time.Duration
}

func (s slow) Dial(ctx context.Context) (net.Conn, error) {
	c, err := s.Transport.Dial(ctx)
	return slowConn{c, s.delay}, err
}

func (s slow) Listen(ctx context.Context) (net.Listener, error) {
	l, err := s.Transport.Listen(ctx)
	return slowListener{l, s.delay}, err
}

type slowListener struct {
	net.Listener
	delay time.Duration
}

func (l slowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return slowConn{c, l.delay}, err
}

type slowConn struct {
	net.Conn
	delay time.Duration
}

func (c slowConn) Write(b []byte) (int, error) {
	time.Sleep(c.delay) // of the bubble
	return c.Conn.Write(b)
}

// TestAckWait has a partner that takes its time to answer: within the bound the client gets what the configuration gives,
// beyond it MCLT, and it is never kept waiting for longer. What is told is durable, and within MCLT of what is known.
func TestAckWait(t *testing.T) {
	const mclt, day = time.Hour, 24 * time.Hour
	for _, tc := range []struct {
		name  string
		wait  time.Duration // Config.AckWait
		delay time.Duration // of the partner's answers
		want  time.Duration // of the lease
		took  time.Duration // at most
	}{
		{"at once", testAckWait, 0, day, maxRest},
		{"in time", testAckWait, 40 * time.Millisecond, day, 40*time.Millisecond + maxRest},
		{"too late", testAckWait, 60 * time.Millisecond, mclt, testAckWait},
		{"as late as an ISC dhcpd", testAckWait, 2 * time.Second, mclt, testAckWait},
		{"not waited for", 0, 0, mclt, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{}
				p := startNode(t, Primary, pipeTransport{w, 0}, func(c *Config) { c.AckWait = tc.wait })
				s := startNode(t, Secondary, slow{pipeTransport{w, 1}, tc.delay}, nil)
				time.Sleep(65 * time.Second) // of the bubble; not when CONTACT is due, which would be in the way
				p.want(t, Normal)
				s.want(t, Normal)
				began := time.Now()
				asked, err := p.give(t.Context(), mac(1))
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > tc.took {
					t.Errorf("it took %v, want at most %v", took, tc.took)
				}
				l := p.book.Get(asked.Addr)
				if got := l.Expiry.Sub(began.Truncate(time.Second)); got != tc.want {
					t.Errorf("the lease is %v long, want %v", got, tc.want)
				}
				kept, _, err := p.store.Load(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for k, err := range kept {
					if err != nil {
						t.Fatal(err)
					}
					if k.Addr == l.Addr && k.Expiry.Before(l.Expiry) {
						t.Errorf("durable is %v, told is %v", k.Expiry, l.Expiry)
					}
				}
				if most := later(began, l.KnownExpiry()).Add(mclt + time.Second); l.Expiry.After(most) {
					t.Errorf("until %v, the partner knows of %v", l.Expiry, l.KnownExpiry())
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if got, own := s.book.Get(l.Addr), p.book.Get(l.Addr); !got.Expiry.Equal(own.Expiry) || own.Unacked {
					t.Errorf("the partner has it until %v, want %v", got.Expiry, own.Expiry)
				}
			})
		})
	}
}

// TestAckWaitHoldsUpNobody has a partner that answers nothing in time and many clients at once: the first wait, the
// others are not kept, and one that renews is not either.
func TestAckWaitHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		p := startNode(t, Primary, pipeTransport{w, 0}, patiently)
		s := startNode(t, Secondary, slow{pipeTransport{w, 1}, 5 * time.Second}, nil)
		time.Sleep(time.Minute) // of the bubble
		p.want(t, Normal)
		s.want(t, Normal)
		old, err := p.give(t.Context(), mac(200))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // it is acknowledged
		old = p.book.Get(old.Addr)
		var mu sync.Mutex
		took := make(map[time.Duration]int)
		var all sync.WaitGroup
		began := time.Now()
		now := lease.Second(began)
		var free []lease.Lease
		for a := range p.pool.Addrs() {
			if l := p.book.Get(a); l.Status == lease.Free && len(free) < maxHeld+20 {
				free = append(free, l)
			}
		}
		for i, l := range free {
			all.Go(func() {
				n := l
				n.Status, n.Client, n.LastTransaction = lease.Active, mac(byte(i)), now
				n.Expiry, n.SentPotentialExpiry = now.Add(time.Hour), now.Add(24*time.Hour)
				if err := p.Commit(t.Context(), lease.Change{Old: l, New: n}); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
				mu.Lock()
				defer mu.Unlock()
				took[time.Since(began)]++
			})
		}
		all.Go(func() {
			n := old
			n.LastTransaction, n.Expiry, n.SentPotentialExpiry = now, now.Add(24*time.Hour), now.Add(24*time.Hour)
			if err := p.Commit(t.Context(), lease.Change{Old: old, New: n}); err != nil {
				t.Errorf("the renewal: %v", err)
			}
			if d := time.Since(began); d > 0 {
				t.Errorf("the renewal took %v", d)
			}
		})
		all.Wait()
		if took[0] != 20 || took[testAckWait] != maxHeld {
			t.Errorf("they took %v, want 20 nothing and %d %v", took, maxHeld, testAckWait)
		}
	})
}

// TestAckWaitStands has something come in between: what the first write made stands, and nothing longer is told.
func TestAckWaitStands(t *testing.T) {
	for name, meddle := range map[string]func(t *testing.T, w *wire, p *server, l lease.Lease){
		"the link is cut": func(_ *testing.T, w *wire, _ *server, _ lease.Lease) { w.cut(true) },
		"the client gives it back": func(t *testing.T, _ *wire, p *server, l lease.Lease) {
			gone := l
			gone.Status = lease.Released
			if err := p.Commit(t.Context(), lease.Change{Old: l, New: gone}); err != nil {
				t.Error(err)
			}
		},
		"the disk is full": func(_ *testing.T, _ *wire, p *server, _ lease.Lease) { p.store.set(errors.New("full")) },
		"the server stops": func(_ *testing.T, _ *wire, p *server, _ lease.Lease) { p.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{}
				p := startNode(t, Primary, pipeTransport{w, 0}, patiently)
				s := startNode(t, Secondary, slow{pipeTransport{w, 1}, 20 * time.Millisecond}, nil)
				time.Sleep(time.Minute) // of the bubble
				p.want(t, Normal)
				s.want(t, Normal)
				began := lease.Second(time.Now())
				var addr netip.Addr
				done := make(chan error)
				go func() {
					l, err := p.give(t.Context(), mac(1))
					addr = l.Addr
					done <- err
				}()
				time.Sleep(10 * time.Millisecond)
				for l := range p.book.All() {
					if l.Status == lease.Active {
						meddle(t, w, p, l)
					}
				}
				if err := <-done; err != nil {
					t.Errorf("what is durable is refused: %v", err)
				}
				if l := p.book.Get(addr); l.Expiry.After(began.Add(time.Hour)) {
					t.Errorf("it is %v until %v", l.Status, l.Expiry)
				}
			})
		})
	}
}

// TestAckWaitCrowd has many clients come to both servers while the answers of each take a random time. No promise goes
// further than MCLT beyond what is known, and no address is given twice.
func TestAckWaitCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		p := startNode(t, Primary, slow{pipeTransport{w, 0}, 5 * time.Millisecond}, patiently)
		s := startNode(t, Secondary, slow{pipeTransport{w, 1}, 15 * time.Millisecond}, patiently)
		time.Sleep(time.Minute) // of the bubble
		p.want(t, Normal)
		s.want(t, Normal)
		holder := make(map[netip.Addr]string)
		full := 0
		for i := range byte(60) {
			n := p
			if i%2 == 1 {
				n = s
			}
			l, err := n.give(t.Context(), mac(i))
			if err != nil {
				t.Fatal(err)
			}
			if other := holder[l.Addr]; other != "" {
				t.Errorf("%v is given to %s and %d", l.Addr, other, i)
			}
			holder[l.Addr] = fmt.Sprint(i)
			l = n.book.Get(l.Addr)
			if most := later(time.Now(), l.KnownExpiry()).Add(time.Hour + time.Second); l.Expiry.After(most) {
				t.Errorf("until %v, the partner knows of %v", l.Expiry, l.KnownExpiry())
			}
			if time.Until(l.Expiry) > 23*time.Hour {
				full++
			}
		}
		if full < 50 {
			t.Errorf("%d of 60 get the full time", full)
		}
	})
}

func TestAckWaitIsBounded(t *testing.T) {
	for _, d := range []time.Duration{-1, maxAckWait + 1} {
		c := Config{Name: "a", Local: netip.MustParseAddrPort("10.0.0.1:1"), Partner: netip.MustParseAddrPort("10.0.0.2:1"), Role: Secondary, AckWait: d}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "AckWait") {
			t.Errorf("%v: %v", d, err)
		}
	}
}
