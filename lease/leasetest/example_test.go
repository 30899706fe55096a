package leasetest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/tandem-dhcp/tandem/lease"
	"github.com/tandem-dhcp/tandem/lease/leasetest"
)

// A Store is tested in its own package's test.
func ExampleTestStore() {
	_ = func(t *testing.T) { // func TestMyStore
		leasetest.TestStore(t, func(t *testing.T) lease.Store { return lease.NewMemory() })
	}
}

// A sync fails, and what was written before is lost although the next sync succeeds: as on Linux.
func ExampleDisk() {
	disk := leasetest.NewDisk(2)
	f, _ := disk.OpenFile("journal", os.O_CREATE, 0o644)
	_ = errors.Join(f.Sync(), disk.SyncDir("journal"))

	_, _ = f.WriteAt([]byte("10.0.0.5 is yours"), 0)
	disk.SetFault(func(op leasetest.Op, name string) error {
		if op == leasetest.OpSync {
			return syscall.EIO
		}
		return nil
	})
	fmt.Println(f.Sync())
	disk.SetFault(nil)
	fmt.Println(f.Sync())

	disk.Restart()
	content, _ := disk.ReadFile("journal")
	fmt.Printf("%q\n", content)
	// Output:
	// input/output error
	// <nil>
	// ""
}

// ExampleLeased shows that compare-and-set refuses a change that was decided on an older lease.
func ExampleLeased() {
	store := lease.NewMemory()
	a := leasetest.Addr(5)
	grant := lease.Batch{Changes: []lease.Change{{New: leasetest.Leased(a, 1)}}}
	fmt.Println(store.Apply(context.Background(), grant))
	fmt.Println(errors.Is(store.Apply(context.Background(), grant), lease.ErrConflict))
	// Output:
	// <nil>
	// true
}
