package pool_test

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

// start is when the tests begin. Only differences matter.
var start = time.Unix(1795353900, 0).UTC()

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func span(first, last string) pool.Range { return pool.Range{First: addr(first), Last: addr(last)} }

// nth returns the address n after a.
func nth(a netip.Addr, n int) netip.Addr {
	b := a.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	v += uint32(n)
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// ledger is a View that is a map. It tells its pools of changes as a Book does: after they can be seen.
type ledger struct {
	mu     sync.RWMutex
	leases map[netip.Addr]lease.Lease
	pools  []*pool.Pool
}

func (v *ledger) Get(a netip.Addr) lease.Lease {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if l, ok := v.leases[a]; ok {
		return l
	}
	return lease.Virgin(a)
}

// publish makes l what Get shows, and returns what it showed before.
func (v *ledger) publish(l lease.Lease) lease.Lease {
	old := v.Get(l.Addr)
	v.mu.Lock()
	defer v.mu.Unlock()
	if l.IsVirgin() {
		delete(v.leases, l.Addr)
	} else {
		v.leases[l.Addr] = l
	}
	return old
}

func (v *ledger) set(l lease.Lease) {
	old := v.publish(l)
	for _, p := range v.pools {
		p.Changed(old, l)
	}
}

// newPool returns a pool and the ledger it follows.
func newPool(tb testing.TB, cfg pool.Config) (*pool.Pool, *ledger) {
	tb.Helper()
	v := &ledger{leases: make(map[netip.Addr]lease.Lease)}
	p, err := pool.New(cfg, v)
	if err != nil {
		tb.Fatal(err)
	}
	v.pools = append(v.pools, p)
	return p, v
}

// seed is the pool of 241 addresses of the usual configuration.
func seed(tb testing.TB) (*pool.Pool, *ledger) {
	return newPool(tb, pool.Config{Name: "seed", Ranges: []pool.Range{span("10.0.10.10", "10.0.10.250")}})
}

// mac returns the client with Ethernet address 02:10:00:00:xx:xx.
func mac(n int) lease.Client {
	return lease.Client{HW: lease.MakeHWAddr(1, []byte{2, 0x10, 0, 0, byte(n >> 8), byte(n)})}
}
