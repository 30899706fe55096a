package failover

import (
	"context"
	"time"
)

// A round is what an Endpoint decides on before the ledger is written once.
const (
	maxBatch     = 512                  // calls in a round, and as many submitted
	maxMessages  = 256                  // of the partner's, for which clients wait
	maxUnhurried = 64                   // of them that wait for a client to ask for something
	maxRest      = 2 * time.Millisecond // and how long
)

// next waits for something to do and returns it, with all else that waits.
func (e *Endpoint) next(ctx context.Context) []item {
	var tick <-chan time.Time
	if at, ok := e.machine.Deadline(); ok {
		now := e.now()
		t := time.NewTimer(max(at.Sub(now), e.retry.Sub(now)))
		defer t.Stop()
		tick = t.C
	}
	items := e.items[:0]
	select {
	case it := <-e.calls:
		items = append(items, it)
	case it := <-e.inbox:
		items = append(items, it)
	case <-e.submitted.wake:
	case <-tick:
		items = append(items, item{event: Tick{}})
	case <-ctx.Done():
	}
	items = e.gather(items)
	if !e.unhurried(items) {
		return items
	}
	rest := time.NewTimer(maxRest)
	defer rest.Stop()
	for e.unhurried(items) {
		select {
		case it := <-e.calls:
			items = append(items, it)
		case it := <-e.inbox:
			items = append(items, it)
		case <-e.submitted.wake:
		case <-rest.C:
			return items
		case <-ctx.Done():
			return items
		}
		items = e.gather(items)
	}
	return items
}

// gather appends what waits.
func (e *Endpoint) gather(items []item) []item {
	return drain(e.inbox, drain(e.calls, e.submitted.take(items), maxBatch), maxMessages)
}

// unhurried reports whether nobody waits for the items: they are a few bindings, or acknowledgements of bindings, that the
// partner tells. What they come to can as well be written with what a client asks for next, who would else wait for two
// writes.
func (e *Endpoint) unhurried(items []item) bool {
	if len(items) == 0 || len(items) > maxUnhurried || e.cfg.AckWait > 0 || e.machine.hurries() {
		return false
	}
	for _, it := range items {
		r, ok := it.event.(Received)
		if !ok {
			return false
		}
		switch r.Frame.Body.(type) {
		case *BindingUpdate, *BindingAck:
		default:
			return false
		}
	}
	return true
}

// drain appends what waits in c, at most so many items.
func drain(c <-chan item, items []item, most int) []item {
	for range most {
		select {
		case it := <-c:
			items = append(items, it)
		default:
			return items
		}
	}
	return items
}
