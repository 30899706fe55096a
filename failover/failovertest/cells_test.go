package failovertest

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-dhcp/tandem/failover"
)

// never says of a cell that cannot be visited why not, and nothing of the others.
func never(c Cell) string {
	switch {
	case c.Event == "started" && c.State != failover.Startup:
		return "Started comes first, and begins STARTUP"
	case c.State == failover.ConflictDone && c.Role == failover.Secondary:
		return "only the primary goes into CONFLICT-DONE (draft 9.8)"
	}
	return ""
}

// allEvents are all that can reach a Machine, as far as it tells them apart.
func allEvents() []string {
	all := []string{"started", "tick", "connected", "disconnected", "grant", "renewal", "release", "decline"}
	for _, s := range puppetStates {
		all = append(all, "STATE "+s.String())
	}
	for t := failover.TypePoolRequest; t <= failover.TypeDisconnect; t++ {
		switch t {
		case failover.TypeState, failover.TypeConnect, failover.TypeConnectAck:
		default:
			all = append(all, t.String())
		}
	}
	for k := failover.OrderPartnerDown; k <= failover.OrderResync; k++ {
		all = append(all, "order "+k.String())
	}
	return all
}

// TestCells asks that every event has reached a server of both roles in every state, in worlds or from a puppet.
func TestCells(t *testing.T) {
	visited := make(map[Cell]int)
	var mu sync.Mutex
	var wg sync.WaitGroup
	const worlds = 32
	jobs := make(chan uint64, worlds) // all of them: a puppet that fails ends its goroutine
	for seed := range uint64(worlds) {
		jobs <- 1 + seed
	}
	close(jobs)
	for range 2 {
		wg.Go(func() {
			for seed := range jobs {
				r, _ := New(Config{Seed: seed}).Run() // TestModel asks what becomes of it
				met := []map[Cell]int{r.Cells}
				for n := range uint64(3) {
					met = append(met, live(t, failover.Primary, seed+100*n), live(t, failover.Secondary, seed+100*n))
				}
				mu.Lock()
				for _, cells := range met {
					for c, n := range cells {
						visited[c] += n
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()

	known, missing := make(map[Cell]bool), []string(nil)
	for _, role := range []failover.Role{failover.Primary, failover.Secondary} {
		for _, state := range append([]failover.State{failover.Startup}, puppetStates...) {
			for _, event := range allEvents() {
				c := Cell{role, state, event}
				known[c] = true
				switch why := never(c); {
				case visited[c] == 0 && why == "":
					missing = append(missing, c.String())
				case visited[c] > 0 && why != "":
					t.Errorf("%v was visited, though %s", c, why)
				}
			}
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		t.Errorf("%d cells of %d were not visited:\n%s", len(missing), len(known), strings.Join(missing, "\n"))
	}
	for c := range maps.Keys(visited) {
		if !known[c] {
			t.Errorf("%v is in no list", c)
		}
	}
	t.Logf("%d cells", len(known))
}
