package leasefile

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
)

// ErrInDoubt is in the error of an Apply whose batch could neither be made durable nor be cut off again. The Store
// does nothing more until it has cut it off; only if the process or the machine stops before that can the batch be
// found on record afterwards, whole.
var ErrInDoubt = errors.New("leasefile: a failed write could not be undone")

const (
	// maxGroup bounds how much is written at once: octets. What waits beyond that is the next group.
	maxGroup = 4 << 20
	// block is no smaller than a page of memory or a block of any disk. See Store.repair.
	block = 64 << 10
	// maxMCLT is the largest MCLT the protocol can say: s.
	maxMCLT = 1<<32 - 1
)

// request is one Apply that waits. It is used again and again.
type request struct {
	text    []byte // room for commit
	commit  []byte // as it goes into the file: a part of text
	changes []change
	peers   []lease.Peer
	done    chan error  // has room for one
	then    func(error) // is called instead, if it is not nil
}

const (
	// usualStanza is more than most stanzas have: octets.
	usualStanza = 320
	// maxSpares bounds how many requests are kept to be used again. Most are a stanza long.
	maxSpares = 256
	// maxKept bounds the room for commits that they have together: octets.
	maxKept = 1 << 20
)

// spare returns a request to be filled.
func (s *Store) spare() *request {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.spares); n > 0 {
		r := s.spares[n-1]
		s.spares = s.spares[:n-1]
		s.kept -= cap(r.text)
		return r
	}
	return &request{done: make(chan error, 1)}
}

// free takes r back. Its answer has been taken.
func (s *Store) free(r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept+cap(r.text) <= maxKept && len(s.spares) < maxSpares {
		s.kept += cap(r.text)
		r.peers = r.peers[:0]
		s.spares = append(s.spares, r)
	}
}

type change struct {
	addr     uint32
	old, new uint64 // hashes; 0 is the virgin lease
	at       int64  // of the stanza in commit
}

// Apply implements lease.Store. The batch is durable when it returns nil, together with those of all others who wait at
// the time: they share one write and one sync. ctx counts only until the batch's turn to be written has come; from
// then on Apply waits for the disk. Beyond what lease.Batch.Validate asks, a Peer's times must be whole seconds UTC up
// to 2106, its MCLT whole seconds, and no stanza longer than 1 MiB.
func (s *Store) Apply(ctx context.Context, b lease.Batch) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("leasefile: apply: %w", err)
	}
	r, err := s.request(b)
	if err != nil {
		return err
	}
	if err := s.enqueue(r); err != nil || b.Empty() {
		s.free(r)
		return err
	}
	select {
	case err = <-r.done:
	case <-ctx.Done():
		if s.withdraw(r) {
			err = fmt.Errorf("leasefile: apply: %w", ctx.Err())
		} else {
			err = <-r.done
		}
	}
	s.free(r)
	return err
}

// Submit implements lease.Submitter. The calls of done come one after the other, while what waits next is being written; if
// they take longer than that, the write after it waits for them.
func (s *Store) Submit(b lease.Batch, done func(error)) {
	r, err := s.request(b)
	if err != nil {
		done(err)
		return
	}
	r.then = done
	if err := s.enqueue(r); err != nil || b.Empty() {
		s.tell(r, err)
	}
}

// Hold implements lease.Submitter.
func (s *Store) Hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds++
}

// Release implements lease.Submitter.
func (s *Store) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holds--; s.holds == 0 && len(s.queue) > 0 {
		s.rouse()
	}
}

// Self implements lease.Submitter.
func (s *Store) Self() any { return s }

// enqueue has r written, unless it is empty.
func (s *Store) enqueue(r *request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return lease.ErrClosed
	case s.failed != nil:
		return s.failed
	case len(r.changes)+len(r.peers) > 0:
		s.queue = append(s.queue, r)
		if s.holds == 0 {
			s.rouse()
		}
	}
	return nil
}

// tell says what became of r to who waits for it.
func (s *Store) tell(r *request, err error) {
	if r.then == nil {
		r.done <- err
		return
	}
	then := r.then
	r.then = nil
	s.free(r)
	then(err)
}

