package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// collectAt is by how many percent the memory may grow with garbage before it is collected. A server at work makes
// little, and holds a record for each lease, so that more than this would only be held and not used.
const collectAt = 12

// leastParallel is how many goroutines run at once, as far as the runtime is concerned, also on one processor: while one
// sits in fdatasync it counts as running, and with a limit of one the others wait until the runtime's monitor notices. With
// 1,024 exchanges under way two are worth more than twice as many a second, a third nothing.
const leastParallel = 2

// prepare is called first: no profile of allocations is kept, unless somebody is to see it, and the disk does not keep the
// network waiting.
func prepare(profiled bool) {
	if !profiled {
		runtime.MemProfileRate = 0
	}
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) < leastParallel {
		runtime.GOMAXPROCS(leastParallel)
	}
}

// settle is called when the server is ready: what reading the configuration and the leases took goes back to the system.
func settle() {
	debug.SetGCPercent(collectAt)
	debug.FreeOSMemory()
}
