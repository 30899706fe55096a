package dora

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/pool"
)

const (
	// maxDue is how many leases Alone ends in one write, which clients wait for if it is before theirs.
	maxDue = 256
	// maxBreather bounds how long Alone leaves the ledger to clients between two such writes.
	maxBreather = 20 * time.Millisecond
	// retryPause is how long Alone waits after the ledger could not be written.
	retryPause = time.Second
	// busyPause is how long it leaves alone a lease that was due while somebody else was writing it.
	busyPause = 20 * time.Millisecond
)

// Alone is the Gate of pools without a partner: all their addresses are this server's, each client may be told the whole
// time that the configuration gives, and what a client gives back is free at once. Run ends the leases whose time is up.
type Alone struct {
	book  *lease.Book
	pools []*pool.Pool
	log   *zap.Logger
	wake  chan struct{} // something ends before next

	ones        spares[*[1]lease.Change] // batches of one change
	submissions spares[*submission]

	mu   sync.Mutex
	next time.Time // when Run looks again; zero: when anything changes
}

var _ Submitter = (*Alone)(nil)

// Reasons why Alone does not give an address.
var (
	errHeld     = errors.New("lease is held by another client")
	errReserved = errors.New("lease is reserved for another client")
	errUnusable = errors.New("lease is not available")
)

// NewAlone returns the Gate of pools over a Book. The pools must observe the Book. A nil logger is silent.
func NewAlone(book *lease.Book, log *zap.Logger, pools ...*pool.Pool) *Alone {
	if log == nil {
		log = zap.NewNop()
	}
	return &Alone{book: book, pools: pools, log: log, wake: make(chan struct{}, 1)}
}

// Answers implements Gate: always.
func (a *Alone) Answers() error { return nil }

// Serves implements Gate: everybody.
func (a *Alone) Serves([]byte, uint16) error { return nil }

// Mine implements Gate: FREE addresses; BACKUP ones, too, which a partner of former times left.
func (a *Alone) Mine(_ time.Time, l lease.Lease) bool { return l.Status.Available() }

// Limit implements Gate: want, unless another client holds the address or has it reserved, or it is not to be used.
func (a *Alone) Limit(_ time.Time, l lease.Lease, c lease.Client, want time.Time) (time.Time, error) {
	own := l.Client.Is(c)
	switch {
	case l.Flags&lease.Reserved != 0 && !own:
		return time.Time{}, errReserved
	case l.Status == lease.Active && !own:
		return time.Time{}, errHeld
	case l.Status == lease.Active, l.Status.Available():
		return want, nil
	}
	return time.Time{}, errUnusable
}

// Commit implements Gate. It returns when the Store has kept the change.
func (a *Alone) Commit(ctx context.Context, c lease.Change) error {
	c.New = settled(c.New)
	one, ok := a.ones.take()
	if !ok {
		one = new([1]lease.Change)
	}
	one[0] = c
	err := a.book.Apply(ctx, lease.Batch{Changes: one[:]})
	a.ones.keep(one)
	if err != nil {
		return err
	}
	if c.New.Status == lease.Active || c.New.Status == lease.Abandoned {
		a.endsAt(c.New.Expiry)
	}
	return nil
}

// submission is a change that was submitted. It is used again and again.
type submission struct {
	gate   *Alone
	change lease.Change
	done   func(error)
	settle func(error) // is called by the Book
}

// Submit implements Submitter, if the Store of the Book can be submitted to.
func (a *Alone) Submit(c lease.Change, done func(error)) bool {
	s := a.submission()
	c.New = settled(c.New)
	s.change, s.done = c, done
	if a.book.Submit(c, s.settle) {
		return true
	}
	a.keep(s)
	return false
}

// Hold implements Submitter.
func (a *Alone) Hold() { a.book.Hold() }

// Release implements Submitter.
func (a *Alone) Release() { a.book.Release() }

// Self implements Submitter.
func (a *Alone) Self() any { return a }

func (a *Alone) submission() *submission {
	s, ok := a.submissions.take()
	if !ok {
		s = &submission{gate: a}
		s.settle = s.end
	}
	return s
}

// end is called with what became of the change.
func (s *submission) end(err error) {
	a, l, done := s.gate, s.change.New, s.done
	a.keep(s)
	if err == nil && (l.Status == lease.Active || l.Status == lease.Abandoned) {
		a.endsAt(l.Expiry)
	}
	done(err)
}

// keep takes s back.
func (a *Alone) keep(s *submission) {
	s.change, s.done = lease.Change{}, nil
	a.submissions.keep(s)
}

