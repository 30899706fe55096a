package failovertest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Kinds is a set of kinds of fault.
type Kinds uint32

// The kinds.
const (
	LateStart   Kinds = 1 << iota // the secondary comes up minutes after the primary
	LinkCut                       // nothing passes between the servers, and both find out by silence
	LinkOneWay                    // likewise in one direction
	LinkReset                     // the connection breaks at once
	LinkSlow                      // messages take up to seconds
	Crash                         // a server ends, anywhere in the effects of a step, and comes back
	SaveError                     // writes fail for a while, or some of them
	SaveSlow                      // writes take up to seconds
	LANLoss                       // the LAN loses, repeats and delays messages
	Partition                     // each client reaches one server only
	SwitchSplit                   // likewise, and the servers do not reach each other
	Blackout                      // no client reaches any server
	None                          // no fault: a set of none

	All = None - 1 // every kind but None
)

var kindNames = []struct {
	kind Kinds
	name string
}{
	{LateStart, "late start"}, {LinkCut, "link cut"}, {LinkOneWay, "link one way"}, {LinkReset, "link reset"},
	{LinkSlow, "link slow"}, {Crash, "crash"}, {SaveError, "save error"}, {SaveSlow, "save slow"}, {LANLoss, "LAN loss"},
	{Partition, "partition"}, {SwitchSplit, "switch split"}, {Blackout, "blackout"},
}

// String returns the names of the kinds, "link cut, crash".
func (k Kinds) String() string {
	s := ""
	for _, n := range kindNames {
		if k&n.kind != 0 {
			if s != "" {
				s += ", "
			}
			s += n.name
		}
	}
	if s == "" {
		return "none"
	}
	return s
}

// Fault is one thing that goes wrong.
type Fault struct {
	Number int // for Config.Only
	Kind   Kinds
	At     time.Duration // virtual time since the beginning
	For    time.Duration // how long
	Server int           // 0 the primary, 1 the secondary, of those kinds that happen to one
	Degree uint32        // how bad, or where; what it means depends on the kind
}

// String returns "crash of the secondary at 1h3m0s for 20s".
func (f Fault) String() string {
	s := f.Kind.String()
	switch f.Kind {
	case LinkOneWay:
		s += " to the " + [...]string{"primary", "secondary"}[f.Server]
	case Crash, SaveError, SaveSlow:
		s += " of the " + [...]string{"primary", "secondary"}[f.Server]
	}
	return fmt.Sprintf("%d: %s at %v for %v (%d)", f.Number, s, f.At, f.For, f.Degree)
}

// faults draws what goes wrong. It has a generator of its own, so that leaving one out does not change the others.
func (cfg Config) faults(end time.Duration) []Fault {
	rng := rand.New(rand.NewPCG(cfg.Seed, 2))
	var kinds []Kinds
	for _, n := range kindNames {
		if n.kind != LateStart && cfg.Faults&n.kind != 0 {
			kinds = append(kinds, n.kind)
		}
	}
	if len(kinds) == 0 {
		return nil
	}
	// A world has its own kinds and its own pace: some suffer from few kinds often.
	rng.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	kinds = kinds[:1+rng.IntN(len(kinds))]
	pace := []time.Duration{time.Minute, 5 * time.Minute, 20 * time.Minute}[rng.IntN(3)]
	var all []Fault
	for at := time.Duration(0); ; {
		at += time.Duration(rng.Int64N(int64(2 * pace))).Truncate(time.Millisecond)
		if at >= end {
			return all
		}
		long := []time.Duration{time.Second, 30 * time.Second, 5 * time.Minute, 90 * time.Minute}[rng.IntN(4)]
		all = append(all, Fault{
			Number: len(all), Kind: kinds[rng.IntN(len(kinds))], At: at,
			For:    time.Duration(rng.Int64N(int64(long))).Truncate(time.Millisecond),
			Server: rng.IntN(2), Degree: rng.Uint32(),
		})
	}
}

