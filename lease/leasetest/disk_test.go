package leasetest_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

func create(t *testing.T, d *leasetest.Disk, name string) *leasetest.DiskFile {
	t.Helper()
	f, err := d.OpenFile(name, os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t *testing.T, f *leasetest.DiskFile, at int64, text string) {
	t.Helper()
	if n, err := f.WriteAt([]byte(text), at); n != len(text) || err != nil {
		t.Fatalf("WriteAt: %d, %v", n, err)
	}
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestDiskKeepsWhatWasSynced(t *testing.T) {
	for seed := range uint64(50) {
		d := leasetest.NewDisk(seed)
		f := create(t, d, "a")
		write(t, f, 0, "hello")
		check(t, f.Sync(), d.SyncDir("a"))
		write(t, f, 5, " world")
		d.Restart()
		got, err := d.ReadFile("a")
		if err != nil || !strings.HasPrefix(string(got), "hello") || len(got) > len("hello world") {
			t.Errorf("seed %d: %q, %v", seed, got, err)
		}
		if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, leasetest.ErrKilled) {
			t.Errorf("seed %d: a file opened before the loss of power: %v", seed, err)
		}
	}
}

// What is not synced may survive or not, in part, and a later write without an earlier one.
func TestDiskLosesWhatWasNotSynced(t *testing.T) {
	outcomes := map[string]bool{}
	for seed := range uint64(200) {
		d := leasetest.NewDisk(seed)
		f := create(t, d, "a")
		check(t, f.Sync(), d.SyncDir("a"))
		write(t, f, 0, strings.Repeat("1", 512))
		write(t, f, 512, strings.Repeat("2", 512))
		d.Restart()
		got, _ := d.ReadFile("a")
		switch first, second := strings.Count(string(got), "1"), strings.Count(string(got), "2"); {
		case len(got) == 0:
			outcomes["nothing"] = true
		case first == 512 && second == 512:
			outcomes["all"] = true
		case first == 512 && second == 0:
			outcomes["the first"] = true
		case first == 0 && second == 512:
			outcomes["the second"] = true
		default:
			outcomes["torn"] = true
		}
	}
	for _, want := range []string{"nothing", "all", "the first", "the second", "torn"} {
		if !outcomes[want] {
			t.Errorf("in 200 losses of power never: %s", want)
		}
	}
}

func TestDiskNamesNeedSyncDir(t *testing.T) {
	kept := 0
	for seed := range uint64(50) {
		d := leasetest.NewDisk(seed)
		f := create(t, d, "a")
		write(t, f, 0, "new")
		check(t, f.Sync())
		d.WriteFile("b", []byte("old"))
		check(t, d.Rename("a", "b"))
		d.Restart()
		got, err := d.ReadFile("b")
		if err != nil || string(got) != "old" && string(got) != "new" {
			t.Fatalf("seed %d: %q, %v", seed, got, err)
		}
		if string(got) == "new" {
			kept++
		}
	}
	if kept == 0 || kept == 50 {
		t.Errorf("a renaming that was not synced survived %d times of 50", kept)
	}
}

// After a sync that failed a second one succeeds and makes nothing durable that the first did not.
func TestDiskForgetsAfterFailedSync(t *testing.T) {
	lost := 0
	for seed := range uint64(50) {
		d := leasetest.NewDisk(seed)
		f := create(t, d, "a")
		check(t, f.Sync(), d.SyncDir("a"))
		write(t, f, 0, "hello")
		d.SetFault(func(op leasetest.Op, _ string) error {
			if op == leasetest.OpSync {
				return syscall.EIO
			}
			return nil
		})
		if err := f.Sync(); !errors.Is(err, syscall.EIO) {
			t.Fatalf("Sync: %v", err)
		}
		d.SetFault(nil)
		check(t, f.Sync())
		d.Restart()
		if got, _ := d.ReadFile("a"); string(got) != "hello" {
			lost++
		}
	}
	if lost == 0 || lost == 50 {
		t.Errorf("after a failed sync the write was lost %d times of 50", lost)
	}
}

func TestDiskFull(t *testing.T) {
	d := leasetest.NewDisk(1)
	f := create(t, d, "a")
	d.SetRoom(8)
	write(t, f, 0, "hello")
	if n, err := f.WriteAt([]byte("world"), 5); n != 3 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("WriteAt: %d, %v, want 3 and ENOSPC", n, err)
	}
	check(t, f.Truncate(5))
	write(t, f, 5, "you")
	d.SetRoom(-1)
	write(t, f, 8, " all")
	if got, _ := d.ReadFile("a"); string(got) != "helloyou all" {
		t.Errorf("got %q", got)
	}
}

func TestDiskKill(t *testing.T) {
	d := leasetest.NewDisk(1)
	lock, err := d.Lock("a")
	check(t, err)
	if _, err := d.Lock("a"); !errors.Is(err, leasetest.ErrBusy) {
		t.Errorf("a second Lock: %v, want ErrBusy", err)
	}
	f := create(t, d, "a")
	d.Kill(2)
	write(t, f, 0, "hello")
	if err := d.Link("a", "b"); !errors.Is(err, leasetest.ErrKilled) {
		t.Errorf("the second change: %v, want ErrKilled", err)
	}
	if err := d.Link("a", "c"); !errors.Is(err, leasetest.ErrKilled) {
		t.Errorf("a change of the dead: %v, want ErrKilled", err)
	}
	d.Respawn()
	if err := lock.Close(); err != nil {
		t.Errorf("the lock of the dead: %v", err)
	}
	_, err = d.Lock("a")
	check(t, err)
	if got := d.Names(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("names are %v, want a and b", got)
	}
	f, err = d.OpenFile("b", 0, 0)
	check(t, err)
	b := make([]byte, 10)
	if n, err := f.ReadAt(b, 0); string(b[:n]) != "hello" || err != io.EOF {
		t.Errorf("ReadAt: %q, %v", b[:n], err)
	}
}

func TestDiskNames(t *testing.T) {
	d := leasetest.NewDisk(1)
	d.WriteFile("a", []byte("hello"))
	if _, err := d.OpenFile("b", 0, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("OpenFile: %v", err)
	}
	if _, err := d.OpenFile("a", os.O_CREATE|os.O_EXCL, 0); !errors.Is(err, fs.ErrExist) {
		t.Errorf("OpenFile with O_EXCL: %v", err)
	}
	if err := d.Remove("b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Remove: %v", err)
	}
	if err := d.Rename("b", "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Rename: %v", err)
	}
	check(t, d.Link("a", "b"))
	if err := d.Link("a", "b"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Link: %v", err)
	}
	f, err := d.OpenFile("b", os.O_TRUNC, 0)
	check(t, err)
	if info, err := f.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("Stat: %v, %v", info, err)
	}
	check(t, d.Remove("b"))
	if f.Forgotten() {
		t.Error("a file with a name left is forgotten")
	}
	check(t, d.Remove("a"))
	if !f.Forgotten() {
		t.Error("a file without a name is not forgotten")
	}
}
