package leasefile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

// many is how many leases make a file of several pieces.
const many = 5000

// manyLeases opens a file of many leases, which was closed before.
func manyLeases(t *testing.T) (s *leasefile.Store, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), file)
	s = open(t, path, leasefile.Config{})
	var batch lease.Batch
	for n := range many {
		batch.Changes = append(batch.Changes, lease.Change{New: leasetest.Leased(leasetest.Addr(n), 1)})
	}
	if err := s.Apply(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, path, leasefile.Config{Report: func(error) {}}), path
}

// Leases come in the order of the file, each once, at every Load, and who has enough may stop.
func TestLoadMany(t *testing.T) {
	s, _ := manyLeases(t)
	defer s.Close()
	for _, most := range []int{many, 1, many / 2, many} {
		leases, _, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for l, err := range leases {
			if want := leasetest.Leased(leasetest.Addr(n), 1); err != nil || l != want {
				t.Fatalf("lease %d: got %+v, %v, want %+v", n, l, err, want)
			}
			if n++; n == most {
				break
			}
		}
		if n != most {
			t.Fatalf("%d leases, want %d", n, most)
		}
	}
	if err := s.Apply(t.Context(), grant(2, 1)); err != nil {
		t.Error(err)
	}
}

// Open and the first Load tell how far they are, once around the file each.
func TestProgress(t *testing.T) {
	s, path := manyLeases(t)
	s.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	told, done := 0, int64(0)
	s = open(t, path, leasefile.Config{Progress: func(d, size int64) {
		if size != 2*info.Size() || d <= done || d > size {
			t.Errorf("after %d: %d of %d, want more of %d", done, d, size, 2*info.Size())
		}
		told, done = told+1, d
	}})
	defer s.Close()
	if told < 3 || done > info.Size() {
		t.Errorf("Open told %d times, %d octets of %d at last", told, done, info.Size())
	}
	for range 2 { // of the second nothing is told
		if got := contentOf(t, s); len(got.leases) != many {
			t.Errorf("%d leases, want %d", len(got.leases), many)
		}
	}
	if told < 6 || done <= info.Size() {
		t.Errorf("Load told until %d octets of %d", done, 2*info.Size())
	}
}

// A file that changes after Open was surveyed by it. The first Load trusts in that, and still notices all that matters.
func TestLoadNoticesChanges(t *testing.T) {
	stanza := func(text []byte, n int) (from, to int) {
		from = bytes.Index(text, []byte("lease "+leasetest.Addr(n).String()+" {"))
		return from, from + bytes.Index(text[from:], []byte("\n}\n")) + len("\n}\n")
	}
	const victim = 3000
	for _, test := range []struct {
		name   string
		change func(text []byte)
	}{
		{"another time", func(text []byte) {
			from, to := stanza(text, victim)
			at := from + bytes.Index(text[from:to], []byte("ends "))
			text[at+len("ends 0 2026/1")] ^= 1
		}},
		{"another address", func(text []byte) {
			from, _ := stanza(text, victim)
			text[from+len("lease 1")] ^= 1
		}},
		{"a stanza that is gone", func(text []byte) {
			from, to := stanza(text, victim)
			for i := from; i < to; i++ {
				text[i] = '\n'
			}
		}},
		{"a stanza that cannot be read", func(text []byte) {
			_, to := stanza(text, victim)
			text[to-2] = '{'
		}},
		{"a file that is gone from there on", func(text []byte) {
			from, _ := stanza(text, victim)
			clear(text[from:])
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, path := manyLeases(t)
			defer s.Close()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			test.change(text)
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt(text, 0); err != nil {
				t.Fatal(err)
			}
			leases, _, err := s.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var last error
			n := 0
			for l, err := range leases {
				if last = err; err == nil {
					if l != leasetest.Leased(l.Addr, 1) {
						t.Errorf("got %+v", l)
					}
					n++
				}
			}
			if !errors.Is(last, lease.ErrCorrupt) || !strings.Contains(last.Error(), path) {
				t.Errorf("%d leases, then %v, want ErrCorrupt of %s", n, last, path)
			}
			if err := s.Apply(t.Context(), grant(1, many+1)); !errors.Is(err, lease.ErrCorrupt) {
				t.Errorf("Apply: got %v, want ErrCorrupt", err)
			}
		})
	}
}
