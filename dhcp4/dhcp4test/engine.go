package dhcp4test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/tandem-dhcp/tandem/dhcp4"
	"github.com/tandem-dhcp/tandem/dhcp4/dora"
	"github.com/tandem-dhcp/tandem/failover"
	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
	"github.com/tandem-dhcp/tandem/pool"
)

// assemble makes ledger, pools, gate and engine. s.mu is held.
func (s *Server) assemble(ctx context.Context) (dhcp4.Handler, []func(context.Context) error, error) {
	s.store, s.endpoint = nil, nil
	paired := func(netip.Addr) bool { return s.pair != nil }
	var err error
	if s.store, err = leasefile.Open(leaseFile, leasefile.Config{FS: diskFS{s.disk}, Failover: paired}); err != nil {
		return nil, nil, err
	}
	cfg, shares := s.engine()
	if s.book, err = lease.OpenBook(ctx, s.store, lease.BookConfig{ScopeOf: cfg.ScopeOf()}); err != nil {
		return nil, nil, err
	}
	s.pools = nil
	for i, sh := range shares {
		p, err := pool.New(pool.Config{Name: sh.bounds.String(), Ranges: []pool.Range{sh.bounds}}, s.book)
		if err != nil {
			return nil, nil, fmt.Errorf("ServerConfig.Pools[%d]: %w", i, err)
		}
		s.book.Observe(p)
		s.pools = append(s.pools, p)
	}
	gate, run, err := s.gate()
	if err != nil {
		return nil, nil, err
	}
	for i, sh := range shares {
		sh.Pool.Pool, sh.Gate = s.pools[i], gate
		n := &cfg.Networks[sh.network]
		n.Pools = append(n.Pools, sh.Pool)
	}
	if s.cfg.Ping {
		cfg.Pinger = pinger{s.at}
	}
	if s.cfg.Adjust != nil {
		s.cfg.Adjust(&cfg)
	}
	engine, err := dora.New(cfg, s.book, s.cfg.Logger)
	return engine, []func(context.Context) error{run}, err
}

// share is a pool in the making: which network it is of, and its addresses.
type share struct {
	dora.Pool
	network int
	bounds  pool.Range
}

// engine returns the configuration of the engine, without its pools, and those.
func (s *Server) engine() (dora.Config, []share) {
	cfg := dora.Config{Settings: s.cfg.Settings, Address: s.addr}
	pools := s.cfg.Pools
	if len(pools) == 0 {
		pools = []Pool{{}}
	}
	var shares []share
	network := make(map[netip.Prefix]int)
	for _, p := range pools {
		if !p.Prefix.IsValid() {
			p.Prefix = s.lan.prefix
		}
		n, ok := network[p.Prefix]
		if !ok {
			n = len(cfg.Networks)
			network[p.Prefix] = n
			cfg.Networks = append(cfg.Networks, dora.Network{Name: p.Prefix.String(), Subnets: []dora.Subnet{{Prefix: p.Prefix}}})
		}
		shares = append(shares, share{dora.Pool{Settings: p.Settings, Allow: p.Allow, Deny: p.Deny}, n, p.bounds()})
	}
	return cfg, shares
}

// bounds is the range of the pool.
func (p Pool) bounds() pool.Range {
	base := binary.BigEndian.Uint32(p.Prefix.Masked().Addr().AsSlice())
	nth := func(n uint32) netip.Addr {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, base+n)))
	}
	size := uint32(1) << (32 - p.Prefix.Bits())
	r := pool.Range{First: p.First, Last: p.Last}
	if !r.First.IsValid() {
		r.First = nth(min(10, size/2))
	}
	if !r.Last.IsValid() {
		r.Last = nth(size - 2)
	}
	return r
}

// gate makes what stands between engine and ledger, and what must run for it.
func (s *Server) gate() (dora.Gate, func(context.Context) error, error) {
	if s.pair == nil {
		alone := dora.NewAlone(s.book, s.cfg.Logger, s.pools...)
		return alone, alone.Run, nil
	}
	cfg, err := s.pair.relationship(s.role, s.pools)
	if err != nil {
		return nil, nil, err
	}
	o := failover.Options{Transport: end{s.pair.wire, int(s.role)}, Logger: s.cfg.Logger, Clock: s.clock.now}
	s.endpoint, err = failover.NewEndpoint(cfg, s.book, o)
	if err != nil {
		return nil, nil, err
	}
	return s.endpoint, s.endpoint.Run, nil
}
