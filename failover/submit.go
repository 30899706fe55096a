package failover

import (
	"sync"

	"github.com/tandem-dhcp/tandem/lease"
)

// submissions are the changes that wait for the loop of an Endpoint, brought by goroutines that do not wait for it.
type submissions struct {
	mu    sync.Mutex
	items []item
	holds int  // more is about to come
	over  bool // nobody takes them any more
	wake  chan struct{}
}

// Submit is Commit for who must not wait: done is called with the result, once, by the goroutine of Run, and must not wait
// for the Endpoint. It reports false, and has done nothing, where Commit is to be called: if the change may wait for the
// partner (Config.AckWait), if very many are waiting, and when the Endpoint has stopped.
func (e *Endpoint) Submit(c lease.Change, done func(error)) bool {
	return !e.short(c) && e.submitted.add(item{event: Changed{c}, then: done})
}

// Hold says that more is about to be submitted, so that deciding is better put off until Release, which follows at once.
func (e *Endpoint) Hold() {
	s := &e.submitted
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds++
}

// Release ends Hold.
func (e *Endpoint) Release() {
	s := &e.submitted
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds--
	s.rouse()
}

// Self returns the Endpoint: a Gate that embeds one, and has a Commit of its own, is another.
func (e *Endpoint) Self() any { return e }

// rouse wakes the loop if there is something to do. The caller holds the lock.
func (s *submissions) rouse() {
	if s.holds > 0 || len(s.items) == 0 {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *submissions) add(it item) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || len(s.items) == maxInbox {
		return false
	}
	s.items = append(s.items, it)
	s.rouse()
	return true
}

// take appends what waits, at most maxBatch, and nothing while somebody holds.
func (s *submissions) take(items []item) []item {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holds > 0 {
		return items
	}
	n := min(len(s.items), maxBatch)
	items = append(items, s.items[:n]...)
	s.items = append(s.items[:0], s.items[n:]...)
	s.rouse()
	return items
}

// end takes all that waits, and refuses what comes.
func (s *submissions) end() []item {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := s.items
	s.items, s.over = nil, true
	return items
}
