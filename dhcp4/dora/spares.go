package dora

import "sync"

// spares are things to be used again, at most maxSpare of them. The zero spares is empty and ready, and may be used by many
// goroutines.
type spares[T any] struct {
	mu  sync.Mutex
	all []T
}

// take returns the one that was kept last, the likeliest to be in the processor's cache, or false if there is none.
func (s *spares[T]) take() (v T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.all); n > 0 {
		v, ok = s.all[n-1], true
		s.all = s.all[:n-1]
	}
	return v, ok
}

func (s *spares[T]) keep(v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) < maxSpare {
		s.all = append(s.all, v)
	}
}
