package dora

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// Pinger asks whether somebody uses an address. NewICMP is one that pings.
type Pinger interface {
	// Ping reports whether addr answers before ctx ends. That it did not is no error. It may be called by several
	// goroutines at once, but for one address by one.
	Ping(ctx context.Context, addr netip.Addr) (answered bool, err error)
}

// prober pings addresses, each once at a time, for a bounded number of messages.
type prober struct {
	pinger Pinger
	slots  chan struct{} // one is taken for each message that waits
	mu     sync.Mutex
	under  map[netip.Addr]*probe
}

// probe is a ping under way. What it found may be read when done is closed.
type probe struct {
	done     chan struct{}
	answered bool
	err      error
}

func newProber(p Pinger, most int) *prober {
	return &prober{pinger: p, slots: make(chan struct{}, most), under: make(map[netip.Addr]*probe)}
}

// errProbes says that too many messages wait for pings already, and none was sent for this one.
var errProbes = errors.New("dora: too many pings under way")

// ask waits until somebody answers at addr, or timeout has passed, or ctx ends, which is an error.
func (p *prober) ask(ctx context.Context, addr netip.Addr, timeout time.Duration) (answered bool, err error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	default:
		return false, errProbes
	}
	p.mu.Lock()
	b := p.under[addr]
	if b != nil { // the same client asked twice
		p.mu.Unlock()
		select {
		case <-b.done:
			return b.answered, b.err
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	b = &probe{done: make(chan struct{})}
	p.under[addr] = b
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.under, addr)
		p.mu.Unlock()
		close(b.done)
	}()
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	b.answered, b.err = p.pinger.Ping(limited, addr)
	if ctx.Err() != nil {
		b.err = ctx.Err()
	}
	return b.answered, b.err
}