// request puts a batch into the form of the file, in the goroutine of who asks.
func (s *Store) request(b lease.Batch) (*request, error) {
	if err := b.Validate(); err != nil {
		return nil, err
	}
	r := s.spare()
	if err := s.write(r, b); err != nil {
		s.free(r)
		return nil, err
	}
	return r, nil
}

// write puts a batch that is valid into r.
func (s *Store) write(r *request, b lease.Batch) error {
	r.changes, r.peers = r.changes[:0], append(r.peers[:0], b.Peers...)
	text := append(slices.Grow(r.text[:0], len(room)+usualStanza*len(b.Changes)), room...)
	for i := range b.Peers {
		p := &b.Peers[i]
		if err := validatePeer(p); err != nil {
			return err
		}
		from := len(text)
		text = appendPeer(text, p)
		if n := len(text) - from; n > maxStanza {
			return fmt.Errorf("leasefile: failover peer %.40q: a stanza of %d octets, %d are the most", p.Name, n, maxStanza)
		}
	}
	for i := range b.Changes {
		l := &b.Changes[i].New
		from := len(text)
		text = appendLease(text, l, s.failover(l.Addr))
		if n := len(text) - from; n > maxStanza {
			return fmt.Errorf("leasefile: %v: a stanza of %d octets, %d are the most", l.Addr, n, maxStanza)
		}
		c := change{addr: number(l.Addr), new: s.hash(l), at: int64(from)}
		if old := &b.Changes[i].Old; *old != (lease.Lease{}) {
			c.old = s.hash(old)
		}
		r.changes = append(r.changes, c)
	}
	var begin int
	r.text, begin = closeCommit(text)
	r.commit = r.text[begin:]
	for i := range r.changes {
		r.changes[i].at -= int64(begin)
	}
	return nil
}

func validatePeer(p *lease.Peer) error {
	for _, t := range []time.Time{p.Since, p.PartnerSince} {
		if t != lease.Second(t) || !t.IsZero() && (t.Unix() <= 0 || t.Unix() > 1<<32-1) {
			return fmt.Errorf("leasefile: failover peer %.40q: time %v is not whole seconds UTC of 1970 to 2106", p.Name, t)
		}
	}
	if p.MCLT < 0 || p.MCLT%time.Second != 0 || p.MCLT/time.Second > maxMCLT {
		return fmt.Errorf("leasefile: failover peer %.40q: MCLT is %v", p.Name, p.MCLT)
	}
	return nil
}

// rouse tells the loop that somebody waits.
func (s *Store) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// withdraw takes r out of the queue, unless its turn has come.
func (s *Store) withdraw(r *request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.queue, r)
	if i < 0 {
		return false
	}
	s.queue = slices.Delete(s.queue, i, i+1)
	return true
}

// take removes from the queue what is written next. While somebody holds, that is nothing.
func (s *Store) take() []*request {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holds > 0 && !s.closed {
		return nil
	}
	n, octets := 0, 0
	for n < len(s.queue) && (n == 0 || octets+len(s.queue[n].commit) <= maxGroup) {
		octets += len(s.queue[n].commit)
		n++
	}
	s.group = append(s.group[:0], s.queue[:n]...)
	if s.queue = slices.Delete(s.queue, 0, n); len(s.queue) > 0 {
		s.rouse()
	}
	return s.group
}

// loop is the only goroutine that writes to the file, once it is open.
func (s *Store) loop() {
	defer close(s.outcomes)
	for {
		select {
		case <-s.wake:
			runtime.Gosched()
			if group := s.take(); len(group) > 0 {
				s.commit(group)
				s.compactIfGrown()
			}
		case f := <-s.calls:
			f()
		case <-s.quit:
			for group := s.take(); len(group) > 0; group = s.take() {
				s.commit(group)
			}
			return
		}
	}
}

// commit writes and syncs a group, makes it visible, and tells those who wait.
func (s *Store) commit(group []*request) {
	if err := s.repair(); err != nil {
		err = fmt.Errorf("leasefile: nothing is written until an earlier failure is undone: %w", err)
		for _, r := range group {
			s.tell(r, err)
		}
		return
	}
	s.buf = s.buf[:0]
	if s.glue {
		s.buf = append(s.buf, '\n')
	}
	passed := s.admit(group)
	if len(passed) == 0 {
		return
	}
	err := s.sync()
	if err == nil {
		s.publish(passed)
	}
	s.outcomes <- outcome{passed, err}
	s.group, s.told = s.told, s.group
	if cap(s.buf) > maxGroup {
		s.buf = nil
	}
}

