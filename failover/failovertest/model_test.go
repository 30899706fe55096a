package failovertest

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seed  = flag.Uint64("seed", 0, "run TestModel with this seed alone, and show all that happens")
	seeds = flag.Uint64("seeds", 0, "run TestModel with so many seeds, instead of the usual number")
	from  = flag.Uint64("from", 1, "the first of them")
	only  = flag.String("only", "", "with -seed: numbers of the faults that are to happen, as printed; - for none")
	skew  = flag.Duration("skew", 0, "let the clocks of the two servers differ by up to this much")
	keep  = flag.Bool("keep", false, "go on after a seed that fails, and print a line for each")
	bare  = flag.Bool("bare", false, "do not search which of its faults a seed takes to fail")
	tried = flag.Bool("commit", false, "run TestModel with as many seeds as a commit is tried with, and ask that it is as much as it should be")
	long  = flag.Duration("for", 0, "run TestModel for so long, with as many seeds as that takes, and print the table each minute")
)

// What a commit is tried with, at the least: -commit.
const (
	usualSeeds    = 640
	usualHours    = 100_000   // of pairs
	usualFaults   = 10_000    //
	usualMessages = 1_000_000 // of the partners, and DHCPACKs
)

func config(seed uint64) Config { return Config{Seed: seed, Skew: *skew} }

// TestModel lets some worlds live; or as many as a commit is tried with, -commit; or, for an hour or a night:
//
//	go test ./failover/failovertest -run 'TestModel$' -v -timeout 0 -args -for 1h -keep -from 1000000
func TestModel(t *testing.T) {
	if *seed != 0 {
		replay(t)
		return
	}
	n := uint64(40)
	switch {
	case *seeds != 0:
		n = *seeds
	case *long > 0:
		n = math.MaxUint64
	case *tried:
		n = usualSeeds
	}
	began := time.Now()
	tab := newTable()
	var next atomic.Uint64
	var failed atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !failed.Load() || *keep {
				i := next.Add(1) - 1
				if i >= n || *long > 0 && time.Since(began) > *long {
					return
				}
				r, err := New(config(*from + i)).Run()
				if tab.add(r, err) && *long > 0 {
					t.Logf("after %v:\n%v", time.Since(began).Round(time.Second), tab)
				}
				switch {
				case err == nil:
				case *keep, *bare:
					failed.Store(true)
					t.Error(err)
				case !failed.Swap(true):
					explain(t, config(*from+i))
				}
			}
		})
	}
	wg.Wait()
	t.Logf("in %v:\n%v", time.Since(began).Round(time.Millisecond), tab)
	if *tried && !t.Failed() {
		tab.checkUsual(t)
	}
}

// explain shrinks a run that fails, and prints how to see it.
func explain(t *testing.T, cfg Config) {
	t.Helper()
	cfg, b := Shrink(cfg)
	if b == nil {
		t.Errorf("seed %d failed, and does not fail again", cfg.Seed)
		return
	}
	var trace bytes.Buffer
	cfg.Trace = &trace
	r, _ := New(cfg).Run()
	t.Errorf("%v", b)
	for _, f := range r.Faults {
		if f.At <= b.At {
			t.Logf("fault %v", f)
		}
	}
	lines := strings.Split(trace.String(), "\n")
	t.Logf("the end of what happened:\n%s", strings.Join(lines[max(0, len(lines)-40):], "\n"))
	more := ""
	if *skew > 0 {
		more = fmt.Sprintf(" -skew %v", *skew)
	}
	t.Logf("to see it:\n\tgo test ./failover/failovertest -run 'TestModel$' -v -args -seed %d%s -only %s",
		cfg.Seed, more, numbers(cfg.Only))
}

func numbers(n []int) string {
	return strings.Join(strings.Fields(strings.Trim(fmt.Sprint(n), "[]")), ",")
}

// replay runs one seed and shows all.
func replay(t *testing.T) {
	cfg := config(*seed)
	cfg.Trace = os.Stdout
	if *only != "" {
		cfg.Only = []int{}
	}
	for word := range strings.SplitSeq(*only, ",") {
		var n int
		if _, err := fmt.Sscan(word, &n); err == nil {
			cfg.Only = append(cfg.Only, n)
		}
	}
	r, err := New(cfg).Run()
	if err != nil {
		t.Error(err)
	}
	t.Logf("hash %x, %d events, %d DHCPACKs", r.Hash, r.Steps, r.Acks)
}

func TestSameSeedSameRun(t *testing.T) {
	for s := uint64(1); s <= 20; s++ {
		a, errA := New(config(s)).Run()
		b, errB := New(config(s)).Run()
		if a.Hash != b.Hash || a.Steps != b.Steps {
			t.Errorf("seed %d gave %x in %d events, and then %x in %d (%v, %v)", s, a.Hash, a.Steps, b.Hash, b.Steps, errA, errB)
		}
	}
}

func TestWorldWithoutFaults(t *testing.T) {
	for s := uint64(1); s <= 10; s++ {
		r, err := New(Config{Seed: s, Faults: None}).Run()
		if err != nil {
			explain(t, Config{Seed: s, Faults: None})
		}
		if r.Acks == 0 {
			t.Errorf("seed %d: no client was ever bound", s)
		}
	}
}

func TestBreachIsAnError(t *testing.T) {
	var err error = &Breach{Invariant: "I1", Seed: 7, At: time.Minute, Text: "two clients"}
	var b *Breach
	if !errors.As(err, &b) || err.Error() != "failovertest: I1 broken (seed 7) at 1m0s: two clients" {
		t.Errorf("%v", err)
	}
}
