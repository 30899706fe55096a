package dhcp4test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
	"github.com/tandem-dhcp/tandem/pool"
)

// What a PairConfig's zero fields stand for.
const (
	defaultMCLT    = time.Hour
	defaultMaxSecs = 3
	defaultSplit   = 128
	// awaitTime is how long Await and Settle wait.
	awaitTime = 5 * time.Minute
	// lookTime is how often they look.
	lookTime = 10 * time.Millisecond
)

// PairConfig is two servers that share their pools. The zero value is a good one.
type PairConfig struct {
	ServerConfig // of both; Addr is the primary's, and if it is set the secondary has the next one

	MCLT time.Duration // zero is an hour
	// Split is how many of 256 hash buckets the primary serves. Zero is 128; less than zero is none.
	Split int
	// MaxSecs is after how many seconds a client is answered by both. Zero is 3.
	MaxSecs uint16
	// AdjustFailover, if not nil, changes what each side's endpoint is told before each start.
	AdjustFailover func(*failover.Config)
}

// Pair is two whole servers that are each other's partner.
type Pair struct {
	Primary, Secondary *Server

	lan  *LAN
	cfg  PairConfig
	wire *wire
}

// NewPair starts two servers with empty disks. Await(failover.Normal) waits until they have met.
func (l *LAN) NewPair(cfg PairConfig) *Pair {
	l.t.Helper()
	p := &Pair{lan: l, cfg: cfg}
	p.Primary = p.server(failover.Primary, cfg.Addr)
	second := netip.Addr{}
	if cfg.Addr.IsValid() {
		second = cfg.Addr.Next()
	}
	p.Secondary = p.server(failover.Secondary, second)
	p.wire = newWire(p.Primary.at, p.Secondary.at)
	l.atEnd(p.wire.close)
	l.atEnd(p.Secondary.Stop)
	l.atEnd(p.Primary.Stop)
	p.Primary.start()
	p.Secondary.start()
	return p
}

func (p *Pair) server(role failover.Role, addr netip.Addr) *Server {
	p.lan.t.Helper()
	cfg := p.cfg.ServerConfig
	cfg.Addr = addr
	s := p.lan.newServer(cfg)
	s.pair, s.role, s.disk = p, role, leasetest.NewDisk(cfg.Seed+uint64(role))
	return s
}

// relationship returns what the endpoint of a side is told.
func (p *Pair) relationship(role failover.Role, pools []*pool.Pool) (failover.Config, error) {
	local, partner := p.Primary.addr, p.Secondary.addr
	if role == failover.Secondary {
		local, partner = partner, local
	}
	cfg := failover.Config{
		Name: "dhcp4test", Role: role, Pools: pools, MaxSecs: p.cfg.MaxSecs,
		Local: netip.AddrPortFrom(local, 0), Partner: netip.AddrPortFrom(partner, 0),
	}
	if cfg.MaxSecs == 0 {
		cfg.MaxSecs = defaultMaxSecs
	}
	if role == failover.Primary {
		split := p.cfg.Split
		if split == 0 {
			split = defaultSplit
		}
		hba, err := pool.Split(max(split, 0))
		if err != nil {
			return cfg, fmt.Errorf("PairConfig.Split: %w", err)
		}
		cfg.HBA, cfg.MCLT = &hba, p.cfg.MCLT
		if cfg.MCLT == 0 {
			cfg.MCLT = defaultMCLT
		}
	}
	if p.cfg.AdjustFailover != nil {
		p.cfg.AdjustFailover(&cfg)
	}
	return cfg, nil
}

// Other returns the partner of a server of the pair.
func (p *Pair) Other(s *Server) *Server {
	if s == p.Primary {
		return p.Secondary
	}
	return p.Primary
}

// CutLink cuts the servers off from each other, while clients still reach both. The connection goes silent; each side
// notices when its receive timer ends.
func (p *Pair) CutLink() { p.wire.setCut(0, true); p.wire.setCut(1, true) }

