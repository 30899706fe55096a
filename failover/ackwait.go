package failover

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

const (
	// maxAckWait bounds Config.AckWait: clients ask again after some seconds.
	maxAckWait = 1 * time.Second
	// maxHeld is how many grants wait for the partner's word at a time: a quarter of the workers that a dhcp4.Server has,
	// so that a partner which is slow does not hold up the rest. One more is told MCLT at once.
	maxHeld = 64
)

// ackWaits are the addresses whose clients are answered when the partner has acknowledged the binding.
type ackWaits struct {
	mu    sync.Mutex
	known map[netip.Addr]chan struct{} // closed then
}

// enter makes room for an address, or reports that there is none.
func (h *ackWaits) enter(a netip.Addr) (known <-chan struct{}, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.known) == maxHeld || h.known[a] != nil {
		return nil, false
	}
	if h.known == nil {
		h.known = make(map[netip.Addr]chan struct{})
	}
	c := make(chan struct{})
	h.known[a] = c
	return c, true
}

// leave frees the room.
func (h *ackWaits) leave(a netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.known, a)
}

// saved tells those who wait which acknowledgements have become durable.
func (h *ackWaits) saved(changes []lease.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.known) == 0 {
		return
	}
	for _, c := range changes {
		known := h.known[c.New.Addr]
		if known == nil || c.New.AckedPotentialExpiry.IsZero() || c.New.AckedPotentialExpiry.Equal(c.Old.AckedPotentialExpiry) {
			continue
		}
		select {
		case <-known:
		default:
			close(known)
		}
	}
}

// short reports whether c is a grant whose client gets less than the configuration gives, because the partner knows too
// little, and the partner can be expected to learn it at once.
func (e *Endpoint) short(c lease.Change) bool {
	if e.cfg.AckWait == 0 || c.New.Status != lease.Active || !c.New.Expiry.Before(c.New.SentPotentialExpiry) {
		return false
	}
	s := e.status.Load()
	return s.State == Normal && s.Connected
}

// commitAndWait is Commit of a grant that short says so of: the lease is made as it may be now, and once more when the
// partner has acknowledged it within Config.AckWait. What the first has made stands whatever becomes of the second.
func (e *Endpoint) commitAndWait(ctx context.Context, c lease.Change) error {
	known, ok := e.ackWaits.enter(c.New.Addr)
	if !ok {
		return e.ask(ctx, Changed{c})
	}
	defer e.ackWaits.leave(c.New.Addr)
	if err := e.ask(ctx, Changed{c}); err != nil {
		return err
	}
	t := time.NewTimer(e.cfg.AckWait)
	defer t.Stop()
	select {
	case <-known:
	case <-t.C:
		return nil
	case <-ctx.Done():
		return nil
	case <-e.stopped:
		return nil
	}
	l := e.book.Get(c.New.Addr)
	if l.Status != lease.Active || l.Client != c.New.Client || !l.LastTransaction.Equal(c.New.LastTransaction) {
		return nil // it is not this grant any more
	}
	longer := l
	longer.SentPotentialExpiry = c.New.SentPotentialExpiry
	until, err := e.Limit(e.now(), l, l.Client, longer.SentPotentialExpiry)
	if err != nil || !until.After(l.Expiry) {
		return nil
	}
	longer.Expiry = until
	if err := e.ask(ctx, Changed{lease.Change{Old: l, New: longer}}); err != nil {
		e.log.Debug("failover peer " + e.cfg.Name + ": " + l.Addr.String() + " stays as short as it was: " + err.Error())
	}
	return nil
}
