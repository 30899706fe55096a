package main

import (
	"runtime"
	"runtime/debug"
)

// collectAt is by how many percent the memory may grow with garbage before it is collected. A server at work makes
// little, and holds a record for each lease, so that more than this would only be held and not used.
const collectAt = 12

// prepare is called first: no profile of allocations is kept, unless somebody is to see it.
func prepare(profiled bool) {
	if !profiled {
		runtime.MemProfileRate = 0
	}
}

// settle is called when the server is ready: what reading the configuration and the leases took goes back to the system.
func settle() {
	debug.SetGCPercent(collectAt)
	debug.FreeOSMemory()
}
