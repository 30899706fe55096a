package leasefile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

// failing makes the operations fail whose name is in ops, as "write" or "write dhcpd.leases.new", until the test changes
// it.
func failing(disk *leasetest.Disk, ops ...string) {
	disk.SetFault(func(op leasetest.Op, name string) error {
		for _, o := range ops {
			if o == string(op) || o == string(op)+" "+name {
				return fmt.Errorf("%s %s: %w", op, name, syscall.EIO)
			}
		}
		return nil
	})
}

// What cannot be written is not acknowledged and never comes to life; service goes on when the disk does.
func TestFailedWrites(t *testing.T) {
	for _, test := range []struct {
		name  string
		fail  func(d *leasetest.Disk)
		err   error
		doubt bool
	}{
		{"the disk is full", func(d *leasetest.Disk) { d.SetRoom(1100) }, syscall.ENOSPC, false},
		{"a write fails", func(d *leasetest.Disk) { failing(d, "write") }, syscall.EIO, true},
		{"a sync fails", func(d *leasetest.Disk) { failing(d, "sync") }, syscall.EIO, true},
		{"nothing works", func(d *leasetest.Disk) { failing(d, "write", "sync", "truncate") }, syscall.EIO, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			for seed := range uint64(20) {
				disk := leasetest.NewDisk(seed)
				s := open(t, file, leasefile.Config{FS: diskFS{disk}})
				if err := s.Apply(t.Context(), grant(1, 1, 2)); err != nil {
					t.Fatal(err)
				}
				durable, _ := disk.ReadFile(file)
				test.fail(disk)
				err := s.Apply(t.Context(), grant(2, 1, 2))
				if !errors.Is(err, test.err) || errors.Is(err, leasefile.ErrInDoubt) != test.doubt {
					t.Fatalf("Apply: %v", err)
				}
				for range 3 {
					if err := s.Apply(t.Context(), grant(2, 1, 2)); !errors.Is(err, test.err) {
						t.Fatalf("Apply again: %v", err)
					}
				}
				disk.SetRoom(-1)
				disk.SetFault(nil)
				if err := s.Apply(t.Context(), grant(1, 3)); err != nil {
					t.Fatalf("Apply after all is well: %v", err)
				}
				if now, _ := disk.ReadFile(file); !bytes.HasPrefix(now, durable) || bytes.Count(now, []byte("# begin")) != 2 {
					t.Fatalf("the file is\n%s", now)
				}
				disk.LosePower(0)
				s.Close()
				disk.Restart()
				if got := load(t, disk); got.names() != "1:1 2:1 3:1" || len(got.damage) > 0 {
					t.Fatalf("seed %d: got %s and %v", seed, got.names(), got.damage)
				}
			}
		})
	}
}

// spoiledFS loses, at a sync that fails, the whole block in which the end of the file lies, as a disk does that cannot
// write it.
type spoiledFS struct {
	diskFS
	spoil *atomic.Bool
}

type spoiledFile struct {
	leasefile.File
	spoil *atomic.Bool
	size  int64 // at the last good sync
}

func (f spoiledFS) OpenFile(name string, flag int, perm fs.FileMode) (leasefile.File, error) {
	file, err := f.diskFS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &spoiledFile{File: file, spoil: f.spoil}, nil
}

func (f *spoiledFile) Sync() error {
	if f.spoil.CompareAndSwap(true, false) {
		from := f.size / 4096 * 4096
		if _, err := f.WriteAt(make([]byte, f.size-from), from); err != nil {
			return err
		}
		return syscall.EIO
	}
	if info, err := f.Stat(); err == nil {
		f.size = info.Size()
	}
	return f.File.Sync()
}