// CutFrom lets nothing through from this server to its partner; the other way stays open.
func (p *Pair) CutFrom(s *Server) { p.wire.setCut(int(s.role), true) }

// HealLink undoes CutLink and CutFrom. What was held back arrives.
func (p *Pair) HealLink() { p.wire.setCut(0, false); p.wire.setCut(1, false) }

// ResetLink ends the connection, which both notice at once and make anew.
func (p *Pair) ResetLink() { p.wire.reset() }

// Await waits until both servers are in the state, and fails the test if they are not within five minutes.
func (p *Pair) Await(want failover.State) {
	p.lan.t.Helper()
	p.until(fmt.Sprintf("both to be %v", want), func() error {
		if a, b := p.Primary.State(), p.Secondary.State(); a != want || b != want {
			return fmt.Errorf("the primary is %v, the secondary %v", a, b)
		}
		return nil
	})
}

// Await waits until this server is in the state, and fails the test if it is not within five minutes.
func (s *Server) Await(want failover.State) {
	s.lan.t.Helper()
	if s.pair == nil {
		s.lan.t.Fatalf("dhcp4test: Await(%v): %v has no partner, and so no failover state", want, s)
	}
	s.pair.until(fmt.Sprintf("%v to be %v", s, want), func() error {
		if got := s.State(); got != want {
			return fmt.Errorf("it is %v", got)
		}
		return nil
	})
}

// Settle waits until both are NORMAL and have told each other all, and then has Check ask whether they agree on every
// address, and remember what every client holds. It fails the test if they are not at rest within five minutes.
func (p *Pair) Settle() {
	p.lan.t.Helper()
	rested := false
	p.until("both to be normal and to have told all", func() error {
		for _, s := range []*Server{p.Primary, p.Secondary} {
			if st := s.State(); st != failover.Normal {
				rested = false
				return fmt.Errorf("%v is %v", s, st)
			}
			if n := s.Endpoint().Status().Unacked; n > 0 {
				rested = false
				return fmt.Errorf("%v has %d updates that are not acknowledged", s, n)
			}
		}
		if !rested { // one more look: an answer may be on its way from the one to the other
			rested = true
			return fmt.Errorf("they have only just come to rest")
		}
		return nil
	})
	p.compare()
}

// until looks until look returns nil.
func (p *Pair) until(what string, look func() error) {
	p.lan.t.Helper()
	end := time.Now().Add(awaitTime)
	for {
		err := look()
		if err == nil {
			return
		}
		if !time.Now().Before(end) {
			p.lan.t.Fatalf("dhcp4test: waited %v for %s: %v", awaitTime, what, err)
		}
		time.Sleep(lookTime)
	}
}

// compare notes where the two ledgers differ from each other and from what clients hold.
func (p *Pair) compare() {
	a, b := p.Primary.Book(), p.Secondary.Book()
	g := &p.lan.ledger
	seen := make(map[netip.Addr]bool)
	for _, book := range []*lease.Book{a, b} {
		for l := range book.All() {
			x, y := a.Get(l.Addr), b.Get(l.Addr)
			if seen[l.Addr] {
				continue
			}
			seen[l.Addr] = true
			if x.Status == y.Status && (x.Status != lease.Active || x.Client.Is(y.Client) && x.Expiry.Equal(y.Expiry)) {
				continue
			}
			g.mu.Lock()
			g.breach(Agreed, l.Addr, "the primary has it %s, the secondary %s", said(x), said(y))
			g.mu.Unlock()
		}
	}
	slack := max(p.Primary.clock.behind(), p.Secondary.clock.behind())
	for _, s := range []*Server{p.Primary, p.Secondary} {
		g.remembered(netip.Addr{}, s.at.name, s.has, s.Book().Get, slack)
	}
}

// said is what a ledger says of an address.
func said(l lease.Lease) string {
	if l.Status != lease.Active {
		return l.Status.String()
	}
	return fmt.Sprintf("active for %v until %s", l.Client, l.Expiry.Format(time.DateTime))
}
