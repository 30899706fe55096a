package main

import (
	"runtime"
	"runtime/debug"
)

// collectAt is by how many percent the memory may grow with garbage before it is collected. A server at work makes
// little, and holds a record for each lease, so that more than this would only be held and not used.
const collectAt = 12

// collectAtStart is the same while the lease file is read, when most of what is made is kept: with 1,000,000 leases there
// are 3 collections instead of 11, and the memory at its peak is the same.
const collectAtStart = 400

// prepare is called first: no profile of allocations is kept, unless somebody is to see it.
func prepare(profiled bool) {
	if !profiled {
		runtime.MemProfileRate = 0
	}
	debug.SetGCPercent(collectAtStart)
}

// settle is called when the server is ready: what reading the configuration and the leases took goes back to the system.
func settle() {
	debug.SetGCPercent(collectAt)
	debug.FreeOSMemory()
}
