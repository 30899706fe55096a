package lease

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"sync"
)

// Memory is a Store that forgets when the process ends: for tests, and for servers that may. Its zero value is empty
// and ready.
type Memory struct {
	mu     sync.Mutex
	leases map[netip.Addr]Lease
	peers  map[string]Peer
	closed bool
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return new(Memory) }

// Load implements Store. It gives the Leases in the order of addresses.
func (m *Memory) Load(ctx context.Context) (iter.Seq2[Lease, error], []Peer, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, nil, ErrClosed
	}
	leases := slices.SortedFunc(maps.Values(m.leases), func(a, b Lease) int { return a.Addr.Compare(b.Addr) })
	var peers []Peer
	for _, name := range slices.Sorted(maps.Keys(m.peers)) {
		peers = append(peers, m.peers[name])
	}
	return func(yield func(Lease, error) bool) {
		for _, l := range leases {
			if !yield(l, nil) {
				return
			}
		}
	}, peers, nil
}

// Apply implements Store.
func (m *Memory) Apply(ctx context.Context, b Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.Validate(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	for _, c := range b.Changes {
		if have := normal(c.New.Addr, m.leases[c.New.Addr]); normal(c.New.Addr, c.Old) != have {
			return fmt.Errorf("%w: %v is %v", ErrConflict, c.New.Addr, have.Status)
		}
	}
	if m.leases == nil {
		m.leases, m.peers = make(map[netip.Addr]Lease), make(map[string]Peer)
	}
	for _, c := range b.Changes {
		if c.New.IsVirgin() {
			delete(m.leases, c.New.Addr)
		} else {
			m.leases[c.New.Addr] = c.New
		}
	}
	for _, p := range b.Peers {
		m.peers[p.Name] = p
	}
	return nil
}

// Submit implements Submitter. It calls done before it returns.
func (m *Memory) Submit(b Batch, done func(error)) { done(m.Apply(context.Background(), b)) }

// Hold implements Submitter: nothing is ever put off.
func (m *Memory) Hold() {}

// Release implements Submitter.
func (m *Memory) Release() {}

// Self implements Submitter.
func (m *Memory) Self() any { return m }

// Close implements Store. What Memory holds stays, and Reopen gives it back.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// Reopen makes a closed Memory usable again, with all it held: a restart of the server that lost nothing.
func (m *Memory) Reopen() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = false
}
