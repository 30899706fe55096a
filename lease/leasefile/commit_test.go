package leasefile

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"sync"
	"testing"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

// gateFS holds up writes: each sends on enter, and then waits for leave.
type gateFS struct {
	diskFS
	enter, leave chan struct{}
}

type gateFile struct {
	File
	gate gateFS
}

func (g gateFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := g.diskFS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return gateFile{f, g}, nil
}

func (f gateFile) WriteAt(b []byte, at int64) (int, error) {
	if f.gate.enter != nil {
		f.gate.enter <- struct{}{}
		<-f.gate.leave
	}
	return f.File.WriteAt(b, at)
}

// gated opens a store in which commits wait at the gate.
func gated(t *testing.T) (*Store, gateFS) {
	t.Helper()
	gate := gateFS{diskFS: diskFS{leasetest.NewDisk(1)}}
	s, err := Open("f", Config{FS: gate})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	gate.enter, gate.leave = make(chan struct{}), make(chan struct{})
	if s, err = Open("f", Config{FS: gate}); err != nil {
		t.Fatal(err)
	}
	return s, gate
}

// waiting returns when n batches are in the queue.
func (s *Store) waiting(n int) {
	for queued := -1; queued != n; runtime.Gosched() {
		s.mu.Lock()
		queued = len(s.queue)
		s.mu.Unlock()
	}
}

func granted(n int) lease.Batch {
	return lease.Batch{Changes: []lease.Change{{New: leasetest.Leased(leasetest.Addr(n), 1)}}}
}

// All who wait while a commit is being written share the next one; who withdraws meanwhile has no part in it.
func TestGroupCommit(t *testing.T) {
	s, gate := gated(t)
	ctx, cancel := context.WithCancel(t.Context())
	errs := make([]error, 12)
	var all sync.WaitGroup
	apply := func(ctx context.Context, i int) {
		all.Go(func() { errs[i] = s.Apply(ctx, granted(i)) })
	}
	apply(t.Context(), 0)
	<-gate.enter
	for i := 1; i <= 10; i++ {
		apply(t.Context(), i)
		s.waiting(i)
	}
	apply(ctx, 11)
	s.waiting(11)
	cancel()
	s.waiting(10)
	gate.leave <- struct{}{}
	<-gate.enter
	s.waiting(0)
	gate.leave <- struct{}{}
	all.Wait()
	for i, err := range errs[:11] {
		if err != nil {
			t.Errorf("Apply %d: %v", i, err)
		}
	}
	if !errors.Is(errs[11], context.Canceled) {
		t.Errorf("the Apply that was withdrawn: %v", errs[11])
	}
	leases, _, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range leases {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 11 {
		t.Errorf("%d leases, want 11", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A context that ends when the batch is being written does not end the wait: nobody could know what became of it.
func TestContextEndsTooLate(t *testing.T) {
	s, gate := gated(t)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- s.Apply(ctx, granted(1)) }()
	<-gate.enter
	cancel()
	gate.leave <- struct{}{}
	if err := <-result; err != nil {
		t.Errorf("Apply: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Close waits for what is under way.
func TestCloseWaits(t *testing.T) {
	s, gate := gated(t)
	result, closed := make(chan error, 2), make(chan error, 1)
	go func() { result <- s.Apply(t.Context(), granted(1)) }()
	<-gate.enter
	go func() { result <- s.Apply(t.Context(), granted(2)) }()
	s.waiting(1)
	go func() { closed <- s.Close() }()
	for range 2 {
		select {
		case err := <-closed:
			t.Fatalf("Close has not waited: %v", err)
		case gate.leave <- struct{}{}:
		}
		if err := <-result; err != nil {
			t.Errorf("Apply: %v", err)
		}
		select {
		case <-gate.enter:
		case err := <-closed:
			if err != nil {
				t.Errorf("Close: %v", err)
			}
			closed <- nil
		}
	}
}