// After a failed sync the last block is written again from memory: what was acknowledged in it is not lost with it.
func TestFailedSyncSpoilsBlock(t *testing.T) {
	disk, spoil := leasetest.NewDisk(1), new(atomic.Bool)
	cfg := leasefile.Config{FS: spoiledFS{diskFS{disk}, spoil}}
	s := open(t, file, cfg)
	for reopen := range 3 {
		for n := range 300 {
			if err := s.Apply(t.Context(), grant(1, 1000*reopen+n)); err != nil {
				t.Fatal(err)
			}
			if n%7 == 0 {
				spoil.Store(true)
				if err := s.Apply(t.Context(), grant(1, 60000)); !errors.Is(err, syscall.EIO) || errors.Is(err, leasefile.ErrInDoubt) {
					t.Fatalf("Apply: %v", err)
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, file, cfg)
		if got := contentOf(t, s); len(got.leases) != 300*(reopen+1) {
			t.Fatalf("got %d leases, want %d", len(got.leases), 300*(reopen+1))
		}
	}
	s.Close()
}

func TestOpenRefuses(t *testing.T) {
	disk := leasetest.NewDisk(1)
	cfg := leasefile.Config{FS: diskFS{disk}}
	s := open(t, file, cfg)
	if _, err := leasefile.Open(file, cfg); !errors.Is(err, leasefile.ErrLocked) {
		t.Errorf("a second Open: %v", err)
	}
	s.Close()
	if err := disk.Rename(file, file+"~"); err != nil {
		t.Fatal(err)
	}
	if _, err := leasefile.Open(file, cfg); err == nil || !strings.Contains(err.Error(), "dhcpd.leases~ is there") {
		t.Errorf("Open without the file, but with the one before it: %v", err)
	}
	for _, c := range []leasefile.Config{
		{CompactAt: leasefile.Growth{Factor: 1}}, {CompactAt: leasefile.Growth{Size: -1}},
	} {
		if _, err := leasefile.Open(file, c); err == nil || !strings.Contains(err.Error(), "Config.CompactAt.") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// Damage is not repaired on a disk that has no room for it: the file stays as it is.
func TestOpenWithoutRoom(t *testing.T) {
	text, ends := fileOf(t, grant(1, 1), grant(2, 1))
	damaged := text[:ends[1]-5] + "!" + text[ends[1]-4:]
	disk := diskWith(damaged)
	disk.SetRoom(int64(len(damaged)) + 100)
	if _, err := leasefile.Open(file, leasefile.Config{FS: diskFS{disk}}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Open: %v", err)
	}
	if now, _ := disk.ReadFile(file); string(now) != damaged {
		t.Error("the file was changed")
	}
	if names := disk.Names(); !slices.Equal(names, []string{file}) {
		t.Errorf("there are %v", names)
	}
	disk.SetRoom(-1)
	if got := load(t, disk); got.names() != "1:2" || len(got.damage) != 1 {
		t.Errorf("got %s and %v", got.names(), got.damage)
	}
}

func TestApplyRefuses(t *testing.T) {
	s := open(t, file, leasefile.Config{FS: diskFS{leasetest.NewDisk(1)}})
	defer s.Close()
	long := leasetest.Leased(leasetest.Addr(1), 1)
	long.VendorClass = strings.Repeat("x", 1<<20)
	for _, test := range []struct {
		batch lease.Batch
		want  string
	}{
		{lease.Batch{Changes: []lease.Change{{New: long}}}, "10.0.0.1: a stanza of 104"},
		{lease.Batch{Peers: []lease.Peer{{Name: strings.Repeat("x", 1<<20)}}}, `failover peer "xxx`},
		{lease.Batch{Peers: []lease.Peer{{Name: "x", MCLT: 1}}}, `failover peer "x": MCLT is 1ns`},
		{lease.Batch{Peers: []lease.Peer{{Name: "x", Since: lease.Never.Add(1)}}}, `failover peer "x": time 2038`},
		{lease.Batch{Peers: []lease.Peer{{Name: "x", Since: lease.FromUnix(-5)}}}, `failover peer "x": time 1969`},
	} {
		if err := s.Apply(t.Context(), test.batch); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}

// On the file system of the operating system: links are followed, the mode is kept, and the lock holds.
func TestOperatingSystem(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := os.WriteFile(real, []byte(foreign), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Skip(err)
	}
	s := open(t, link, leasefile.Config{})
	if _, err := leasefile.Open(real, leasefile.Config{}); !errors.Is(err, leasefile.ErrLocked) || !strings.Contains(err.Error(), real) {
		t.Errorf("a second Open: %v", err)
	}
	if err := s.Apply(t.Context(), grant(1, 1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
	if info, err = os.Stat(real); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the file is %v, %v", info, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	s = open(t, real, leasefile.Config{})
	defer s.Close()
	if got := contentOf(t, s).names(); got != "1:1 9:9" {
		t.Errorf("got %s", got)
	}
	if _, err := leasefile.Open(filepath.Join(dir, "no", "where"), leasefile.Config{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open in a directory that is not there: %v", err)
	}
}

// Where there are no hard links the damaged file is copied; the file before a compaction is then not kept, and that is
// said.
func TestWithoutLinks(t *testing.T) {
	text, ends := fileOf(t, grant(1, 1), grant(2, 1))
	damaged := text[:ends[1]-5] + "!" + text[ends[1]-4:]
	disk := diskWith(damaged)
	failing(disk, "link")
	var reports []error
	s, err := leasefile.Open(file, leasefile.Config{FS: diskFS{disk}, Report: func(err error) { reports = append(reports, err) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if kept, _ := disk.ReadFile(file + ".damaged-1"); string(kept) != damaged {
		t.Error("the damaged file is not kept as it was")
	}
	if len(reports) != 2 || !errors.Is(reports[0], lease.ErrCorrupt) || !strings.Contains(reports[1].Error(), "keeping dhcpd.leases~") {
		t.Errorf("reported %v", reports)
	}
	if got := contentOf(t, s).names(); got != "1:2" {
		t.Errorf("got %s", got)
	}
}
