package leasefile_test

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasefile"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

// diskFS is a leasetest.Disk as a leasefile.FS.
type diskFS struct{ *leasetest.Disk }

func (d diskFS) OpenFile(name string, flag int, perm fs.FileMode) (leasefile.File, error) {
	f, err := d.Disk.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d diskFS) Lock(name string) (io.Closer, error) {
	lock, err := d.Disk.Lock(name)
	if errors.Is(err, leasetest.ErrBusy) {
		err = leasefile.ErrLocked
	}
	return lock, err
}

func TestStore(t *testing.T) {
	small := leasefile.Growth{Factor: 2, Size: 4 << 10} // to have compactions all the time
	for _, growth := range []leasefile.Growth{{}, small} {
		leasetest.TestDurable(t, func(t *testing.T) leasetest.Opener {
			path := filepath.Join(t.TempDir(), "dhcpd.leases")
			return func(t *testing.T) lease.Store {
				return open(t, path, leasefile.Config{CompactAt: growth})
			}
		})
	}
}

func TestStoreOnDisk(t *testing.T) {
	leasetest.TestDurable(t, func(t *testing.T) leasetest.Opener {
		disk := diskFS{leasetest.NewDisk(1)}
		return func(t *testing.T) lease.Store {
			return open(t, "dhcpd.leases", leasefile.Config{FS: disk})
		}
	})
}

// open opens a Store in which nothing may be wrong.
func open(t testing.TB, path string, cfg leasefile.Config) *leasefile.Store {
	t.Helper()
	if cfg.Report == nil {
		cfg.Report = func(err error) { t.Errorf("reported: %v", err) }
	}
	s, err := leasefile.Open(path, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
