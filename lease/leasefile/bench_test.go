package leasefile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

// applyAll has each of n goroutines renew an address of its own, total times together, and calls took with each wait.
func applyAll(b *testing.B, s *leasefile.Store, n, total int, took func(time.Duration)) {
	var left atomic.Int64
	left.Store(int64(total))
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			var have lease.Lease
			for v := 1; left.Add(-1) >= 0; v++ {
				l := leasetest.Leased(leasetest.Addr(i), v)
				start := time.Now()
				if err := s.Apply(b.Context(), lease.Batch{Changes: []lease.Change{{Old: have, New: l}}}); err != nil {
					b.Error(err)
					return
				}
				if took != nil {
					took(time.Since(start))
				}
				have = l
			}
		})
	}
	all.Wait()
}

// One sync serves all who wait: the time for one Apply falls with the number of those who apply at once.
func BenchmarkApply(b *testing.B) {
	for _, n := range []int{1, 8, 64, 512} {
		b.Run(fmt.Sprint("parallel=", n), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), file), leasefile.Config{})
			defer s.Close()
			b.ReportAllocs()
			b.ResetTimer()
			applyAll(b, s, n, b.N, nil)
		})
	}
	b.Run("memory/parallel=64", func(b *testing.B) { // what of it is not the disk's
		s := open(b, file, leasefile.Config{FS: diskFS{leasetest.NewDisk(1)}})
		defer s.Close()
		b.ReportAllocs()
		b.ResetTimer()
		applyAll(b, s, 64, b.N, nil)
	})
}

// filled is a store with many leases in a directory of its own.
func filled(b *testing.B, leases int) (s *leasefile.Store, path string) {
	path = filepath.Join(b.TempDir(), file)
	s = open(b, path, leasefile.Config{CompactAt: leasefile.Growth{Factor: -1}})
	for from := 0; from < leases; from += 5000 {
		var batch lease.Batch
		for n := from; n < min(from+5000, leases); n++ {
			batch.Changes = append(batch.Changes, lease.Change{New: leasetest.Leased(leasetest.Addr(1000+n), 1)})
		}
		if err := s.Apply(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	return s, path
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// The time to open a file and read all leases, for each lease, and the memory that the store keeps for each.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1000, 100000, 1000000} {
		b.Run(fmt.Sprint("leases=", n), func(b *testing.B) {
			s, path := filled(b, n)
			s.Close()
			var opening, loading, memory time.Duration
			for b.Loop() {
				before, start := heap(), time.Now()
				s := open(b, path, leasefile.Config{})
				opening += time.Since(start)
				memory = time.Duration(heap() - before)
				start = time.Now()
				leases, _, err := s.Load(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				count := 0
				for range leases {
					count++
				}
				loading += time.Since(start)
				if count != n {
					b.Fatalf("%d leases, want %d", count, n)
				}
				s.Close()
			}
			b.ReportMetric(float64(opening)/float64(b.N*n), "open-ns/lease")
			b.ReportMetric(float64(loading)/float64(b.N*n), "load-ns/lease")
			b.ReportMetric(float64(memory)/float64(n), "kept-B/lease")
		})
	}
}

// The time from nothing to a Book, for each lease, with a file as Tandem writes it and with one as ISC dhcpd does.
func BenchmarkStart(b *testing.B) {
	for _, n := range []int{100000, 1000000} {
		s, path := filled(b, n)
		s.Close()
		own, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		files := map[string][]byte{"tandem": own, "isc": regexp.MustCompile(`(?m)^ *#.*\n`).ReplaceAll(own, nil)}
		for _, format := range []string{"tandem", "isc"} {
			if err := os.WriteFile(path, files[format], 0o644); err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("format=%s/leases=%d", format, n), func(b *testing.B) {
				for b.Loop() {
					s := open(b, path, leasefile.Config{})
					book, err := lease.OpenBook(b.Context(), s, lease.BookConfig{})
					if err != nil || book.Len() != n {
						b.Fatalf("%v, want %d leases", err, n)
					}
					s.Close()
				}
				b.ReportMetric(float64(b.Elapsed())/float64(b.N*n), "ns/lease")
			})
		}
	}
}

// How long an Apply waits at most while a compaction goes on, and usually; and beside that how long when there is none,
// for what the machine does besides is in both.
func BenchmarkCompact(b *testing.B) {
	for _, n := range []int{1000, 100000, 1000000} {
		b.Run(fmt.Sprint("leases=", n), func(b *testing.B) {
			s, _ := filled(b, n)
			defer s.Close()
			var mu sync.Mutex
			var waits, quiet []time.Duration
			var stop, compacting atomic.Bool
			var all sync.WaitGroup
			all.Go(func() {
				for v := 1; !stop.Load(); v++ {
					start := time.Now()
					c := lease.Change{New: leasetest.Leased(leasetest.Addr(1), v)}
					if v > 1 {
						c.Old = leasetest.Leased(leasetest.Addr(1), v-1)
					}
					if err := s.Apply(b.Context(), lease.Batch{Changes: []lease.Change{c}}); err != nil {
						b.Error(err)
						return
					}
					mu.Lock()
					if compacting.Load() {
						waits = append(waits, time.Since(start))
					} else {
						quiet = append(quiet, time.Since(start))
					}
					mu.Unlock()
				}
			})
			for b.Loop() {
				compacting.Store(true)
				start := time.Now()
				if err := s.Compact(b.Context()); err != nil {
					b.Fatal(err)
				}
				compacting.Store(false)
				b.StopTimer()
				time.Sleep(time.Since(start)) // as long without
				b.StartTimer()
			}
			stop.Store(true)
			all.Wait()
			for name, w := range map[string][]time.Duration{"": waits, "quiet-": quiet} {
				slices.Sort(w)
				if len(w) > 0 {
					b.ReportMetric(float64(w[len(w)-1])/1e6, name+"longest-ms")
					b.ReportMetric(float64(w[len(w)*999/1000])/1e6, name+"p99.9-ms")
					b.ReportMetric(float64(w[len(w)/2])/1e6, name+"usual-ms")
				}
			}
		})
	}
}
