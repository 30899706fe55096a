package failover

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	// maxWaitingClients bounds each of the two tables of patience.
	maxWaitingClients = 4096
	// forgetTime is after how much silence a client that asks again is a new one.
	forgetTime = 30 * time.Second
)

// patience remembers since when the clients of the partner ask in vain: there are some that never count secs, and would
// wait for a partner that does not hear them for ever. When recent is full it becomes old, and what was old is
// forgotten.
type patience struct {
	mu          sync.Mutex
	seed        maphash.Seed
	recent, old map[uint64]asking
}

// asking is one client's trying.
type asking struct{ since, last time.Time }

func newPatience() *patience {
	return &patience{seed: maphash.MakeSeed(), recent: make(map[uint64]asking)}
}

// waited takes note that the client asks, and returns for how long it has.
func (p *patience) waited(now time.Time, stid []byte) time.Duration {
	h := maphash.Bytes(p.seed, stid)
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.recent[h]
	if !ok {
		a, ok = p.old[h]
	}
	if !ok || now.Sub(a.last) > forgetTime {
		a.since = now
	}
	a.last = now
	if len(p.recent) >= maxWaitingClients {
		p.recent, p.old = make(map[uint64]asking), p.recent
	}
	p.recent[h] = a
	return now.Sub(a.since)
}
