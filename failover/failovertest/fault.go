package failovertest

import (
	"math/rand/v2"
	"slices"
	"time"
)

// faults draws what goes wrong. It has a generator of its own, so that leaving one out does not change the others.
func (cfg Config) faults(end time.Duration, long bool) []Fault {
	rng := rand.New(rand.NewPCG(cfg.Seed, 2))
	kinds := drawKinds(rng, cfg.Faults&^lasting)
	if len(kinds) == 0 {
		return nil
	}
	pace := []time.Duration{time.Minute, 5 * time.Minute, 20 * time.Minute}[rng.IntN(3)]
	spans := []time.Duration{time.Second, 30 * time.Second, 5 * time.Minute, 90 * time.Minute}
	if long {
		pace = []time.Duration{6 * time.Hour, 24 * time.Hour, 72 * time.Hour}[rng.IntN(3)]
		spans = []time.Duration{10 * time.Second, time.Hour, 24 * time.Hour, 14 * 24 * time.Hour}
	}
	var all []Fault
	for at := time.Duration(0); ; {
		at += time.Duration(rng.Int64N(int64(2 * pace))).Truncate(time.Millisecond)
		if at >= end {
			return all
		}
		all = append(all, Fault{
			Number: len(all), Kind: kinds[rng.IntN(len(kinds))], At: at,
			For:    time.Duration(rng.Int64N(int64(spans[rng.IntN(4)]))).Truncate(time.Millisecond),
			Server: rng.IntN(2), Degree: rng.Uint32(),
		})
	}
}

// drawKinds chooses some kinds for a world: some suffer from few kinds often. After a ruinous one less can be asked, so
// most worlds have none, nor clocks that nobody can trust.
func drawKinds(rng *rand.Rand, from Kinds) []Kinds {
	if rng.IntN(5) != 0 && from&^ruinous != 0 {
		from &^= ruinous
	}
	if rng.IntN(5) != 0 && from&^timely != 0 {
		from &^= timely
	}
	var kinds []Kinds
	for _, n := range kindNames {
		if from&n.kind != 0 {
			kinds = append(kinds, n.kind)
		}
	}
	if len(kinds) == 0 {
		return nil
	}
	rng.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	return kinds[:1+rng.IntN(len(kinds))]
}

// plan schedules what goes wrong.
func (m *Model) plan() {
	for _, f := range m.cfg.faults(m.cfg.Time, m.long) {
		if m.cfg.Only != nil && !slices.Contains(m.cfg.Only, f.Number) {
			continue
		}
		m.report.Faults = append(m.report.Faults, f)
		var backup *store
		if f.Kind == StoreRolledBack {
			m.after(f.At-f.For-m.now, func() { backup = m.servers[f.Server].store.clone() })
		}
		m.after(f.At-m.now, func() {
			m.tracef("fault %v", f)
			m.begin(f, backup)
		})
	}
}

// begin lets a fault happen. It ends by itself, or all do when the world is healed.
func (m *Model) begin(f Fault, backup *store) {
	s := m.servers[f.Server]
	undo := func(do func()) {
		m.after(f.For, func() {
			if !m.calm {
				m.disturbed = m.now
				m.tracef("end of fault %d", f.Number)
				do()
			}
		})
	}
	m.disturbed = m.now
	if m.guarded() && f.Kind&(LinkCut|LinkOneWay|LinkReset|LinkSlow|LinkGarbled|SwitchSplit|Crash|SaveError|SaveSlow|PartnerDown|
		Operator|ClockStep|StoreLost|BothLost|StoreRolledBack|WrongPartnerDown) != 0 {
		m.tracef("fault %d is held off", f.Number)
		return
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
		m.wire.reset(int(f.Degree % 3))
	case LinkSlow:
		was := m.wire.delay
		m.wire.delay = time.Duration(f.Degree%5000) * time.Millisecond
		undo(func() { m.wire.delay = was })
	case LinkGarbled:
		m.wire.garble[f.Server] = f.Degree | 1
	case Crash:
		if at := crashPoint(f.Degree % 8); at != nowhere && at <= afterSend {
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
		f.For = min(f.For, time.Hour) // the two try again each second
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
		m.wire.stall(0, true)
		m.wire.stall(1, true)
		undo(func() {
			m.mend()
			m.lan.join()
		})
	case Blackout:
		m.lan.split(true)
		undo(m.lan.join)
	default:
		m.beginHuman(f, s, backup, undo)
	}
}

// mend lets the link work again.
func (m *Model) mend() {
	m.wire.stall(0, false)
	m.wire.stall(1, false)
	m.redial()
}

// heal ends all that is wrong.
func (m *Model) heal() {
	m.calm, m.disturbed = true, m.now
	m.mend()
	m.wire.delay = min(m.wire.delay, 500*time.Millisecond)
	m.wire.garble = [2]uint32{}
	m.lan.loss, m.lan.duplicate, m.lan.delay = 0, 0, 0
	m.lan.join()
	for _, s := range m.servers {
		s.crash, s.slow, s.store.broken, s.store.next = nowhere, 0, false, 0
		if s.clk != (clock{}) {
			s.clk.rate = 0
			s.set(0)
		}
		s.held = false
		s.boot()
		s.resume()
	}
	m.settlePools()
}