// settled is l without what is a partner's, and free where it waits for one.
func settled(l lease.Lease) lease.Lease {
	l.Rewind, l.Unacked = 0, false
	l.SentPotentialExpiry, l.AckedPotentialExpiry, l.ReceivedPotentialExpiry = time.Time{}, time.Time{}, time.Time{}
	if l.Status.Ending() || l.Status == lease.Backup {
		return ended(l, l.Since)
	}
	return l
}

// ended is l as a free address since now. It remembers its client, who may get it again.
func ended(l lease.Lease, now time.Time) lease.Lease {
	return lease.Lease{
		Addr: l.Addr, Status: lease.Free, Flags: l.Flags & lease.Reserved, Client: l.Client,
		Since: now, Expiry: l.Expiry, LastTransaction: l.LastTransaction,
	}
}

// endsAt wakes Run if a lease ends before it would look.
func (a *Alone) endsAt(t time.Time) {
	a.mu.Lock()
	earlier := a.next.IsZero() || t.Before(a.next)
	a.mu.Unlock()
	if earlier {
		select {
		case a.wake <- struct{}{}:
		default: // it is woken already
		}
	}
}

// Run makes addresses free whose lease, or time out of use, is over, each when it is. It begins with those that a former
// partner left waiting. It returns ctx.Err() when ctx ends. While the Store fails, leases go on and Run tries again each
// second.
func (a *Alone) Run(ctx context.Context) error {
	for !a.adopt(ctx) {
		if err := a.pause(ctx, retryPause); err != nil {
			return err
		}
	}
	for {
		a.plan(time.Time{}) // from here on whoever commits wakes us: what is due may be counted already
		now := time.Now()
		var err error
		if err = a.expire(ctx, now); err != nil && ctx.Err() == nil {
			a.log.Error("leases cannot be ended", zap.Error(err))
			err = a.pause(ctx, retryPause)
		} else if err == nil {
			err = a.sleep(ctx, now)
		}
		if err != nil {
			return ctx.Err()
		}
	}
}

// plan notes when Run looks again.
func (a *Alone) plan(next time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = next
}

// adopt frees what waits for a partner. It reports false if the ledger could not be written.
func (a *Alone) adopt(ctx context.Context) bool {
	now := lease.Second(time.Now())
	var changes []lease.Change
	for l := range a.book.All() {
		if (l.Status.Ending() || l.Status == lease.Backup) && a.has(l) {
			changes = append(changes, lease.Change{Old: l, New: ended(l, now)})
		}
	}
	for len(changes) > 0 {
		n := min(len(changes), maxDue)
		if err := a.apply(ctx, changes[:n]); err != nil {
			a.log.Error("leases of a former partner cannot be freed", zap.Error(err))
			return false
		}
		changes = changes[n:]
	}
	return true
}

func (a *Alone) has(l lease.Lease) bool {
	for _, p := range a.pools {
		if p.Contains(l.Addr) {
			return true
		}
	}
	return false
}

// expire ends what is due. Where that is much, it leaves the ledger to clients for as long as it has had it itself, again
// and again: nobody waits for an end, but who asks now waits for an answer.
func (a *Alone) expire(ctx context.Context, now time.Time) error {
	var due []lease.Lease
	var changes []lease.Change
	for _, p := range a.pools {
		for {
			began := time.Now()
			due, changes = p.AppendDue(due[:0], now, maxDue), changes[:0]
			for _, l := range due {
				changes = append(changes, lease.Change{Old: l, New: ended(l, lease.Second(now))})
			}
			if len(changes) == 0 {
				break
			}
			if err := a.apply(ctx, changes); err != nil {
				return err
			}
			if len(due) < maxDue {
				break
			}
			if err := a.pause(ctx, min(time.Since(began), maxBreather)); err != nil {
				return err
			}
		}
	}
	return nil
}

// apply makes changes durable, all at once if nobody changes one of the leases meanwhile. What somebody does change is
// left alone: it is looked at again if it is still due.
func (a *Alone) apply(ctx context.Context, changes []lease.Change) error {
	err := a.book.Apply(ctx, lease.Batch{Changes: changes})
	if !errors.Is(err, lease.ErrConflict) {
		return err
	}
	for _, c := range changes {
		err := a.book.Apply(ctx, lease.Batch{Changes: []lease.Change{c}})
		if err != nil && !errors.Is(err, lease.ErrConflict) {
			return fmt.Errorf("%v: %w", c.New.Addr, err)
		}
	}
	return nil
}

// sleep waits until something ends after now, or is due still.
func (a *Alone) sleep(ctx context.Context, now time.Time) error {
	var next time.Time
	for _, p := range a.pools {
		if t, ok := p.NextExpiry(); ok && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	a.plan(next)
	var timer <-chan time.Time
	if !next.IsZero() {
		timer = time.After(max(next.Sub(now), busyPause))
	}
	select {
	case <-timer:
	case <-a.wake:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (a *Alone) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
