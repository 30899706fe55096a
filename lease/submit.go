package lease

// submission is a change that was submitted and is not durable yet. It is used again and again.
type submission struct {
	book    *Book
	changes [1]Change
	done    func(error)
	settle  func(error) // is called by the Store
}

// maxSubmissions bounds how many submissions are kept to be used again.
const maxSubmissions = 1024

// Submit is Apply of one change for who must not wait: done is called with the result, once, by any goroutine, and perhaps
// before Submit returns. It must not wait for the Store, nor hold up others long: the Store's next write may wait for it.
// Submit reports false, and has done nothing, if the Store can only be waited for.
func (b *Book) Submit(c Change, done func(error)) bool {
	if b.submitter == nil {
		return false
	}
	s := b.submission()
	s.changes[0], s.done = c, done
	batch := Batch{Changes: s.changes[:]}
	err := batch.Validate()
	if err == nil {
		err = b.claim(batch)
	}
	if err != nil {
		s.end(err)
		return true
	}
	b.submitter.Submit(batch, s.settle)
	return true
}

// Hold says that several Submits are about to come, so that the Store had better put off its next write until Release.
func (b *Book) Hold() {
	if b.submitter != nil {
		b.submitter.Hold()
	}
}

// Release ends Hold.
func (b *Book) Release() {
	if b.submitter != nil {
		b.submitter.Release()
	}
}

// submission returns one to be filled.
func (b *Book) submission() *submission {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.spares); n > 0 {
		s := b.spares[n-1]
		b.spares = b.spares[:n-1]
		return s
	}
	s := &submission{book: b}
	s.settle = func(err error) {
		b.applied(Batch{Changes: s.changes[:]}, err)
		s.end(err)
	}
	return s
}

// end tells the result, and takes s back.
func (s *submission) end(err error) {
	done, b := s.done, s.book
	s.done, s.changes[0] = nil, Change{}
	b.mu.Lock()
	if len(b.spares) < maxSubmissions {
		b.spares = append(b.spares, s)
	}
	b.mu.Unlock()
	done(err)
}
