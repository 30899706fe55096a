// Package leasetest tests implementations of [lease.Store], as testing/fstest does those of fs.FS.
//
// [TestStore] asks of any Store what the interface promises: all of a batch or nothing, compare-and-set, conflicts
// among many goroutines, a context that ends, a Store that is closed. [TestDurable] asks in addition that what was
// acknowledged is there when the Store is opened again. [Random] makes leases that use every field in every form that
// a Store must keep.
//
// [Disk] is a file system in memory that fails as real ones do: it runs full, writes a part, fails a sync and forgets
// what was to be synced, and loses power with unsynced writes lost, torn and out of order. What it does is drawn from a
// seed, so that a failure can be played again.
package leasetest
