package leasefile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

// A compaction that fails anywhere leaves the store as it was, and one that succeeds leaves the old file aside.
func TestCompaction(t *testing.T) {
	fill := func(t *testing.T, disk *leasetest.Disk) (s *leasefile.Store, want content) {
		s = open(t, file, leasefile.Config{FS: diskFS{disk}, Report: func(error) {}})
		for n := 1; n <= 20; n++ {
			b := grant(n, 1, 2, 3)
			b.Peers = []lease.Peer{{Name: "ha", State: uint8(n)}}
			if err := s.Apply(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Apply(t.Context(), lease.Batch{Changes: []lease.Change{
			{Old: leasetest.Leased(leasetest.Addr(2), 20), New: lease.Virgin(leasetest.Addr(2))},
		}}); err != nil {
			t.Fatal(err)
		}
		return s, contentOf(t, s)
	}
	for _, test := range []struct {
		fail    string
		err     error
		swapped bool
	}{
		{"", nil, true},
		{"open dhcpd.leases.new", syscall.EIO, false},
		{"write dhcpd.leases.new", syscall.EIO, false},
		{"sync dhcpd.leases.new", syscall.EIO, false},
		{"rename dhcpd.leases", syscall.EIO, false},
		{"read", syscall.EIO, false},
		{"link dhcpd.leases~", nil, true},
		{"syncdir dhcpd.leases", syscall.EIO, true},
	} {
		t.Run("fail="+test.fail, func(t *testing.T) {
			disk := leasetest.NewDisk(1)
			s, want := fill(t, disk)
			before, _ := disk.ReadFile(file)
			failing(disk, test.fail)
			if err := s.Compact(t.Context()); !errors.Is(err, test.err) {
				t.Fatalf("Compact: %v, want %v", err, test.err)
			}
			after, _ := disk.ReadFile(file)
			if swapped := len(after) < len(before); swapped != test.swapped {
				t.Errorf("the file has %d octets, before %d", len(after), len(before))
			}
			if test.fail == "syncdir dhcpd.leases" {
				if err := s.Apply(t.Context(), grant(1, 9)); !errors.Is(err, syscall.EIO) {
					t.Errorf("Apply while the new file's name is not durable: %v", err)
				}
			}
			disk.SetFault(nil)
			if _, err := disk.ReadFile(file + ".new"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the new file: %v", err)
			}
			if got := contentOf(t, s); !got.equal(want) {
				t.Errorf("got %s, want %s", got.names(), want.names())
			}
			if err := s.Apply(t.Context(), grant(21, 1, 3)); err != nil {
				t.Fatal(err)
			}
			if test.fail == "" {
				if old, _ := disk.ReadFile(file + "~"); !bytes.Equal(old, before) {
					t.Error("the file before the compaction is not what it was")
				}
				if n := strings.Count(string(after), "lease 10."); n != 2 {
					t.Errorf("%d stanzas, want 2 in\n%s", n, after)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if got := load(t, disk); got.names() != "1:21 3:21" || len(got.damage) > 0 {
				t.Errorf("got %s and %v", got.names(), got.damage)
			}
		})
	}
}

// Whenever the power goes during a compaction, path~ is whole: the backup of before, or the file of before. What is freed
// of the former in pieces is so only when no crash can bring its name back.
func TestBackupIsWhole(t *testing.T) {
	freed := false
	for _, fail := range []string{"", "link dhcpd.leases~", "syncdir dhcpd.leases"} {
		for n := 1; ; n++ {
			disk := leasetest.NewDisk(uint64(n))
			s := open(t, file, leasefile.Config{FS: diskFS{disk}, Report: func(error) {}})
			for v := 1; v <= 20; v++ {
				if err := s.Apply(t.Context(), grant(v, 1, 2, 3)); err != nil {
					t.Fatal(err)
				}
				if v == 10 {
					if err := s.Compact(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			backup, _ := disk.ReadFile(file + "~")
			before, _ := disk.ReadFile(file)
			disk.SetFault(func(op leasetest.Op, name string) error {
				freed = freed || op == leasetest.OpTruncate
				if string(op)+" "+name == fail {
					return syscall.EIO
				}
				return nil
			})
			ops := disk.Ops()
			disk.LosePower(n)
			err := s.Compact(t.Context())
			through := disk.Ops() < ops+n
			s.Close()
			disk.Restart()
			got, rerr := disk.ReadFile(file + "~")
			whole := bytes.Equal(got, backup) || bytes.Equal(got, before)
			if none := errors.Is(rerr, fs.ErrNotExist); none && fail == "" && through || !none && !whole {
				t.Errorf("fail=%s, the power went at change %d (%v): path~ has %d octets, and had %d, the file %d",
					fail, n, err, len(got), len(backup), len(before))
			}
			if got := load(t, disk); got.names() != "1:20 2:20 3:20" || len(got.damage) > 0 {
				t.Errorf("fail=%s, the power went at change %d: got %s and %v", fail, n, got.names(), got.damage)
			}
			if through {
				break
			}
		}
	}
	if !freed {
		t.Error("no file was freed in pieces")
	}
}

// Applies go on during compactions, and whatever was acknowledged before, during and after them stays.
func TestCompactWhileServing(t *testing.T) {
	disk := leasetest.NewDisk(1)
	s := open(t, file, leasefile.Config{FS: diskFS{disk}, CompactAt: leasefile.Growth{Factor: -1}})
	stop := make(chan struct{})
	var all sync.WaitGroup
	last := make([]int, 4)
	for i := range last {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := s.Apply(t.Context(), grant(last[i]+1, 10*i, 10*i+1)); err != nil {
					t.Errorf("Apply: %v", err)
					return
				}
				last[i]++
			}
		})
	}
	for range 50 {
		if err := s.Compact(t.Context()); err != nil {
			t.Errorf("Compact: %v", err)
		}
	}
	close(stop)
	all.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var want []string
	for i, n := range last {
		if n > 0 {
			want = append(want, fmt.Sprintf("%d:%d %d:%d", 10*i, n, 10*i+1, n))
		}
	}
	if got := load(t, disk); got.names() != strings.Join(want, " ") || len(got.damage) > 0 {
		t.Errorf("got %s and %v, want %v", got.names(), got.damage, want)
	}
}

// A file that has grown is rewritten, by the store itself and at the next opening.
func TestGrowth(t *testing.T) {
	disk := leasetest.NewDisk(1)
	never := leasefile.Config{FS: diskFS{disk}, CompactAt: leasefile.Growth{Factor: -1}}
	s := open(t, file, never)
	for n := 1; n <= 100; n++ {
		if err := s.Apply(t.Context(), grant(n, 1)); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	large, _ := disk.ReadFile(file)
	s = open(t, file, leasefile.Config{FS: diskFS{disk}, CompactAt: leasefile.Growth{Size: 10000}})
	small, _ := disk.ReadFile(file)
	if len(large) < 40000 || len(small) > 1000 {
		t.Errorf("the file had %d octets and has %d after opening", len(large), len(small))
	}
	// It goes on in the background: sooner or later the file is shorter than it was.
	last, before, shrunk := 100, 0, false
	for ; !shrunk && last < 20000; last++ {
		if err := s.Apply(t.Context(), grant(last+1, 1)); err != nil {
			t.Fatal(err)
		}
		now, _ := disk.ReadFile(file)
		shrunk, before = len(now) < before, len(now)
	}
	s.Close()
	if !shrunk {
		t.Errorf("the file has %d octets and was never rewritten", before)
	}
	if got := load(t, disk); got.names() != fmt.Sprintf("1:%d", last) {
		t.Errorf("got %s, want 1:%d", got.names(), last)
	}
}

// What rots under a running store is found when it is read again, and neither copied nor passed over.
func TestRotUnderway(t *testing.T) {
	disk := leasetest.NewDisk(1)
	s := open(t, file, leasefile.Config{FS: diskFS{disk}, Report: func(error) {}})
	defer s.Close()
	if err := s.Apply(t.Context(), grant(1, 1, 2)); err != nil {
		t.Fatal(err)
	}
	f, err := disk.OpenFile(file, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := disk.ReadFile(file)
	if _, err := f.WriteAt([]byte("9"), int64(bytes.LastIndex(text, []byte("ends 0 2026"))+len("ends 0 202"))); err != nil {
		t.Fatal(err)
	}
	var d *leasefile.Damage
	if err := s.Compact(t.Context()); !errors.Is(err, lease.ErrCorrupt) || !errors.As(err, &d) || d.Line != 7 {
		t.Errorf("Compact: %v", err)
	}
	if after, _ := disk.ReadFile(file); len(after) != len(text) {
		t.Error("the file was rewritten")
	}
	if err := s.Apply(t.Context(), grant(2, 1)); err != nil {
		t.Errorf("Apply: %v", err)
	}
	leases, _, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	for _, failed = range leases {
	}
	if !errors.Is(failed, lease.ErrCorrupt) {
		t.Errorf("the leases end with %v, want what is wrong", failed)
	}
	if err := s.Apply(t.Context(), grant(3, 1)); !errors.Is(err, lease.ErrCorrupt) {
		t.Errorf("Apply on a picture that is not whole: %v", err)
	}
}
