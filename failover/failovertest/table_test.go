package failovertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-dhcp/tandem/failover"
)

// table is what many worlds add up to.
type table struct {
	mu       sync.Mutex
	worlds   int
	time     time.Duration
	steps    int
	messages int
	acks     int
	doubled  int
	faults   map[Kinds]int
	broken   map[string]int
	pairs    map[[2]failover.State]int
	cells    map[Cell]int
	shown    time.Time
}

func newTable() *table {
	return &table{
		faults: make(map[Kinds]int), broken: make(map[string]int),
		pairs: make(map[[2]failover.State]int), cells: make(map[Cell]int), shown: time.Now(),
	}
}

// add takes a world in, and reports whether it is time to show the table.
func (s *table) add(r Report, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worlds++
	s.time += r.Time
	s.steps += r.Steps
	s.messages += r.Messages
	s.acks += r.Acks
	s.doubled += r.Doubled
	for _, f := range r.Faults {
		s.faults[f.Kind]++
	}
	if b, ok := err.(*Breach); ok {
		s.broken[b.Invariant]++
	}
	for p, n := range r.Pairs {
		s.pairs[p] += n
	}
	for c, n := range r.Cells {
		s.cells[c] += n
	}
	if time.Since(s.shown) < time.Minute {
		return false
	}
	s.shown = time.Now()
	return true
}

// String returns the table.
func (s *table) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	all := 0
	for _, n := range s.faults {
		all += n
	}
	fmt.Fprintf(&b, "%12d worlds\n%12.0f pair-hours\n%12d events\n%12d messages of the partners\n%12d DHCPACKs\n%12d cells of state and event\n%12d pairs of states\n%12d faults:\n",
		s.worlds, s.time.Hours(), s.steps, s.messages, s.acks, len(s.cells), len(s.pairs), all)
	for _, k := range kindNames {
		if n := s.faults[k.kind]; n > 0 {
			fmt.Fprintf(&b, "%12d     %s\n", n, k.name)
		}
	}
	fmt.Fprintf(&b, "%12d times given twice after what no protocol survives\n", s.doubled)
	if len(s.broken) == 0 {
		fmt.Fprintf(&b, "%12d promises broken", 0)
	}
	for _, k := range slices.Sorted(maps.Keys(s.broken)) {
		fmt.Fprintf(&b, "%12d times %s broken\n", s.broken[k], k)
	}
	return b.String()
}

// checkUsual asks that a commit was tried with as much as it should be, and that the two were in every pair of states that
// they may be in.
func (s *table) checkUsual(t *testing.T) {
	t.Helper()
	all := 0
	for _, n := range s.faults {
		all += n
	}
	if s.time < usualHours*time.Hour || all < usualFaults || s.messages+s.acks < usualMessages {
		t.Errorf("%.0f pair-hours, %d faults, %d messages and DHCPACKs: too little", s.time.Hours(), all, s.messages+s.acks)
	}
	for _, k := range kindNames {
		if k.kind&lasting == 0 && s.faults[k.kind] == 0 {
			t.Errorf("no fault of the kind %s", k.name)
		}
	}
	for _, p := range everyPair() {
		if s.pairs[p] == 0 {
			t.Errorf("the two were never in %v and %v", p[0], p[1])
		}
	}
}
