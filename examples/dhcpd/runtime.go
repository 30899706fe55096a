package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// collectAt is by how many percent the memory may grow with garbage before it is collected. A server at work makes
	// little, and holds a record for each lease, so that more than this would only be held and not used.
	collectAt = 12
	// But one that takes in all leases of its partner, or tells them, makes much, and would look through its memory most of
	// the time. When that is more than maxMarked octets a second, it may grow by maxGarbage octets, and by no more than it
	// is, until it has been at rest for so many looks.
	maxMarked  = 128 << 20
	maxGarbage = 32 << 20
	lookEvery  = 500 * time.Millisecond
	restLooks  = 20
	// collectAtStart counts while the lease file is read, when most of what is made is kept: with 1,000,000 leases there
	// are 3 collections instead of 11, and the memory at its peak is the same.
	collectAtStart = 400
)

// prepare is called first: no profile of allocations is kept, unless somebody is to see it.
func prepare(profiled bool) {
	if !profiled {
		runtime.MemProfileRate = 0
	}
	debug.SetGCPercent(collectAtStart)
}

// settle is called when the server is ready: what reading the configuration and the leases took goes back to the system.
// Until ctx is done garbage is collected as seldom as collecting says.
func settle(ctx context.Context) {
	debug.SetGCPercent(collectAt)
	debug.FreeOSMemory()
	go func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		c := collecting{percent: collectAt}
		read := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/gc/heap/live:bytes"}}
		metrics.Read(read)
		for cycles := read[0].Value.Uint64(); ; {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			metrics.Read(read)
			was := c.percent
			if c.look(read[0].Value.Uint64()-cycles, read[1].Value.Uint64()); c.percent != was {
				debug.SetGCPercent(c.percent)
			}
			cycles = read[0].Value.Uint64()
		}
	}()
}

// collecting is how seldom garbage is collected.
type collecting struct {
	percent int // by which the memory may grow before
	rest    int // looks since there was much
}

// look takes in how often garbage was collected since the last look, and how much memory is in use without it.
func (c *collecting) look(cycles, live uint64) {
	marked := cycles * live * uint64(c.percent) / collectAt // if it had been collectAt
	if marked >= maxMarked*uint64(lookEvery)/uint64(time.Second) {
		c.percent, c.rest = max(collectAt, int(min(100, maxGarbage*100/live))), 0
		return
	}
	if c.rest++; c.rest >= restLooks {
		c.percent = collectAt
	}
}