// outcome is what became of requests.
type outcome struct {
	requests []*request
	err      error
}

// announce tells those who wait what became of what they wanted, while the loop writes what comes next.
func (s *Store) announce() {
	defer close(s.done)
	for o := range s.outcomes {
		for _, r := range o.requests {
			s.tell(r, o.err)
		}
	}
}

// outdated is a request that was decided on something else than what is on record for an address.
type outdated struct {
	*request
	addr uint32
}

// admit compares each batch with what is on record, or was admitted before it. It answers those that were decided on
// something else, collects the others in buf and pending, and returns them.
func (s *Store) admit(group []*request) []*request {
	passed, late := s.compare(group)
	for _, r := range late {
		s.tell(r.request, fmt.Errorf("%w: %v", lease.ErrConflict, address(r.addr)))
	}
	return passed
}

func (s *Store) compare(group []*request) (passed []*request, late []outdated) {
	clear(s.pending)
	passed = group[:0]
	s.state.Lock()
	defer s.state.Unlock()
next:
	for i, r := range group {
		for j := range r.changes {
			c := &r.changes[j]
			e, ok := s.pending[c.addr]
			if !ok {
				e, _ = s.index.Get(c.addr)
			}
			if c.old != e.hash {
				late = append(late, outdated{r, c.addr})
				continue next
			}
		}
		at := s.size + s.shift + int64(len(s.buf))
		for _, c := range r.changes {
			s.pending[c.addr] = entry{at + c.at, c.new}
		}
		s.buf = append(s.buf, r.commit...)
		group[i] = nil
		passed = append(passed, r)
	}
	return passed, late
}

// sync makes buf durable at the end of the file. If it cannot it cuts the file back.
func (s *Store) sync() error {
	_, err := s.file.WriteAt(s.buf, s.size)
	if err == nil {
		err = s.file.Sync()
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("leasefile: apply: %w", err)
	s.torn = true
	if rerr := s.repair(); rerr != nil {
		err = fmt.Errorf("%w (%w: %w)", err, ErrInDoubt, rerr)
	}
	return err
}

// repair undoes what failed before, or returns why it cannot. Nothing is written before it has succeeded.
//
// After a sync that failed nobody knows what of the write is on the disk, and the kernel may take the pages for clean
// and never write them: a second sync that succeeds says nothing of them. So none of those pages is relied on. The
// cut drops all that lie wholly behind the last durable octet. The block in which that octet lies is written once
// more, from memory, so that it is dirty for certain; what stands before it was synced with success and not touched
// since. A sync that succeeds now therefore speaks for all that the file holds, and for its length: the failed batch
// cannot come back.
func (s *Store) repair() error {
	if s.torn {
		if err := s.file.Truncate(s.size); err != nil {
			return err
		}
		if len(s.tail) > 0 {
			if _, err := s.file.WriteAt(s.tail, s.size-int64(len(s.tail))); err != nil {
				return err
			}
		}
		if err := s.file.Sync(); err != nil {
			return err
		}
		s.torn = false
	}
	if s.unsynced {
		if err := s.fs.SyncDir(s.path); err != nil {
			return err
		}
		s.unsynced = false
	}
	return nil
}

// publish records what write has made durable.
func (s *Store) publish(passed []*request) {
	s.state.Lock()
	defer s.state.Unlock()
	for addr, e := range s.pending {
		s.put(addr, e)
	}
	for _, r := range passed {
		s.stanzas += int64(len(r.changes))
		for _, p := range r.peers {
			s.peers[p.Name] = p
		}
	}
	s.size += int64(len(s.buf))
	s.glue = false
	keep := int(s.size % block)
	if len(s.buf) >= keep {
		s.tail = append(s.tail[:0], s.buf[len(s.buf)-keep:]...)
		return
	}
	s.tail = append(s.tail, s.buf...)
	s.tail = s.tail[:copy(s.tail, s.tail[len(s.tail)-keep:])]
}