// plan schedules what goes wrong.
func (m *Model) plan() {
	for _, f := range m.cfg.faults(m.cfg.Time) {
		if m.cfg.Only != nil && !slices.Contains(m.cfg.Only, f.Number) {
			continue
		}
		m.report.Faults = append(m.report.Faults, f)
		m.after(f.At-m.now, func() {
			m.tracef("fault %v", f)
			m.begin(f)
		})
	}
}

// begin lets a fault happen. It ends by itself, or all do when the world is healed.
func (m *Model) begin(f Fault) {
	s := m.servers[f.Server]
	undo := func(do func()) {
		m.after(f.For, func() {
			if !m.calm {
				m.tracef("end of fault %d", f.Number)
				do()
			}
		})
	}
	switch f.Kind {
	case LinkCut:
		m.wire.stall(0, true)
		m.wire.stall(1, true)
		undo(m.mend)
	case LinkOneWay:
		m.wire.stall(f.Server, true)
		undo(m.mend)
	case LinkReset:
		m.wire.reset()
	case LinkSlow:
		was := m.wire.delay
		m.wire.delay = time.Duration(f.Degree%5000) * time.Millisecond
		undo(func() { m.wire.delay = was })
	case Crash:
		if at := crashPoint(f.Degree % 5); at != nowhere && at <= midSend {
			s.crash = at
			return
		}
		s.die(f.Degree>>8&1 == 0)
		undo(s.boot)
	case SaveError:
		if f.Degree%2 == 0 {
			s.store.next = int(f.Degree >> 8 % 4)
			return
		}
		s.store.broken = true
		undo(func() { s.store.broken = false })
	case SaveSlow:
		s.slow = time.Duration(f.Degree%3000) * time.Millisecond
		undo(func() { s.slow = 0 })
	case LANLoss:
		m.lan.loss, m.lan.duplicate = int(f.Degree%50), int(f.Degree>>8%30)
		m.lan.delay = time.Duration(f.Degree>>16%10000) * time.Millisecond
		undo(func() { m.lan.loss, m.lan.duplicate, m.lan.delay = 0, 0, 0 })
	case Partition:
		m.lan.split(false)
		undo(m.lan.join)
	case SwitchSplit:
		m.lan.split(false)
		m.begin(Fault{Number: f.Number, Kind: LinkCut, For: f.For})
		undo(m.lan.join)
	case Blackout:
		m.lan.split(true)
		undo(m.lan.join)
	}
}

// mend lets the link work again.
func (m *Model) mend() {
	m.wire.stall(0, false)
	m.wire.stall(1, false)
}

// heal ends all that is wrong.
func (m *Model) heal() {
	m.calm = true
	m.mend()
	m.wire.delay = min(m.wire.delay, 500*time.Millisecond)
	m.lan.loss, m.lan.duplicate, m.lan.delay = 0, 0, 0
	m.lan.join()
	for _, s := range m.servers {
		s.crash, s.slow, s.store.broken, s.store.next = nowhere, 0, false, 0
		s.boot()
	}
}

// Shrink returns the Config of a run that breaks the same promise as cfg does, with as many faults left out, and the
// Breach. It returns cfg and nil if cfg breaks none.
func Shrink(cfg Config) (Config, *Breach) {
	run := func(c Config) (*Breach, []Fault) {
		c.Trace = nil
		r, err := New(c).Run()
		b, _ := err.(*Breach)
		return b, r.Faults
	}
	first, faults := run(cfg)
	if first == nil {
		return cfg, nil
	}
	best := first
	only := []int{} // what had not begun before the breach has no part in it
	for _, f := range faults {
		if f.At <= first.At {
			only = append(only, f.Number)
		}
	}
	// Halves, quarters and so on are left out, down to single ones.
	for size := max(len(only)/2, 1); ; size /= 2 {
		for i := 0; i < len(only); {
			c := cfg
			c.Only = slices.Concat(only[:i], only[min(i+size, len(only)):])
			if c.Only == nil {
				c.Only = []int{}
			}
			if b, _ := run(c); b != nil && b.Invariant == first.Invariant {
				only, best = c.Only, b
			} else {
				i += size
			}
		}
		if size <= 1 {
			cfg.Only = only
			return cfg, best
		}
	}
}
